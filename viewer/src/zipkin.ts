// Decodes Zipkin v2 JSON. The format: https://zipkin.io/zipkin-api/ (ListOfSpans)

import { addSpan, createDecodedSpans, type DecodedSpans } from './decoded-spans.ts'
import type { Tag, TagValue } from './model.ts'
import { list, number, record, text } from './unknown-values.ts'

const KINDS = new Set(['SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'])

/**
 * Decodes a list of spans.
 *
 * @throws Error when the value is not a list
 */
export function fromZipkin(spans: unknown): DecodedSpans {
  if (!Array.isArray(spans)) throw new Error('Zipkin v2 JSON must be a list of spans')
  const decoded = createDecodedSpans()
  for (const item of spans) {
    const span = record(item)
    const local = record(span.localEndpoint)
    const annotations = list(span.annotations).map(record)
    // A span that was never finished has no timestamp: its first annotation is the earliest known time.
    const start = number(span.timestamp ?? annotations[0]?.timestamp)
    addSpan(decoded, {
      traceId: text(span.traceId),
      spanId: text(span.id),
      parentId: text(span.parentId),
      service: text(local.serviceName),
      operation: text(span.name),
      start,
      duration: span.duration === undefined ? 0 : number(span.duration),
      tags: [...toTags(span.tags), ...toKind(span.kind), ...toPeer(record(span.remoteEndpoint))],
      logs: annotations.map(annotation => ({
        time: number(annotation.timestamp),
        fields: [{ key: 'event', value: text(annotation.value) }],
      })),
      process: toAddress(local, 'ip', 'port'),
    })
  }
  return decoded
}

function toTags(tags: unknown): Tag[] {
  return Object.entries(record(tags)).map(([key, value]) => ({ key, value: toValue(value) }))
}

function toValue(value: unknown): TagValue {
  return typeof value === 'boolean' || typeof value === 'number' ? value : text(value)
}

function toKind(kind: unknown): Tag[] {
  return KINDS.has(text(kind)) ? [{ key: 'span.kind', value: text(kind).toLowerCase() }] : []
}

function toPeer(remote: Readonly<Record<string, unknown>>): Tag[] {
  const tags = toAddress(remote, 'peer.ipv4', 'peer.port')
  const name = text(remote.serviceName)
  return name === '' ? tags : [{ key: 'peer.service', value: name }, ...tags]
}

function toAddress(endpoint: Readonly<Record<string, unknown>>, address: string, port: string): Tag[] {
  const tags: Tag[] = []
  const ipv6 = address === 'peer.ipv4' ? 'peer.ipv6' : address
  if (text(endpoint.ipv4) !== '') tags.push({ key: address, value: text(endpoint.ipv4) })
  else if (text(endpoint.ipv6) !== '') tags.push({ key: ipv6, value: text(endpoint.ipv6) })
  if (number(endpoint.port) > 0) tags.push({ key: port, value: number(endpoint.port) })
  return tags
}
