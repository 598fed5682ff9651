// Finished spans as an OTLP request in protocol buffers, written straight into a buffer that is used again.
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto

import {
  type AttributeName,
  type AttributeSink,
  nameOf,
  type SemanticConventions,
  writeAttributes,
} from './attributes.ts'
import { toEvent } from './events.ts'
import type { Resource, SpanLog, SpanReference } from './exporter.ts'
import { fromHex } from './ids.ts'
import { flagsOf } from './otlp-json.ts'
import { MAX_LENGTH_BYTES, ProtobufWriter, sizeOfVarint } from './protobuf.ts'
import type { LeanSpan } from './span.ts'
import type { TagValue } from './value.ts'

// Field tags: number << 3 | wire type. 0: varint, 1: 64 bits, 2: with a length, 5: 32 bits.
const TRACE_ID = 0x0a
const SPAN_ID = 0x12
const TRACE_STATE = 0x1a
const PARENT_SPAN_ID = 0x22
const NAME = 0x2a
const KIND = 0x30
const START_TIME = 0x39
const END_TIME = 0x41
const ATTRIBUTES = 0x4a
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
const ATTRIBUTE_ROOM = 32

/** Encodes the batches of one process. */
export class OtlpProtobuf {
  readonly contentType = 'application/x-protobuf'
  readonly #out = new ProtobufWriter()
  readonly #sink = new ProtobufSink(this.#out)
  readonly #conventions: SemanticConventions
  /** What stands in front of the spans, but for the lengths. */
  readonly #resource: Uint8Array
  readonly #scope: Uint8Array

  constructor(resource: Resource, conventions: SemanticConventions) {
    this.#conventions = conventions
    this.#resource = this.#message(0x0a, () => this.#sink.putAll(0x0a, resource))
    this.#scope = this.#message(0x0a, () => this.#out.text(0x0a, SCOPE_NAME))
  }

  /** The body of a request; it is overwritten by the next call. */
  encode(spans: readonly LeanSpan[]): Uint8Array {
    const out = this.#out
    const room = 2 * (1 + MAX_LENGTH_BYTES) + this.#resource.length + this.#scope.length
    out.position = 0
    out.reserve(room)
    out.position = room
    for (let i = 0; i < spans.length; i++) this.#span(spans[i] as LeanSpan)
    return this.#withHead(room)
  }

  /** Leaves the buffer to whoever may still be sending it. */
  renew(): void {
    this.#out.renew()
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
    const { trace } = ctx
    out.reserve(SPAN_ROOM)
    const start = out.begin(SPANS)
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
    const startTime = span.start + trace.anchor
    out.byte(START_TIME)
    out.time(startTime, 0)
    out.byte(END_TIME)
    out.time(startTime, span.nanos)
    out.byte(FLAGS)
    out.byte(FLAGS_2)
    out.fixed32(flagsOf(ctx))
    if (trace.tracestate !== undefined) out.text(TRACE_STATE, trace.tracestate)
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
    out.time(log.timestamp, 0)
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

/**
 * A name as a message KeyValue begins, up to the tag of the value, and the last whole attribute of that name: many have
 * the same value in span after span. In words, which are copied faster than bytes.
 */
interface EncodedName {
  readonly words: Int32Array
  readonly length: number
  value: TagValue | undefined
  whole: Int32Array
  wholeLength: number
  /** How many more values that differ from the one before we will remember; 0: it is not worth it. */
  patience: number
}

const MAX_WHOLE = 128
const PATIENCE = 32

function encodedName(name: AttributeName): EncodedName {
  name.encoded ??= encodeName(Buffer.from(name.text))
  return name.encoded as EncodedName
}

function encodeName(key: Buffer): EncodedName {
  const { length } = key
  const lengthBytes = length < 0x80 ? [length] : [(length & 127) | 128, length >> 7]
  const bytes = [0x0a, ...lengthBytes, ...key, 0x12]
  const words = new Int32Array(Math.ceil(bytes.length / 4))
  new Uint8Array(words.buffer).set(bytes)
  return {
    words,
    length: bytes.length,
    value: undefined,
    whole: words,
    wholeLength: 0,
    patience: PATIENCE,
  }
}

/** Writes attributes: repeated fields of the message KeyValue. */
class ProtobufSink implements AttributeSink {
  /** The field that they are. */
  tag = ATTRIBUTES
  readonly #out: ProtobufWriter

  constructor(out: ProtobufWriter) {
    this.#out = out
  }

  put(name: AttributeName, value: TagValue): void {
    const key = encodedName(name)
    if (value === key.value) {
      this.#repeat(key)
      return
    }
    const before = this.#out.position
    if (typeof value === 'string') this.putPart(name, value, 0, value.length)
    else this.#putOther(key, value)
    if (key.patience > 0) this.#remember(key, value, before)
  }

  putPart(name: AttributeName, text: string, start: number, end: number): void {
    const out = this.#out
    const key = encodedName(name)
    const length = end - start
    const before = out.position
    // Nearly all attributes are so short that all their lengths take one byte, and are known beforehand.
    if (key.length + length < 120) {
      out.reserve(key.length + length * 3 + ATTRIBUTE_ROOM)
      this.#begin(key, length + 3)
      const { buffer, position } = out
      buffer[position] = length + 2
      buffer[position + 1] = 0x0a
      buffer[position + 2] = length
      out.position = position + 3
      if (out.ascii(text, start, end)) return
      out.position = before
    }
    this.#putOther(key, text.slice(start, end))
  }

  #repeat(key: EncodedName): void {
    const out = this.#out
    out.reserve(MAX_WHOLE + ATTRIBUTE_ROOM)
    const { buffer, view, position } = out
    const words = key.wholeLength >> 2
    for (let i = 0; i <= words; i++) view.setInt32(position + 4 * i, key.whole[i] as number, true)
    buffer[position] = this.tag
    out.position = position + key.wholeLength
    key.patience = PATIENCE
  }

  #remember(key: EncodedName, value: TagValue, start: number): void {
    const { view, position } = this.#out
    const length = position - start
    key.patience = length < MAX_WHOLE ? key.patience - 1 : 0
    key.value = key.patience > 0 ? value : undefined
    if (key.patience === 0) return
    if (key.wholeLength === 0) key.whole = new Int32Array(MAX_WHOLE / 4)
    for (let i = 0; i <= length >> 2; i++) key.whole[i] = view.getInt32(start + 4 * i, true)
    key.wholeLength = length
  }

  putAll(tag: number, attributes: Readonly<Record<string, TagValue>>): void {
    this.tag = tag
    for (const [text, value] of Object.entries(attributes)) this.put(nameOf(text), value)
  }

  /** Tag, length, name: for a value of less than 128 bytes with all that belongs to it. */
  #begin({ words, length }: EncodedName, valueLength: number): void {
    const out = this.#out
    const { buffer, view, position } = out
    buffer[position] = this.tag
    buffer[position + 1] = length + valueLength
    for (let i = 0, at = position + 2; i < words.length; i++, at += 4)
      view.setInt32(at, words[i] as number, true)
    out.position = position + 2 + length
  }

  #putOther(key: EncodedName, value: TagValue): void {
    const out = this.#out
    out.reserve(key.length + ATTRIBUTE_ROOM)
    if (typeof value === 'number' && (value | 0) === value && value >= 0 && key.length < 100) {
      const size = sizeOfVarint(value)
      this.#begin(key, size + 2)
      out.byte(size + 1)
      out.byte(0x18)
      out.varint(value)
      return
    }
    const start = out.begin(this.tag)
    for (let i = 0; i < key.words.length; i++)
      out.view.setInt32(out.position + 4 * i, key.words[i] as number, true)
    out.position += key.length - 1
    const any = out.begin(0x12)
    this.#any(value)
    out.end(any)
    out.end(start)
  }

  #any(value: TagValue): void {
    const out = this.#out
    out.reserve(16)
    if (typeof value === 'string') {
      out.text(0x0a, value)
    } else if (typeof value === 'boolean') {
      out.byte(0x10)
      out.byte(value ? 1 : 0)
    } else if (typeof value === 'number') {
      if (Number.isSafeInteger(value)) {
        out.byte(0x18)
        out.int64(value)
      } else {
        out.byte(0x21)
        out.double(value)
      }
    } else {
      const list = out.begin(0x2a)
      for (const item of value) {
        const start = out.begin(0x0a)
        this.#any(item)
        out.end(start)
      }
      out.end(list)
    }
  }
}
