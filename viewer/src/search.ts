// Searches traces. The query string is read as in Jaeger's API.

import { HttpError } from './http-error.ts'
import type { ViewerSpan } from './model.ts'
import type { ViewerTrace } from './store.ts'

/** A trace matches when **one** of its spans meets all conditions. Durations and times in microseconds. */
export interface Search {
  readonly service: string | undefined
  readonly operation: string | undefined
  readonly tags: ReadonlyMap<string, string>
  readonly minDuration: number
  readonly maxDuration: number
  readonly start: number
  readonly end: number
  readonly limit: number
  /** Only spans with an error, or aborted by the client. */
  readonly errorsOnly: boolean
  /** What the durations are compared with: the span in Jaeger's API, the whole trace on the page. */
  readonly durationOf: 'span' | 'trace'
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 0.001,
  us: 1,
  µs: 1,
  ms: 1e3,
  s: 1e6,
  m: 60e6,
  h: 3600e6,
  d: 86400e6,
}

/**
 * Reads a search from a query string: `service`, `operation`, `tags` (JSON), `tag` (`key:value`), `minDuration`,
 * `maxDuration` (`1.2s`, `100ms`), `start`, `end` (microseconds), `lookback`, `limit`; and the page's `errors=true`,
 * `durationOf=trace`.
 *
 * @throws HttpError that names the parameter
 */
export function toSearch(query: URLSearchParams): Search {
  const end = toMicroseconds(query, 'end', Number.POSITIVE_INFINITY)
  return {
    service: query.get('service') || undefined,
    operation: query.get('operation') || undefined,
    tags: toTags(query),
    minDuration: toDuration(query, 'minDuration', 0),
    maxDuration: toDuration(query, 'maxDuration', Number.POSITIVE_INFINITY),
    start: toMicroseconds(query, 'start', toStart(query)),
    end,
    limit: toLimit(query),
    errorsOnly: query.get('errors') === 'true',
    durationOf: query.get('durationOf') === 'trace' ? 'trace' : 'span',
  }
}

/** Finds the traces that match, in the given order and up to the limit; `total` counts all that match. */
export function find(
  traces: readonly ViewerTrace[],
  search: Search,
): { found: ViewerTrace[]; total: number } {
  const found: ViewerTrace[] = []
  let total = 0
  for (const trace of traces) {
    if (search.durationOf === 'trace' && !isWithin(durationOf(trace), search)) continue
    if (!trace.spans.some(span => matches(span, search))) continue
    total++
    if (found.length < search.limit) found.push(trace)
  }
  return { found, total }
}

/** The time from the first start to the last end of a trace. */
export function durationOf({ spans }: ViewerTrace): number {
  let first = Number.POSITIVE_INFINITY
  let last = 0
  for (const { start, duration } of spans) {
    first = Math.min(first, start)
    last = Math.max(last, start + duration)
  }
  return Math.max(0, last - first)
}

function matches(span: ViewerSpan, search: Search): boolean {
  if (search.service !== undefined && span.service !== search.service) return false
  if (search.operation !== undefined && span.operation !== search.operation) return false
  if (search.errorsOnly && !span.error && !span.aborted) return false
  if (span.start < search.start || span.start > search.end) return false
  if (search.durationOf === 'span' && !isWithin(span.duration, search)) return false
  for (const [key, value] of search.tags) if (!has(span, key, value)) return false
  return true
}

function isWithin(duration: number, { minDuration, maxDuration }: Search): boolean {
  return duration >= minDuration && duration <= maxDuration
}

/** Looks in a span's tags, its process tags and the fields of its logs, as Jaeger does. */
function has(span: ViewerSpan, key: string, value: string): boolean {
  const is = (tag: { key: string; value: unknown }) => tag.key === key && String(tag.value) === value
  return span.tags.some(is) || span.process.some(is) || span.logs.some(log => log.fields.some(is))
}

function toTags(query: URLSearchParams): Map<string, string> {
  const tags = new Map<string, string>()
  for (const tag of query.getAll('tag')) {
    const colon = tag.indexOf(':')
    if (colon < 1) throw new HttpError(400, `tag must be key:value, not ${quote(tag)}`)
    tags.set(tag.slice(0, colon), tag.slice(colon + 1))
  }
  for (const text of query.getAll('tags')) {
    if (text === '') continue
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      parsed = undefined
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
      throw new HttpError(400, `tags must be a JSON object, such as {"error":"true"}, not ${quote(text)}`)
    }
    for (const [key, value] of Object.entries(parsed)) tags.set(key, String(value))
  }
  return tags
}

/** A duration as in Go: `1m30s`, `1.5s`, `200us`. */
function toDuration(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name)?.trim()
  if (text === undefined || text === '') return fallback
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)]
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw new HttpError(400, `${name} must be a duration, such as 1.2s, 100ms or 500us, not ${quote(text)}`)
  }
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit as string] as number), 0)
}

function toMicroseconds(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name)
  if (text === null || text === '') return fallback
  if (!/^\d+$/.test(text))
    throw new HttpError(400, `${name} must be microseconds since 1970, not ${quote(text)}`)
  return Number(text)
}

function toStart(query: URLSearchParams): number {
  // Jaeger's page sends lookback=custom together with start and end.
  if (query.get('lookback') === 'custom') return 0
  const lookback = toDuration(query, 'lookback', Number.POSITIVE_INFINITY)
  return lookback === Number.POSITIVE_INFINITY ? 0 : Date.now() * 1000 - lookback
}

function toLimit(query: URLSearchParams): number {
  const text = query.get('limit')
  if (text === null || text === '') return 100
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1)
    throw new HttpError(400, `limit must be 1 or more, not ${quote(text)}`)
  return limit
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}
