// How ended spans wait for their export: packed as they will be sent. Most exporters get them as they are; one that writes
// spans down may do so as they end, and keep nothing else of them.

import type { ExportAnswer, Exporter, ExportJob } from './exporter.ts'
import type { LeanSpan } from './span.ts'

/** Spans that travel together. */
export interface Parcel {
  /** How many. */
  size: number
  /** About how many bytes they take. */
  bytes: number
  /** Takes a span that has ended. A throw loses it. */
  add(span: LeanSpan): void
}

/** How an exporter has its spans packed and sent. */
export interface Shipping {
  pack(): Parcel
  send(parcel: Parcel, job: ExportJob): Promise<ExportAnswer> | ExportAnswer
}

const shippings = new WeakMap<Exporter, { shipping: Shipping; instead: Exporter['export'] }>()

/** Has an exporter of ours ship in its own way, as long as nobody replaces its `export`, or copies it. */
export function shipBy(exporter: Exporter, shipping: Shipping): void {
  shippings.set(exporter, { shipping, instead: exporter.export })
}

export function shippingOf(exporter: Exporter): Shipping {
  const own = shippings.get(exporter)
  if (own !== undefined && own.instead === exporter.export) return own.shipping
  return {
    pack: () => new SpanList(),
    send: (parcel, job) => exporter.export((parcel as SpanList).spans, job),
  }
}

class SpanList implements Parcel {
  readonly spans: LeanSpan[] = []
  size = 0
  bytes = 0

  add(span: LeanSpan): void {
    this.spans.push(span)
  }
}
