// Decodes OTLP's ExportTraceServiceRequest in its JSON form. otlp-protobuf.ts converts protobuf into that form first,
// so that one decoder serves both. The names of tags follow OpenTelemetry's mapping to Jaeger:
// https://opentelemetry.io/docs/specs/otel/compatibility/jaeger/

import { addSpan, createDecodedSpans, type DecodedSpans } from './decoded-spans.ts'
import type { Reference, SpanLog, Tag, TagValue } from './model.ts'
import { integer, list, number, record, text } from './unknown-values.ts'

/** Attribute values that are nested deeper than this are left out. */
export const MAX_DEPTH = 16

const KINDS: readonly (string | undefined)[] = [
  undefined,
  'internal',
  'server',
  'client',
  'producer',
  'consumer',
]

/**
 * Decodes a request in OTLP's JSON form: ids in hex, enums as numbers, 64-bit integers as text.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 * @throws Error when the value is not such a request
 */
export function fromOtlp(request: unknown): DecodedSpans {
  const decoded = createDecodedSpans()
  const { resourceSpans } = record(request)
  if (
    typeof request !== 'object' ||
    request === null ||
    Array.isArray(request) ||
    !isListOrAbsent(resourceSpans)
  ) {
    throw new Error('an OTLP request must be an object with a list resourceSpans')
  }
  for (const resourceSpan of list(resourceSpans)) {
    const { resource, scopeSpans } = record(resourceSpan)
    const attributes = toTags(record(resource).attributes)
    const service = attributes.find(tag => tag.key === 'service.name')?.value
    const process = attributes.filter(tag => tag.key !== 'service.name')
    for (const scopeSpan of list(scopeSpans)) {
      const { scope, spans } = record(scopeSpan)
      const scopeTags = toScopeTags(record(scope))
      for (const span of list(spans)) takeSpan(decoded, record(span), text(service), process, scopeTags)
    }
  }
  return decoded
}

function isListOrAbsent(value: unknown): boolean {
  return value === undefined || value === null || Array.isArray(value)
}

function takeSpan(
  decoded: DecodedSpans,
  span: Readonly<Record<string, unknown>>,
  service: string,
  process: readonly Tag[],
  scopeTags: readonly Tag[],
): void {
  const start = toMicroseconds(span.startTimeUnixNano)
  const tags = toTags(span.attributes)
  tags.push(...scopeTags)
  const kind = toKind(span.kind)
  if (kind !== undefined) tags.push({ key: 'span.kind', value: kind })
  pushStatus(tags, record(span.status))
  if (text(span.traceState) !== '') tags.push({ key: 'w3c.tracestate', value: text(span.traceState) })
  for (const what of ['Attributes', 'Events', 'Links'] as const) {
    const dropped = number(span[`dropped${what}Count`])
    if (dropped > 0) tags.push({ key: `otel.dropped_${what.toLowerCase()}_count`, value: dropped })
  }
  addSpan(decoded, {
    traceId: text(span.traceId),
    spanId: text(span.spanId),
    parentId: text(span.parentSpanId),
    references: list(span.links).map(toReference),
    service,
    operation: text(span.name),
    start,
    duration: toMicroseconds(span.endTimeUnixNano) - start,
    tags,
    logs: list(span.events).map(toLog),
    process,
  })
}

function toScopeTags(scope: Readonly<Record<string, unknown>>): Tag[] {
  const tags: Tag[] = []
  if (text(scope.name) !== '') tags.push({ key: 'otel.scope.name', value: text(scope.name) })
  if (text(scope.version) !== '') tags.push({ key: 'otel.scope.version', value: text(scope.version) })
  return tags
}

function pushStatus(tags: Tag[], status: Readonly<Record<string, unknown>>): void {
  const failed = status.code === 2 || status.code === 'STATUS_CODE_ERROR'
  if (failed) tags.push({ key: 'otel.status_code', value: 'ERROR' }, { key: 'error', value: true })
  else if (status.code === 1 || status.code === 'STATUS_CODE_OK') {
    tags.push({ key: 'otel.status_code', value: 'OK' })
  }
  if (text(status.message) !== '') tags.push({ key: 'otel.status_description', value: text(status.message) })
}

function toKind(kind: unknown): string | undefined {
  if (typeof kind === 'number') return KINDS[kind]
  const name = text(kind).replace('SPAN_KIND_', '').toLowerCase()
  return KINDS.includes(name) ? name : undefined
}

function toReference(link: unknown): Reference {
  const { traceId, spanId } = record(link)
  return { kind: 'followsFrom', traceId: text(traceId), spanId: text(spanId) }
}

function toLog(event: unknown): SpanLog {
  const { timeUnixNano, name, attributes } = record(event)
  const fields = toTags(attributes)
  if (text(name) !== '' && !fields.some(field => field.key === 'event')) {
    fields.unshift({ key: 'event', value: text(name) })
  }
  return { time: toMicroseconds(timeUnixNano), fields }
}

/** Nanoseconds since 1970 are too large for an exact number: whole microseconds are computed as a bigint. */
function toMicroseconds(nanoseconds: unknown): number {
  if (typeof nanoseconds === 'bigint') return microsecondsOf(nanoseconds)
  if (typeof nanoseconds === 'string' && /^\d{1,20}$/.test(nanoseconds))
    return microsecondsOf(BigInt(nanoseconds))
  return typeof nanoseconds === 'number' ? nanoseconds / 1000 : NaN
}

function microsecondsOf(nanoseconds: bigint): number {
  return Number(nanoseconds / 1000n) + Number(nanoseconds % 1000n) / 1000
}

function toTags(attributes: unknown): Tag[] {
  return list(attributes).map(attribute => {
    const { key, value } = record(attribute)
    return { key: text(key), value: toValue(value) }
  })
}

function toValue(value: unknown): TagValue {
  const plain = toPlain(value, 0)
  if (typeof plain === 'object' && plain !== null) return JSON.stringify(plain)
  return plain === null || plain === undefined ? '' : (plain as TagValue)
}

function toPlain(value: unknown, depth: number): unknown {
  const any = record(value)
  if (typeof any.stringValue === 'string') return any.stringValue
  if (typeof any.boolValue === 'boolean') return any.boolValue
  if (isNumeric(any.intValue)) return integer(any.intValue)
  if (isNumeric(any.doubleValue)) return number(any.doubleValue)
  if (typeof any.bytesValue === 'string') return any.bytesValue
  if (depth >= MAX_DEPTH) return '(nested too deeply)'
  if (any.arrayValue) {
    return list(record(any.arrayValue).values).map(item => toPlain(item, depth + 1))
  }
  if (any.kvlistValue) {
    // Object.fromEntries() defines properties, so a key `__proto__` does not set the prototype.
    return Object.fromEntries(
      list(record(any.kvlistValue).values).map(item => {
        const { key, value: inner } = record(item)
        return [text(key), toPlain(inner, depth + 1)]
      }),
    )
  }
  return null
}

function isNumeric(value: unknown): value is bigint | number | string {
  return typeof value === 'number' || typeof value === 'string' || typeof value === 'bigint'
}
