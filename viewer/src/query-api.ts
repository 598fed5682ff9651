// Jaeger's query API, for scripts and tools that were written for Jaeger.
// https://github.com/jaegertracing/jaeger/blob/main/cmd/jaeger/internal/extension/jaegerquery/internal/http_handler.go

import { HttpError } from './http-error.ts'
import { type HttpReply, jsonReply } from './http-server.ts'
import { toJaegerTrace } from './jaeger-json.ts'
import { find, toSearch } from './search.ts'
import type { TraceStore, ViewerTrace } from './store.ts'
import { mapServices } from './summary.ts'

/** The reply to a GET request; undefined for a path that is not part of the API. */
export function answerQuery(store: TraceStore, url: URL): HttpReply | undefined {
  try {
    return route(store, url)
  } catch (error) {
    if (!(error instanceof HttpError)) throw error
    return errorReply(error.status, error.message)
  }
}

function route(store: TraceStore, { pathname, searchParams }: URL): HttpReply | undefined {
  const [, api, kind, name, rest, ...more] = pathname.split('/')
  if (api !== 'api' || more.length > 0) return undefined
  if (kind === 'services' && name === undefined) return listReply(servicesOf(store))
  if (kind === 'services' && rest === 'operations') return listReply(operationsOf(store, decode(name ?? '')))
  if (kind === 'operations' && name === undefined) {
    const spanKind = searchParams.get('spanKind') ?? undefined
    return listReply(operationsByKind(store, searchParams.get('service') ?? '', spanKind))
  }
  if (kind === 'traces' && name === undefined) return traces(store, searchParams)
  if (kind === 'traces' && name !== undefined && rest === undefined) {
    const trace = byId(store, decode(name))
    return trace === undefined ? errorReply(404, 'trace not found', name) : listReply([encode(trace)])
  }
  if (kind === 'dependencies' && name === undefined) return dependencies(store, searchParams)
  return undefined
}

function traces(store: TraceStore, query: URLSearchParams): HttpReply {
  const ids = query.getAll('traceID')
  if (ids.length > 0) {
    const found = ids.map(id => byId(store, id)).filter(trace => trace !== undefined)
    return listReply(found.map(encode))
  }
  return listReply(find(store.all(), toSearch(query)).found.map(encode))
}

function dependencies(store: TraceStore, query: URLSearchParams): HttpReply {
  const endTs = toMilliseconds(query, 'endTs', Date.now())
  const lookback = toMilliseconds(query, 'lookback', Number.POSITIVE_INFINITY)
  const within = store.all().filter(trace => {
    const start = (trace.spans[0]?.start ?? 0) / 1000
    return start <= endTs && start >= endTs - lookback
  })
  return listReply(
    mapServices(within).calls.map(({ parent, child, calls }) => ({ parent, child, callCount: calls })),
  )
}

function byId(store: TraceStore, id: string): ViewerTrace | undefined {
  if (!/^[0-9a-f]{1,32}$/i.test(id))
    throw new HttpError(400, `a trace id is 1 to 32 hex digits, not ${JSON.stringify(id.slice(0, 80))}`)
  return store.get(id.toLowerCase().padStart(32, '0'))
}

function encode(trace: ViewerTrace) {
  return toJaegerTrace(trace.traceId, trace.spans)
}

/** The names of all services, sorted. */
export function servicesOf(store: TraceStore): string[] {
  return distinct(store, span => span.service)
}

/** The names of a service's operations, sorted. */
export function operationsOf(store: TraceStore, service: string): string[] {
  return distinct(store, span => (span.service === service ? span.operation : undefined))
}

function operationsByKind(store: TraceStore, service: string, kind: string | undefined) {
  const pairs = distinct(store, span =>
    span.service === service && (kind === undefined || span.kind === kind)
      ? JSON.stringify([span.operation, span.kind ?? ''])
      : undefined,
  )
  return pairs.map(pair => {
    const [name, spanKind] = JSON.parse(pair) as [string, string]
    return { name, spanKind }
  })
}

function distinct(
  store: TraceStore,
  of: (span: ViewerTrace['spans'][number]) => string | undefined,
): string[] {
  const names = new Set<string>()
  for (const trace of store.all()) {
    for (const span of trace.spans) {
      const name = of(span)
      if (name !== undefined) names.add(name)
    }
  }
  return [...names].sort()
}

function toMilliseconds(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name)
  if (text === null || text === '') return fallback
  if (!/^\d+$/.test(text))
    throw new HttpError(400, `${name} must be milliseconds, not ${JSON.stringify(text.slice(0, 80))}`)
  return Number(text)
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new HttpError(
      400,
      `the path has an invalid percent-encoding in ${JSON.stringify(part.slice(0, 80))}`,
    )
  }
}

function listReply(data: readonly unknown[]): HttpReply {
  return jsonReply(200, { data, total: data.length, limit: 0, offset: 0, errors: null })
}

function errorReply(status: number, msg: string, traceID?: string): HttpReply {
  const error = traceID === undefined ? { code: status, msg } : { code: status, msg, traceID }
  return jsonReply(status, { data: null, total: 0, limit: 0, offset: 0, errors: [error] })
}
