// Decodes Jaeger's thrift batches. The structs with their field numbers:
// https://github.com/jaegertracing/jaeger-idl/blob/main/thrift/jaeger.thrift

import { addSpan, createDecodedSpans, type DecodedSpans } from './decoded-spans.ts'
import type { Reference, SpanLog, Tag, TagValue } from './model.ts'
import { readMessage, readStruct, type ThriftStruct, type ThriftValue } from './thrift.ts'
import { integer } from './unknown-values.ts'

/**
 * Decodes the body of a POST to /api/traces: a batch struct in the binary protocol.
 *
 * @throws Error when the bytes are not a batch
 */
export function fromJaegerBody(bytes: Buffer): DecodedSpans {
  return fromBatch(readStruct(bytes, 'binary'))
}

/**
 * Decodes a packet that is sent to a Jaeger agent: a call of `emitBatch` with a batch.
 *
 * @throws Error when the packet is not such a call
 */
export function fromJaegerPacket(bytes: Buffer, protocol: 'binary' | 'compact'): DecodedSpans {
  const { name, body } = readMessage(bytes, protocol)
  if (name !== 'emitBatch') throw new Error(`the call is ${JSON.stringify(name.slice(0, 40))}, not emitBatch`)
  return fromBatch(structOf(body.get(1)))
}

function fromBatch(batch: ThriftStruct): DecodedSpans {
  const process = structOf(batch.get(1))
  const service = textOf(process.get(1))
  const processTags = listOf(process.get(2)).map(toTag)
  const decoded = createDecodedSpans()
  if (!batch.has(1)) throw new Error('the batch has no process')
  for (const item of listOf(batch.get(2))) {
    const span = structOf(item)
    const traceId = hexOf(span.get(2)) + hexOf(span.get(1))
    const parentId = hexOf(span.get(4))
    addSpan(decoded, {
      traceId,
      spanId: hexOf(span.get(3)),
      parentId: isZero(parentId) ? parentOf(span, traceId) : parentId,
      references: listOf(span.get(6))
        .map(toReference)
        .filter(({ kind, spanId }) => kind === 'followsFrom' || spanId !== parentId),
      service,
      operation: textOf(span.get(5)),
      start: numberOf(span.get(8)),
      duration: numberOf(span.get(9)),
      tags: listOf(span.get(10)).map(toTag),
      logs: listOf(span.get(11)).map(toLog),
      process: processTags,
    })
  }
  return decoded
}

/** For a span without a parent id: its first child-of reference within the trace. */
function parentOf(span: ThriftStruct, traceId: string): string | undefined {
  return listOf(span.get(6))
    .map(toReference)
    .find(reference => reference.kind === 'childOf' && reference.traceId === traceId)?.spanId
}

function toReference(value: ThriftValue): Reference {
  const reference = structOf(value)
  return {
    kind: numberOf(reference.get(1)) === 1 ? 'followsFrom' : 'childOf',
    traceId: hexOf(reference.get(3)) + hexOf(reference.get(2)),
    spanId: hexOf(reference.get(4)),
  }
}

function toLog(value: ThriftValue): SpanLog {
  const log = structOf(value)
  return { time: numberOf(log.get(1)), fields: listOf(log.get(2)).map(toTag) }
}

function toTag(value: ThriftValue): Tag {
  const tag = structOf(value)
  return { key: textOf(tag.get(1)), value: tagValueOf(tag) }
}

function tagValueOf(tag: ThriftStruct): TagValue {
  switch (numberOf(tag.get(2))) {
    case 1:
      return numberOf(tag.get(4))
    case 2:
      return tag.get(5) === true
    case 3:
      return typeof tag.get(6) === 'bigint' ? integer(tag.get(6) as bigint) : 0
    case 4: {
      const bytes = tag.get(7)
      return Buffer.isBuffer(bytes) ? bytes.toString('base64') : ''
    }
    default:
      return textOf(tag.get(3))
  }
}

// A field of a wrong type counts as absent; toSpan() checks what is left.
function structOf(value: ThriftValue | undefined): ThriftStruct {
  return value instanceof Map ? value : new Map()
}

function listOf(value: ThriftValue | undefined): ThriftValue[] {
  return Array.isArray(value) ? value : []
}

function textOf(value: ThriftValue | undefined): string {
  return Buffer.isBuffer(value) ? value.toString() : ''
}

function numberOf(value: ThriftValue | undefined): number {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : NaN
}

function hexOf(value: ThriftValue | undefined): string {
  return typeof value === 'bigint' ? BigInt.asUintN(64, value).toString(16).padStart(16, '0') : '0'.repeat(16)
}

function isZero(id: string): boolean {
  return /^0+$/.test(id)
}
