// The requests of the page to the viewer.

import { adjustSkew } from '../src/clock-skew.ts'
import { fromJaegerJson } from '../src/jaeger-json.ts'
import type { ViewerSpan } from '../src/model.ts'
import type { ServiceMap, TraceSummary } from '../src/summary.ts'
import { buildTraceTree, type TraceNode, type TraceTree } from '../src/trace-tree.ts'

export type { ServiceCalls, ServiceMap, ServiceNode, TraceSummary } from '../src/summary.ts'

/** What the viewer keeps, removed and refused. */
export interface Stats {
  traces: number
  spans: number
  bytes: number
  evictedTraces: number
  evictedSpans: number
  droppedSpans: number
  refusedSpans: number
  refusedMessages: number
  lastRefusal?: string
}

/** The ports of the viewer, and what is wrong with them. */
export interface About {
  ports: Partial<Record<'otlp' | 'jaeger' | 'jaegerCompact' | 'jaegerBinary' | 'zipkin' | 'page', number>>
  problems: string[]
  stats: Stats
}

/** A trace with its tree. */
export interface LoadedTrace extends TraceTree {
  readonly traceId: string
  readonly spans: readonly ViewerSpan[]
  /** The root that gives the trace its name. */
  readonly root: TraceNode
  /** Microseconds since the epoch, on the clock of the root. */
  readonly start: number
  readonly end: number
  readonly services: readonly string[]
  /** The trace in Jaeger's JSON, for saving. */
  readonly document: unknown
}

async function get<T>(path: string): Promise<T> {
  const response = await fetch(path)
  if (!response.ok) throw new Error(await reasonOf(response))
  return (await response.json()) as T
}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text()
  try {
    const { errors } = JSON.parse(text) as { errors?: { msg?: string }[] }
    return errors?.[0]?.msg ?? text
  } catch {
    return text.trim() || `status ${response.status}`
  }
}

/** Loads the traces that match a search. */
export function loadList(
  query: URLSearchParams,
): Promise<{ traces: TraceSummary[]; total: number; stats: Stats }> {
  return get(`/viewer/traces?${query}`)
}

/** Loads the names of all services, and of the operations of one. */
export function loadNames(service: string): Promise<{ services: string[]; operations: string[] }> {
  return get(`/viewer/names?${new URLSearchParams({ service })}`)
}

export function loadMap(): Promise<ServiceMap> {
  return get('/viewer/map')
}

export function loadAbout(): Promise<About> {
  return get('/viewer/about')
}

/** Loads a trace; rejects when there is none with this id. */
export async function loadTrace(traceId: string): Promise<LoadedTrace> {
  const document = await get(`/api/traces/${encodeURIComponent(traceId)}`)
  const { spans } = fromJaegerJson(document)
  const { roots, nodes } = adjustSkew(buildTraceTree(spans))
  const root = roots.find(node => !node.orphan) ?? roots[0]
  if (root === undefined) throw new Error('the trace has no spans')
  let [start, end] = [Number.POSITIVE_INFINITY, 0]
  for (const node of nodes) {
    start = Math.min(start, node.start)
    end = Math.max(end, node.start + node.span.duration)
  }
  const services = [...new Set(nodes.map(node => node.span.service))]
  return { traceId: root.span.traceId, spans, roots, nodes, root, start, end, services, document }
}

async function post<T>(path: string, body: string | File): Promise<T> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  if (!response.ok) throw new Error(await reasonOf(response))
  return (await response.json()) as T
}

/** Adds the traces of a file to the viewer. */
export function openFile(file: File): Promise<{ traceIds: string[]; refused: number }> {
  return post('/viewer/open', file)
}

/** Removes all traces. */
export function clearTraces(): Promise<unknown> {
  return post('/viewer/clear', '{}')
}

/** A change of the traces; `traceIds` is null when too many have changed. */
export interface Change {
  traceIds: string[] | null
  stats: Stats
}

/** Listens for changes as long as the page is open. EventSource reconnects by itself. */
export function listen(onChange: (change: Change) => void, onState: (isLive: boolean) => void): void {
  const events = new EventSource('/viewer/events')
  events.addEventListener('open', () => onState(true))
  events.addEventListener('error', () => onState(false))
  events.addEventListener('change', event => onChange(JSON.parse(event.data as string) as Change))
}
