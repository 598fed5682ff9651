// Spans as the bytes that Jaeger's agent and collector read: jaeger.thrift in Thrift's binary protocol.
// jaeger-client's own encoder throws on a cycle, and one odd value loses the whole batch; this one writes every span.
// https://github.com/jaegertracing/jaeger-idl/blob/main/thrift/jaeger.thrift

import opentracing from 'opentracing'
import { failureFields } from '../core/conventions/error-fields.ts'
import { MAX_NAME_LENGTH } from '../core/conventions/operation-name.ts'
import { cleanText } from '../core/text/redact.ts'
import { BOOL, Bytes, DOUBLE, I32, I64, LIST, STOP, STRING, STRUCT } from './bytes.ts'
import type { VendorContext, VendorSpan, VendorTag } from './vendor.ts'

/** The longest text or binary value of a tag or log field; text that is longer is cut and ends in "…". */
export const MAX_VALUE_LENGTH = 16_384

/** `TagType` and `SpanRefType` of jaeger.thrift. */
const TAG_STRING = 0
const TAG_DOUBLE = 1
const TAG_BOOL = 2
const TAG_BINARY = 4
const CHILD_OF = 0
const FOLLOWS_FROM = 1

const ZERO_ID = Buffer.alloc(8)

/** How a batch travels: alone, as a collector takes it over HTTP, or as a call of the agent's, in one UDP packet. */
export type Envelope = 'batch' | 'emitBatch'

export interface Encoder {
  /** @throws RangeError when the span alone would not fit into a batch */
  span(span: VendorSpan): Buffer
  /** `spans` as `span` gave them. */
  batch(spans: readonly Buffer[]): Buffer
  /** How many bytes of spans fit into a batch. */
  readonly room: number
}

/** Makes the encoder for one process; a batch has at most `maxBatchBytes`. */
export function createEncoder(
  serviceName: string,
  tags: readonly VendorTag[],
  envelope: Envelope,
  maxBatchBytes: number,
): Encoder {
  const head = new Bytes(maxBatchBytes)
  if (envelope === 'emitBatch') {
    // Version 1 of the envelope, message type 4: a call without an answer.
    head.i32(0x80010004)
    head.text('emitBatch')
    head.i32(0)
    head.field(STRUCT, 1)
  }
  head.field(STRUCT, 1)
  head.field(STRING, 1)
  head.text(serviceName)
  writeTags(head, 2, tags)
  head.byte(STOP)
  head.field(LIST, 2)
  head.byte(STRUCT)
  const start = head.take()
  const end = Buffer.alloc(envelope === 'emitBatch' ? 2 : 1, STOP)
  const room = maxBatchBytes - start.length - 4 - end.length
  const bytes = new Bytes(room)
  return {
    room,
    span(span) {
      bytes.length = 0
      writeSpan(bytes, span)
      return bytes.take()
    },
    batch(spans) {
      const count = Buffer.alloc(4)
      count.writeInt32BE(spans.length)
      return Buffer.concat([start, count, ...spans, end])
    },
  }
}

function writeSpan(out: Bytes, span: VendorSpan): void {
  const context = span.context()
  writeTraceId(out, 1, 2, context)
  out.field(I64, 3)
  out.raw(context.spanId ?? ZERO_ID)
  out.field(I64, 4)
  out.raw(context.parentId ?? ZERO_ID)
  out.field(STRING, 5)
  out.text(cleanText(textOf(span._operationName), MAX_NAME_LENGTH))
  writeReferences(out, span)
  out.field(I32, 7)
  out.i32(context.flags)
  out.field(I64, 8)
  out.i64(span._startTime * 1000)
  out.field(I64, 9)
  out.i64(span._duration * 1000)
  writeTags(out, 10, span._tags)
  out.list(11, span._logs.length)
  for (const log of span._logs) {
    out.field(I64, 1)
    out.i64(log.timestamp * 1000)
    writeTags(out, 2, log.fields)
    out.byte(STOP)
  }
  out.byte(STOP)
}

function writeTraceId(out: Bytes, lowField: number, highField: number, { traceId }: VendorContext): void {
  const id = traceId ?? ZERO_ID
  out.field(I64, lowField)
  out.raw(id.subarray(-8))
  out.field(I64, highField)
  out.raw(id.length === 16 ? id.subarray(0, 8) : ZERO_ID)
}

function writeReferences(out: Bytes, span: VendorSpan): void {
  // A context that only carries baggage or a debug id, or that is another tracer's, names no span.
  const references = span._references.filter(reference => {
    const context = reference.referencedContext() as Partial<VendorContext> | null
    return context?.traceId instanceof Buffer && context.spanId instanceof Buffer
  })
  out.list(6, references.length)
  for (const reference of references) {
    const context = reference.referencedContext() as VendorContext
    out.field(I32, 1)
    out.i32(reference.type() === opentracing.REFERENCE_CHILD_OF ? CHILD_OF : FOLLOWS_FROM)
    writeTraceId(out, 2, 3, context)
    out.field(I64, 4)
    out.raw(context.spanId ?? ZERO_ID)
    out.byte(STOP)
  }
}

function writeTags(out: Bytes, id: number, tags: readonly VendorTag[]): void {
  out.list(id, tags.length)
  for (const { key, value } of tags) {
    out.field(STRING, 1)
    out.text(textOf(key))
    out.field(I32, 2)
    // Jaeger stores tags as JSON, where NaN and the infinities are no numbers.
    if (typeof value === 'number' && Number.isFinite(value)) {
      out.i32(TAG_DOUBLE)
      out.field(DOUBLE, 4)
      out.double(value)
    } else if (typeof value === 'boolean') {
      out.i32(TAG_BOOL)
      out.field(BOOL, 5)
      out.byte(value ? 1 : 0)
    } else if (value instanceof Buffer) {
      out.i32(TAG_BINARY)
      out.field(STRING, 7)
      out.binary(value.subarray(0, MAX_VALUE_LENGTH))
    } else {
      out.i32(TAG_STRING)
      out.field(STRING, 3)
      out.text(textOf(value))
    }
    out.byte(STOP)
  }
}

/** Any value as text: strings as they are, errors as name and message alone, objects as JSON. */
function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : describe(value)
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH - 1)}…` : text
}

function describe(value: unknown): string {
  try {
    if (value instanceof Error) return errorText(value)
    if (typeof value === 'function') return `function ${value.name}`
    return typeof value === 'object' ? (JSON.stringify(value, plainly) ?? '') : String(value)
  } catch {
    return 'a value that cannot be written'
  }
}

/** An HTTP client's error carries its request with all headers, so not even `toJSON` of an error is asked. */
function plainly(this: unknown, key: string, value: unknown): unknown {
  const raw = (this as Record<string, unknown>)[key]
  if (raw instanceof Error) return errorText(raw)
  return typeof value === 'bigint' ? String(value) : value
}

function errorText(error: Error): string {
  const fields = failureFields(error)
  return `${fields['error.kind']}: ${fields.message}`
}
