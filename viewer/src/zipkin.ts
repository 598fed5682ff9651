// Zipkin's v2 JSON into ours. The form: https://zipkin.io/zipkin-api/ (ListOfSpans)

import { createIntake, type Intake, list, number, record, take, text } from './loose.ts'
import type { Tag, TagValue } from './model.ts'

const KINDS = new Set(['SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'])

/**
 * The spans of a list in Zipkin's v2 JSON.
 *
 * @throws Error when it is no list
 */
export function fromZipkin(spans: unknown): Intake {
  if (!Array.isArray(spans)) throw new Error('Zipkin v2 JSON is a list of spans')
  const intake = createIntake()
  for (const item of spans) {
    const span = record(item)
    const local = record(span.localEndpoint)
    const annotations = list(span.annotations).map(record)
    // A span that was never finished has no time of its own: it began with the first thing that is known of it.
    const start = number(span.timestamp ?? annotations[0]?.timestamp)
    take(intake, {
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
  return intake
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
