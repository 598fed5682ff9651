// Finished spans as an OTLP request in protocol buffers, written straight into buffers that are used again.
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto

import { RequestFacts } from '../core/index.ts'
import { type SemanticConventions, writeAttributes } from './attributes.ts'
import { toEvent } from './events.ts'
import type { Resource, SpanLog, SpanReference } from './exporter.ts'
import { fromHex } from './ids.ts'
import { ProtobufSink } from './otlp-attributes.ts'
import { flagsOf } from './otlp-json.ts'
import { ATTRIBUTES, KIND, NAME, RequestEncoder } from './otlp-requests.ts'
import { MAX_LENGTH_BYTES, newPage, type Page, ProtobufWriter, sizeOfVarint } from './protobuf.ts'
import type { LeanSpan } from './span.ts'

// Field tags: number << 3 | wire type. 0: varint, 1: 64 bits, 2: with a length, 5: 32 bits.
const TRACE_ID = 0x0a
const SPAN_ID = 0x12
const TRACE_STATE = 0x1a
const PARENT_SPAN_ID = 0x22
const START_TIME = 0x39
const END_TIME = 0x41
const DROPPED_ATTRIBUTES = 0x50
const EVENTS = 0x5a
const DROPPED_EVENTS = 0x60
const LINKS = 0x6a
const STATUS = 0x7a
const FLAGS = 0x85
const FLAGS_2 = 0x01
const RESOURCE_SPANS = 0x0a
const SCOPE_SPANS = 0x12
const SPANS = 0x12

const STATUS_ERROR = 2
const SCOPE_NAME = 'tracing-middleware'
/** What OpenTelemetry's shim for OpenTracing writes beside a reference. */
const REFERENCE_TYPE = 'opentracing.ref_type'

/** More than the fields of a fixed size need. */
const SPAN_ROOM = 128
/** A page that has grown to more bytes than this is let go of. */
const MAX_SPARE = 2 * 1024 * 1024

/** Encodes the batches of one process. */
export class OtlpProtobuf {
  readonly #out = new ProtobufWriter(newPage())
  readonly #sink = new ProtobufSink(this.#out)
  readonly #requests: RequestEncoder
  readonly #conventions: SemanticConventions
  /** What stands in front of the spans, but for the lengths. */
  readonly #resource: Uint8Array
  readonly #scope: Uint8Array
  /** How much room is left for them, and for the lengths. */
  readonly #room: number
  /** What the parcel before was written on. */
  #spare: Page | undefined

  constructor(resource: Resource, conventions: SemanticConventions) {
    this.#conventions = conventions
    this.#requests = new RequestEncoder(this.#out, this.#sink, conventions)
    this.#resource = this.#message(0x0a, () => this.#sink.putAll(0x0a, resource))
    this.#scope = this.#message(0x0a, () => this.#out.text(0x0a, SCOPE_NAME))
    this.#room = 2 * (1 + MAX_LENGTH_BYTES) + this.#resource.length + this.#scope.length
  }

  /** A page for one request. */
  begin(): Page {
    const page = this.#spare ?? newPage()
    this.#spare = undefined
    const out = this.#out
    out.turnTo(page)
    out.position = 0
    out.reserve(this.#room)
    out.position = this.#room
    return page
  }

  /** Writes a request's span on a page, if it can be put together from parts. */
  write(span: LeanSpan, page: Page): boolean {
    const { slots, extra, ctx } = span
    if (!(slots instanceof RequestFacts) || extra !== undefined || ctx.trace.tracestate !== undefined)
      return false
    const out = this.#out
    out.turnTo(page)
    const { position } = out
    let isWritten = false
    try {
      out.reserve(SPAN_ROOM)
      const start = out.begin(SPANS)
      this.#head(span)
      isWritten = this.#requests.write(span.operationName, slots)
      if (isWritten) out.end(start)
    } finally {
      if (!isWritten) out.position = position
    }
    return isWritten
  }

  /** The body of a request: what is on the page, and these spans. */
  seal(page: Page, spans: readonly LeanSpan[]): Uint8Array {
    this.#out.turnTo(page)
    for (let i = 0; i < spans.length; i++) this.#span(spans[i] as LeanSpan)
    return this.#withHead(this.#room)
  }

  /** Takes a page back, once nobody reads it any more. */
  reuse(page: Page): void {
    if (page.buffer.length <= MAX_SPARE) this.#spare = page
  }

  #message(tag: number, write: () => void): Uint8Array {
    this.#out.position = 0
    const start = this.#out.begin(tag)
    write()
    this.#out.end(start)
    return Uint8Array.from(this.#out.buffer.subarray(0, this.#out.position))
  }

  /** Request, resource and scope go in front of the spans, since their lengths are known only now. */
  #withHead(start: number): Uint8Array {
    const out = this.#out
    const end = out.position
    const scopeSpans = this.#scope.length + end - start
    const resourceSpans = this.#resource.length + 1 + sizeOfVarint(scopeSpans) + scopeSpans
    const begin = end - resourceSpans - sizeOfVarint(resourceSpans) - 1
    out.position = begin
    out.byte(RESOURCE_SPANS)
    out.varint(resourceSpans)
    out.bytes(this.#resource)
    out.byte(SCOPE_SPANS)
    out.varint(scopeSpans)
    out.bytes(this.#scope)
    return out.buffer.subarray(begin, end)
  }

  #span(span: LeanSpan): void {
    const out = this.#out
    const { ctx, extra } = span
    out.reserve(SPAN_ROOM)
    const start = out.begin(SPANS)
    this.#head(span)
    if (ctx.trace.tracestate !== undefined) out.text(TRACE_STATE, ctx.trace.tracestate)
    out.text(NAME, span.operationName)
    this.#sink.tag = ATTRIBUTES
    const facts = writeAttributes(span, this.#conventions, this.#sink)
    out.reserve(SPAN_ROOM)
    out.byte(KIND)
    out.byte(facts.kind)
    if (facts.failed) this.#failure(facts.message)
    if (extra !== undefined) this.#extra(extra)
    out.end(start)
  }

  /** Who it is, and when it was. */
  #head({ ctx, start, nanos }: LeanSpan): void {
    const out = this.#out
    const { trace } = ctx
    trace.readWords()
    out.byte(TRACE_ID)
    out.byte(16)
    out.word(trace.w0)
    out.word(trace.w1)
    out.word(trace.w2)
    out.word(trace.w3)
    out.byte(SPAN_ID)
    out.byte(8)
    out.word(ctx.high)
    out.word(ctx.low)
    if ((ctx.parentHigh | ctx.parentLow) !== 0) {
      out.byte(PARENT_SPAN_ID)
      out.byte(8)
      out.word(ctx.parentHigh)
      out.word(ctx.parentLow)
    }
    out.interval(START_TIME, END_TIME, start + trace.anchor, nanos)
    out.byte(FLAGS)
    out.byte(FLAGS_2)
    out.fixed32(flagsOf(ctx))
  }

  #failure(message: string | undefined): void {
    const out = this.#out
    const start = out.begin(STATUS)
    if (message !== undefined) out.text(0x12, message)
    out.reserve(2)
    out.byte(0x18)
    out.byte(STATUS_ERROR)
    out.end(start)
  }

  #extra({ droppedTags, droppedLogs, logs, references }: NonNullable<LeanSpan['extra']>): void {
    const out = this.#out
    out.reserve(SPAN_ROOM)
    if (droppedTags > 0) {
      out.byte(DROPPED_ATTRIBUTES)
      out.varint(droppedTags)
    }
    if (droppedLogs > 0) {
      out.byte(DROPPED_EVENTS)
      out.varint(droppedLogs)
    }
    for (const log of logs) this.#event(log)
    for (const reference of references) this.#link(reference)
  }

  #event(log: SpanLog): void {
    const out = this.#out
    const { name, attributes } = toEvent(log, this.#conventions)
    const start = out.begin(EVENTS)
    out.reserve(9)
    out.byte(0x09)
    out.time(log.timestamp)
    out.text(0x12, name)
    this.#sink.putAll(0x1a, attributes)
    out.end(start)
  }

  #link({ type, traceId, spanId, tracestate }: SpanReference): void {
    const out = this.#out
    const start = out.begin(LINKS)
    out.reserve(SPAN_ROOM)
    out.byte(TRACE_ID)
    out.byte(16)
    for (let i = 0; i < 32; i += 8) out.word(fromHex(traceId, i))
    out.byte(SPAN_ID)
    out.byte(8)
    out.word(fromHex(spanId, 0))
    out.word(fromHex(spanId, 8))
    if (tracestate !== undefined) out.text(TRACE_STATE, tracestate)
    this.#sink.putAll(0x22, { [REFERENCE_TYPE]: type })
    out.end(start)
  }
}
