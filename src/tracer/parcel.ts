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
  /** Takes a span that has ended. A throw loses it, and no other. */
  add(span: LeanSpan): void
  send(job: ExportJob): Promise<ExportAnswer> | ExportAnswer
}

type Pack = () => Parcel

const packers = new WeakMap<Exporter, { pack: Pack; export: Exporter['export'] }>()

/** Has an exporter of ours pack in its own way, as long as nobody replaces its `export`, or copies it. */
export function packBy(exporter: Exporter, pack: Pack): void {
  packers.set(exporter, { pack, export: exporter.export })
}

/** An empty parcel. */
export function packFor(exporter: Exporter): Parcel {
  const own = packers.get(exporter)
  return own !== undefined && own.export === exporter.export ? own.pack() : new SpanList(exporter)
}

class SpanList implements Parcel {
  size = 0
  bytes = 0
  readonly #spans: LeanSpan[] = []
  readonly #exporter: Exporter

  constructor(exporter: Exporter) {
    this.#exporter = exporter
  }

  add(span: LeanSpan): void {
    this.#spans.push(span)
  }

  send(job: ExportJob): Promise<ExportAnswer> | ExportAnswer {
    return this.#exporter.export(this.#spans, job)
  }
}
