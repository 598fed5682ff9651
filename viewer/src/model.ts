// The viewer's span, into which every format is decoded. toSpan() makes it bounded and well-formed, whatever its sender
// wrote.

import { truncate } from './text.ts'

/** A tag's value. Bytes become base64, lists and objects JSON, 64-bit integers that are not exact numbers text. */
export type TagValue = string | number | boolean

/** A tag, or a field of a log. Not an object, since keys may repeat and may be any text, such as `__proto__`. */
export interface Tag {
  readonly key: string
  readonly value: TagValue
}

/** An event of a span. */
export interface SpanLog {
  /** Microseconds since the epoch. */
  readonly time: number
  readonly fields: readonly Tag[]
}

/** A reference to another span than the parent. */
export interface Reference {
  readonly kind: 'childOf' | 'followsFrom'
  readonly traceId: string
  readonly spanId: string
}

/** The role of a span in a call. */
export type SpanKind = 'server' | 'client' | 'producer' | 'consumer' | 'internal'

/** A finished span, as the viewer keeps it. */
export interface ViewerSpan {
  /** 32 lower-case hex digits; a 64-bit id is padded on the left. */
  readonly traceId: string
  /** 16 lower-case hex digits. In Zipkin's model a client and its server may share one. */
  readonly spanId: string
  /** 16 lower-case hex digits; undefined for a root. */
  readonly parentId: string | undefined
  readonly references: readonly Reference[]
  readonly service: string
  readonly operation: string
  readonly kind: SpanKind | undefined
  /** Microseconds since the epoch. */
  readonly start: number
  /** Microseconds. */
  readonly duration: number
  readonly error: boolean
  /** The client closed the connection before the response was complete. */
  readonly aborted: boolean
  readonly tags: readonly Tag[]
  readonly logs: readonly SpanLog[]
  /** Tags of the process that sent the span: its version, host, SDK. */
  readonly process: readonly Tag[]
  /** What was repaired or cut when the span was received. */
  readonly warnings: readonly string[]
}

/** A decoded span: its types are right; its ids, sizes and numbers are not checked yet. */
export interface SpanDraft {
  traceId: string
  spanId: string
  parentId?: string | undefined
  references?: Reference[]
  service: string
  operation: string
  start: number
  duration: number
  tags: Tag[]
  logs?: SpanLog[]
  process?: readonly Tag[]
  /** The warnings of a saved span. */
  warnings?: readonly string[]
}

/** The bounds of one span. What exceeds them is cut, with a warning on the span. */
export const SPAN_LIMITS = {
  /** Longest name of a service or an operation, in UTF-16 units. */
  name: 1024,
  /** Longest key, in UTF-16 units. */
  key: 512,
  /** Longest value, in UTF-16 units. */
  value: 65_536,
  /** Most tags on a span, on its process, and fields in a log. */
  tags: 1000,
  /** Most logs on a span. */
  logs: 1000,
  /** Most references of a span. */
  references: 1000,
} as const

/** A span that cannot be shown. The message is sent to its sender. */
export class MalformedSpan extends Error {
  override readonly name: string = 'MalformedSpan'
}

/**
 * Checks a decoded span, repairs it and applies the bounds.
 *
 * @throws MalformedSpan when an id or the start time is invalid
 */
export function toSpan(draft: SpanDraft): ViewerSpan {
  const warnings: string[] = (draft.warnings ?? []).slice(0, 20).map(text => truncate(text, SPAN_LIMITS.name))
  const traceId = toId(draft.traceId, 32, 'trace id')
  const spanId = toId(draft.spanId, 16, 'span id')
  const start = toTime(draft.start, 'start time')
  let duration = draft.duration
  if (!Number.isFinite(duration) || duration < 0) {
    warnings.push('The span ends before it starts; its duration is shown as 0.')
    duration = 0
  }
  const tags = toTags(draft.tags, 'tags', warnings)
  const kind = kindOf(tags)
  return {
    traceId,
    spanId,
    parentId: isNoId(draft.parentId) ? undefined : toId(draft.parentId, 16, 'parent span id'),
    references: toReferences(draft.references ?? [], warnings),
    service: truncate(draft.service, SPAN_LIMITS.name) || 'unknown_service',
    operation: truncate(draft.operation, SPAN_LIMITS.name) || '(no name)',
    kind,
    start,
    duration,
    error: tags.some(isErrorTag),
    aborted: tags.some(isAbortTag),
    tags,
    logs: toLogs(draft.logs ?? [], warnings),
    process: toTags(draft.process ?? [], 'process tags', warnings),
    warnings,
  }
}

/** The value of the first of these keys that the span has; its own tags come before those of its process. */
export function tagOf(span: ViewerSpan, ...keys: string[]): TagValue | undefined {
  for (const key of keys) {
    const found = span.tags.find(tag => tag.key === key) ?? span.process.find(tag => tag.key === key)
    if (found !== undefined) return found.value
  }
  return undefined
}

/** The status of an HTTP or gRPC call, by its OpenTracing or OpenTelemetry name. */
export function statusOf(span: ViewerSpan): string | undefined {
  const status = tagOf(span, 'http.status_code', 'http.response.status_code', 'rpc.grpc.status_code')
  return status === undefined ? undefined : String(status)
}

/** A short description of a span's error, from its error log, its status or its tags; undefined without an error. */
export function failureOf(span: ViewerSpan): string | undefined {
  if (!span.error) return undefined
  for (const log of span.logs) {
    const field = (name: string) => log.fields.find(({ key }) => key === name)?.value
    const kind = field('error.kind') ?? field('exception.type')
    const message = field('message') ?? field('exception.message') ?? field('error.object')
    if (kind !== undefined || message !== undefined) {
      return [kind, message].filter(part => part !== undefined && part !== '').join(': ')
    }
  }
  const described = tagOf(span, 'otel.status_description', 'error.message', 'error.type')
  // Without an exception, OpenTelemetry's error.type is the status, which is shown anyway.
  if (described !== undefined && String(described) !== statusOf(span)) return String(described)
  const error = tagOf(span, 'error')
  return typeof error === 'string' && error !== 'true' ? error : undefined
}

function toId(id: string, digits: number, what: string): string {
  const text = id.toLowerCase()
  if (!/^[0-9a-f]+$/.test(text) || text.length > digits || isNoId(text)) {
    throw new MalformedSpan(
      `its ${what} must be 1 to ${digits} hex digits and not all zero, not ${JSON.stringify(truncate(id, 80))}`,
    )
  }
  return text.padStart(digits, '0')
}

function isNoId(id: string | undefined): id is undefined {
  return id === undefined || /^0*$/.test(id)
}

function toTime(time: number, what: string): number {
  // From the year 2255 on, microseconds are not exact numbers.
  if (Number.isFinite(time) && time >= 0 && time <= Number.MAX_SAFE_INTEGER) return time
  throw new MalformedSpan(`its ${what} must be microseconds since 1970, not ${String(time)}`)
}

function toTags(tags: readonly Tag[], what: string, warnings: string[]): Tag[] {
  const out: Tag[] = []
  for (const { key, value } of bounded(tags, SPAN_LIMITS.tags, what, warnings)) {
    out.push({ key: truncate(key, SPAN_LIMITS.key), value: toValue(value) })
  }
  return out
}

function toValue(value: TagValue): TagValue {
  if (typeof value === 'string') return truncate(value, SPAN_LIMITS.value)
  // JSON has no NaN and no infinity.
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

function toLogs(logs: readonly SpanLog[], warnings: string[]): SpanLog[] {
  const kept = bounded(logs, SPAN_LIMITS.logs, 'logs', warnings)
  return kept
    .map(log => ({
      time: Number.isFinite(log.time) && log.time >= 0 ? log.time : 0,
      fields: toTags(log.fields, 'fields of a log', warnings),
    }))
    .sort((a, b) => a.time - b.time)
}

function toReferences(references: readonly Reference[], warnings: string[]): Reference[] {
  const out: Reference[] = []
  for (const { kind, traceId, spanId } of bounded(references, SPAN_LIMITS.references, 'links', warnings)) {
    try {
      out.push({ kind, traceId: toId(traceId, 32, 'trace id'), spanId: toId(spanId, 16, 'span id') })
    } catch (error) {
      warnings.push(`A reference was left out: ${(error as Error).message}.`)
    }
  }
  return out
}

function bounded<T>(list: readonly T[], most: number, what: string, warnings: string[]): readonly T[] {
  if (list.length <= most) return list
  warnings.push(`The span had ${list.length} ${what}; only the first ${most} are kept.`)
  return list.slice(0, most)
}

function kindOf(tags: readonly Tag[]): SpanKind | undefined {
  const kind = tags.find(tag => tag.key === 'span.kind')?.value
  switch (kind) {
    case 'server':
    case 'client':
    case 'producer':
    case 'consumer':
    case 'internal':
      return kind
    default:
      return undefined
  }
}

function isErrorTag({ key, value }: Tag): boolean {
  // In Zipkin, `error` is the message; an empty one is an error too.
  if (key === 'error') return value !== false && value !== 'false'
  return key === 'otel.status_code' && value === 'ERROR'
}

function isAbortTag({ key, value }: Tag): boolean {
  return /(?:^|[._])aborted$/.test(key) && value !== false && value !== 'false'
}
