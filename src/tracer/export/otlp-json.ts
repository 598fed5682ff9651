// Finished spans as an OTLP request in JSON: ids in hex, numbers of 64 bits as text, enums as numbers.
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding

import {
  type AttributeName,
  type AttributeSink,
  type SemanticConventions,
  writeAttributes,
} from '../../core/conventions/otel-attributes.ts'
import { toEvent } from '../../core/conventions/otel-events.ts'
import type { TagValue } from '../../core/conventions/tag-value.ts'
import { type EncodableSpan, encodeEach } from './encodable.ts'
import type { FinishedSpan, Resource } from './exporter.ts'
import { REFERENCE_TYPE, STATUS_ERROR, spanFlags } from './otlp-fields.ts'
import type { EncodedRequest } from './otlp-protobuf.ts'

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

  encode(given: readonly FinishedSpan[]): EncodedRequest {
    const spans: object[] = []
    const leftOut = encodeEach(given, span => spans.push(toJson(span, this.#conventions)))
    const scopeSpans = [{ scope: { name: 'tracing-middleware' }, spans }]
    const request = { resourceSpans: [{ resource: this.#resource, scopeSpans }] }
    return { body: Buffer.from(JSON.stringify(request)), leftOut }
  }
}

class JsonAttributes implements AttributeSink {
  readonly attributes: KeyValue[] = []

  put({ text }: AttributeName, value: TagValue): void {
    this.attributes.push({ key: text, value: toAny(value) })
  }

  putPart({ text }: AttributeName, value: string, start: number, end: number): void {
    this.attributes.push({ key: text, value: { stringValue: value.slice(start, end) } })
  }
}

function toJson(span: EncodableSpan, conventions: SemanticConventions): object {
  const sink = new JsonAttributes()
  const { kind, failed, message } = writeAttributes(span, conventions, sink)
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentId,
    traceState: span.tracestate,
    flags: spanFlags(span.traceFlags, span.isParentRemote),
    name: span.operationName,
    kind,
    startTimeUnixNano: toNanos(span.startTime, 0),
    endTimeUnixNano: toNanos(span.startTime, span.durationNanos),
    attributes: sink.attributes,
    droppedAttributesCount: span.droppedTags || undefined,
    events: span.logs.map(log => {
      const { name, attributes } = toEvent(log, conventions)
      return { timeUnixNano: toNanos(log.timestamp, 0), name, attributes: toKeyValues(attributes) }
    }),
    droppedEventsCount: span.droppedLogs || undefined,
    links: span.references.map(({ type, traceId, spanId, tracestate }) => ({
      traceId,
      spanId,
      traceState: tracestate,
      attributes: toKeyValues({ [REFERENCE_TYPE]: type }),
    })),
    status: failed ? { code: STATUS_ERROR, message } : undefined,
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
