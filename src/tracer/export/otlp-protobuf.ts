// Finished spans as an OTLP request in protocol buffers.

import { type SemanticConventions, writeAttributes } from '../../core/conventions/otel-attributes.ts'
import { toEvent } from '../../core/conventions/otel-events.ts'
import { fromHex } from '../ids.ts'
import { type EncodableSpan, encodeEach } from './encodable.ts'
import type { ExportResult, FinishedSpan, Resource, SpanLog, SpanReference } from './exporter.ts'
import {
  EVENT,
  EXPORT_REQUEST,
  LINK,
  REFERENCE_TYPE,
  RESOURCE,
  RESOURCE_SPANS,
  SCOPE,
  SCOPE_SPANS,
  SPAN,
  STATUS,
  STATUS_ERROR,
  spanFlags,
} from './otlp-fields.ts'
import { ProtobufAttributes } from './protobuf-attributes.ts'
import { ProtobufWriter } from './protobuf-writer.ts'

/** The body of a request, and the spans that are not in it. */
export interface EncodedRequest {
  readonly body: Uint8Array
  readonly leftOut: ExportResult | undefined
}

/** More than the fields of a fixed size need. */
const SPAN_ROOM = 128

/** Encodes the batches of one process. */
export class OtlpProtobuf {
  // One buffer for all batches: it grows to the largest and is copied from.
  readonly #out = new ProtobufWriter()
  readonly #attributes = new ProtobufAttributes(this.#out)
  readonly #conventions: SemanticConventions
  /** Resource and scope, which are the same in each request. */
  readonly #resource: Uint8Array
  readonly #scope: Uint8Array

  constructor(resource: Resource, conventions: SemanticConventions) {
    this.#conventions = conventions
    this.#resource = this.#message(RESOURCE_SPANS.resource, () =>
      this.#attributes.putAll(RESOURCE.attributes, resource),
    )
    this.#scope = this.#message(SCOPE_SPANS.scope, () => this.#out.text(SCOPE.name, 'tracing-middleware'))
  }

  encode(spans: readonly FinishedSpan[]): EncodedRequest {
    const out = this.#out
    out.reset()
    const resourceSpans = out.beginLarge(EXPORT_REQUEST.resourceSpans)
    out.bytes(this.#resource)
    const scopeSpans = out.beginLarge(RESOURCE_SPANS.scopeSpans)
    out.bytes(this.#scope)
    const leftOut = encodeEach(spans, span => {
      const start = out.position
      try {
        this.#span(span)
      } catch (error) {
        out.position = start
        throw error
      }
    })
    out.endLarge(scopeSpans)
    out.endLarge(resourceSpans)
    return { body: out.copy(), leftOut }
  }

  #message(tag: number, write: () => void): Uint8Array {
    this.#out.reset()
    const start = this.#out.begin(tag)
    write()
    this.#out.end(start)
    return this.#out.copy()
  }

  #span(span: EncodableSpan): void {
    const out = this.#out
    const { tracestate, logs, references } = span
    out.reserve(SPAN_ROOM)
    const start = out.begin(SCOPE_SPANS.spans)
    this.#identity(span)
    if (tracestate !== undefined) out.text(SPAN.traceState, tracestate)
    out.text(SPAN.name, span.operationName)
    this.#attributes.tag = SPAN.attributes
    const { kind, failed, message } = writeAttributes(span, this.#conventions, this.#attributes)
    out.reserve(SPAN_ROOM)
    out.varintField(SPAN.kind, kind)
    if (span.droppedTags > 0) out.varintField(SPAN.droppedAttributesCount, span.droppedTags)
    if (span.droppedLogs > 0) out.varintField(SPAN.droppedEventsCount, span.droppedLogs)
    if (failed) this.#failure(message)
    for (let i = 0; i < logs.length; i++) this.#event(logs[i] as SpanLog)
    for (let i = 0; i < references.length; i++) this.#link(references[i] as SpanReference)
    out.end(start)
  }

  /** Ids, times and flags. */
  #identity({ ctx, startTime, durationNanos, traceFlags, isParentRemote }: EncodableSpan): void {
    const out = this.#out
    const { trace } = ctx
    out.byte(SPAN.traceId)
    out.byte(16)
    out.word(trace.w0)
    out.word(trace.w1)
    out.word(trace.w2)
    out.word(trace.w3)
    out.byte(SPAN.spanId)
    out.byte(8)
    out.word(ctx.high)
    out.word(ctx.low)
    if ((ctx.parentHigh | ctx.parentLow) !== 0) {
      out.byte(SPAN.parentSpanId)
      out.byte(8)
      out.word(ctx.parentHigh)
      out.word(ctx.parentLow)
    }
    out.interval(SPAN.startTimeUnixNano, SPAN.endTimeUnixNano, startTime, durationNanos)
    out.varint(SPAN.flags)
    out.fixed32(spanFlags(traceFlags, isParentRemote))
  }

  #failure(message: string | undefined): void {
    const out = this.#out
    const start = out.begin(SPAN.status)
    if (message !== undefined) out.text(STATUS.message, message)
    out.reserve(2)
    out.varintField(STATUS.code, STATUS_ERROR)
    out.end(start)
  }

  #event(log: SpanLog): void {
    const out = this.#out
    const { name, attributes } = toEvent(log, this.#conventions)
    const start = out.begin(SPAN.events)
    out.reserve(9)
    out.byte(EVENT.timeUnixNano)
    out.time(log.timestamp)
    out.text(EVENT.name, name)
    this.#attributes.putAll(EVENT.attributes, attributes)
    out.end(start)
  }

  #link({ type, traceId, spanId, tracestate }: SpanReference): void {
    const out = this.#out
    const start = out.begin(SPAN.links)
    out.reserve(SPAN_ROOM)
    out.byte(LINK.traceId)
    out.byte(16)
    for (let i = 0; i < 32; i += 8) out.word(fromHex(traceId, i))
    out.byte(LINK.spanId)
    out.byte(8)
    out.word(fromHex(spanId, 0))
    out.word(fromHex(spanId, 8))
    if (tracestate !== undefined) out.text(LINK.traceState, tracestate)
    this.#attributes.putAll(LINK.attributes, { [REFERENCE_TYPE]: type })
    out.end(start)
  }
}
