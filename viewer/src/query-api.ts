// Jaeger's query API over the store, for scripts and tools that were written for Jaeger.
// https://github.com/jaegertracing/jaeger/blob/main/cmd/jaeger/internal/extension/jaegerquery/internal/http_handler.go

import { Refusal } from './body.ts'
import { type Answer, json } from './doors.ts'
import { toJaegerTrace } from './jaeger-json.ts'
import { find, toSearch } from './search.ts'
import type { TraceStore, ViewerTrace } from './store.ts'
import { mapServices } from './summary.ts'

/** Answers a GET below /api/; undefined when no such path is known there. */
export function answerQuery(store: TraceStore, url: URL): Answer | undefined {
  try {
    return route(store, url)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return failed(error.status, error.message)
  }
}

function route(store: TraceStore, { pathname, searchParams }: URL): Answer | undefined {
  const [, api, kind, name, rest, ...more] = pathname.split('/')
  if (api !== 'api' || more.length > 0) return undefined
  if (kind === 'services' && name === undefined) return listed(servicesOf(store))
  if (kind === 'services' && rest === 'operations') return listed(operationsOf(store, decode(name ?? '')))
  if (kind === 'operations' && name === undefined) {
    const spanKind = searchParams.get('spanKind') ?? undefined
    return listed(operationsByKind(store, searchParams.get('service') ?? '', spanKind))
  }
  if (kind === 'traces' && name === undefined) return traces(store, searchParams)
  if (kind === 'traces' && name !== undefined && rest === undefined) {
    const trace = byId(store, decode(name))
    return trace === undefined ? failed(404, 'trace not found', name) : listed([show(trace)])
  }
  if (kind === 'dependencies' && name === undefined) return dependencies(store, searchParams)
  return undefined
}

function traces(store: TraceStore, query: URLSearchParams): Answer {
  const ids = query.getAll('traceID')
  if (ids.length > 0) {
    const found = ids.map(id => byId(store, id)).filter(trace => trace !== undefined)
    return listed(found.map(show))
  }
  return listed(find(store.all(), toSearch(query)).found.map(show))
}

function dependencies(store: TraceStore, query: URLSearchParams): Answer {
  const endTs = toMilliseconds(query, 'endTs', Date.now())
  const lookback = toMilliseconds(query, 'lookback', Number.POSITIVE_INFINITY)
  const within = store.all().filter(trace => {
    const start = (trace.spans[0]?.start ?? 0) / 1000
    return start <= endTs && start >= endTs - lookback
  })
  return listed(
    mapServices(within).calls.map(({ parent, child, calls }) => ({ parent, child, callCount: calls })),
  )
}

function byId(store: TraceStore, id: string): ViewerTrace | undefined {
  if (!/^[0-9a-f]{1,32}$/i.test(id))
    throw new Refusal(400, `a trace id is 1 to 32 hex digits, not ${JSON.stringify(id.slice(0, 80))}`)
  return store.get(id.toLowerCase().padStart(32, '0'))
}

function show(trace: ViewerTrace) {
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

function toMilliseconds(query: URLSearchParams, name: string, otherwise: number): number {
  const text = query.get(name)
  if (text === null || text === '') return otherwise
  if (!/^\d+$/.test(text))
    throw new Refusal(400, `${name} must be milliseconds, not ${JSON.stringify(text.slice(0, 80))}`)
  return Number(text)
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new Refusal(400, `the path is not well encoded at ${JSON.stringify(part.slice(0, 80))}`)
  }
}

function listed(data: readonly unknown[]): Answer {
  return json(200, { data, total: data.length, limit: 0, offset: 0, errors: null })
}

function failed(status: number, msg: string, traceID?: string): Answer {
  const error = traceID === undefined ? { code: status, msg } : { code: status, msg, traceID }
  return json(status, { data: null, total: 0, limit: 0, offset: 0, errors: [error] })
}
