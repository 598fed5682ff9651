// What the page asks of the viewer.

import { type Assembly, assemble, type TraceNode } from '../src/assemble.ts'
import { fromJaegerJson } from '../src/jaeger-json.ts'
import type { ViewerSpan } from '../src/model.ts'
import { adjustSkew } from '../src/skew.ts'
import type { ServiceMap, TraceSummary } from '../src/summary.ts'

export type { ServiceCalls, ServiceMap, ServiceNode, TraceSummary } from '../src/summary.ts'

/** What the viewer holds, and what it had to let go or refuse. */
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

/** The viewer's doors. */
export interface About {
  ports: Partial<Record<'otlp' | 'jaeger' | 'jaegerCompact' | 'jaegerBinary' | 'zipkin' | 'page', number>>
  problems: string[]
  stats: Stats
}

/** A whole trace, put together. */
export interface LoadedTrace extends Assembly {
  readonly traceId: string
  readonly spans: readonly ViewerSpan[]
  /** The root that the trace is named after. */
  readonly root: TraceNode
  /** Microseconds since the epoch, on the clock of the root. */
  readonly start: number
  readonly end: number
  readonly services: readonly string[]
  /** The trace as it can be saved. */
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

/** A list of traces for a search. */
export function loadList(
  query: URLSearchParams,
): Promise<{ traces: TraceSummary[]; total: number; stats: Stats }> {
  return get(`/viewer/traces?${query}`)
}

/** The names to choose from. */
export function loadNames(service: string): Promise<{ services: string[]; operations: string[] }> {
  return get(`/viewer/names?${new URLSearchParams({ service })}`)
}

export function loadMap(): Promise<ServiceMap> {
  return get('/viewer/map')
}

export function loadAbout(): Promise<About> {
  return get('/viewer/about')
}

/** One trace; throws when there is none of this id. */
export async function loadTrace(traceId: string): Promise<LoadedTrace> {
  const document = await get(`/api/traces/${encodeURIComponent(traceId)}`)
  const { spans } = fromJaegerJson(document)
  const { roots, nodes } = adjustSkew(assemble(spans))
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

/** Opens a saved trace: it joins the others. */
export function openFile(file: File): Promise<{ traceIds: string[]; refused: number }> {
  return post('/viewer/open', file)
}

/** Forgets all traces. */
export function clearTraces(): Promise<unknown> {
  return post('/viewer/clear', '{}')
}

/** What is told live; `traceIds` is null when too much has changed to be listed. */
export interface Change {
  traceIds: string[] | null
  stats: Stats
}

/** Listens for changes, as long as the page is open; a lost connection comes back by itself. */
export function listen(onChange: (change: Change) => void, onState: (live: boolean) => void): void {
  const events = new EventSource('/viewer/events')
  events.addEventListener('open', () => onState(true))
  events.addEventListener('error', () => onState(false))
  events.addEventListener('change', event => onChange(JSON.parse(event.data as string) as Change))
}
