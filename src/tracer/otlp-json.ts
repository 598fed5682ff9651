// Finished spans as an OTLP request in JSON: ids in hex, numbers of 64 bits as text, enums as numbers.
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding

import {
  type AttributeName,
  type AttributeSink,
  type SemanticConventions,
  writeAttributes,
} from './attributes.ts'
import { BELOW_REMOTE, type LeanSpanContext } from './context.ts'
import { toEvent } from './events.ts'
import type { Resource } from './exporter.ts'
import type { LeanSpan } from './span.ts'
import type { TagValue } from './value.ts'

/** The sampled and random flags of W3C Trace Context, and whether the parent is in another process. */
export function flagsOf({ trace, place }: LeanSpanContext): number {
  return 0x100 | (trace.sampled ? 1 : 0) | (trace.random ? 2 : 0) | (place === BELOW_REMOTE ? 0x200 : 0)
}

interface KeyValue {
  key: string
  value: object
}

/** Encodes the batches of one process. */
export class OtlpJson {
  readonly #resource: object
  readonly #conventions: SemanticConventions

  constructor(resource: Resource, conventions: SemanticConventions) {
    this.#conventions = conventions
    this.#resource = { attributes: toKeyValues(resource) }
  }

  /** The body of a request. */
  encode(spans: readonly LeanSpan[]): Uint8Array {
    const scopeSpans = [
      { scope: { name: 'tracing-middleware' }, spans: spans.map(span => toJson(span, this.#conventions)) },
    ]
    return Buffer.from(JSON.stringify({ resourceSpans: [{ resource: this.#resource, scopeSpans }] }))
  }
}

class JsonSink implements AttributeSink {
  readonly attributes: KeyValue[] = []

  put({ text }: AttributeName, value: TagValue): void {
    this.attributes.push({ key: text, value: toAny(value) })
  }

  putPart({ text }: AttributeName, value: string, start: number, end: number): void {
    this.attributes.push({ key: text, value: { stringValue: value.slice(start, end) } })
  }
}

function toJson(span: LeanSpan, conventions: SemanticConventions): object {
  const { ctx, extra } = span
  const sink = new JsonSink()
  const { kind, failed, message } = writeAttributes(span, conventions, sink)
  return {
    traceId: ctx.traceId,
    spanId: ctx.spanId,
    parentSpanId: ctx.parentId,
    traceState: ctx.tracestate,
    flags: flagsOf(ctx),
    name: span.operationName,
    kind,
    startTimeUnixNano: toNanos(span.startTime, 0),
    endTimeUnixNano: toNanos(span.startTime, span.nanos),
    attributes: sink.attributes,
    droppedAttributesCount: extra?.droppedTags,
    events: extra?.logs.map(log => {
      const { name, attributes } = toEvent(log, conventions)
      return { timeUnixNano: toNanos(log.timestamp, 0), name, attributes: toKeyValues(attributes) }
    }),
    droppedEventsCount: extra?.droppedLogs,
    links: extra?.references.map(({ type, traceId, spanId, tracestate }) => ({
      traceId,
      spanId,
      traceState: tracestate,
      attributes: toKeyValues({ 'opentracing.ref_type': type }),
    })),
    status: failed ? { code: 2, message } : undefined,
  }
}

function toNanos(milliseconds: number, nanoseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  const rest = Math.round((milliseconds - seconds * 1000) * 1e6) + nanoseconds
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(rest))
}

function toKeyValues(attributes: Readonly<Record<string, TagValue>>): KeyValue[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: toAny(value) }))
}

function toAny(value: TagValue): object {
  switch (typeof value) {
    case 'string':
      return { stringValue: value }
    case 'boolean':
      return { boolValue: value }
    case 'number':
      if (Number.isSafeInteger(value)) return { intValue: String(value) }
      // JSON has no NaN and no infinity: protocol buffers write them as text.
      return { doubleValue: Number.isFinite(value) ? value : String(value) }
    default:
      return { arrayValue: { values: value.map(toAny) } }
  }
}
