// Summaries of many traces for the page: a row of the list for each trace, and the calls between services.

import { adjustSkew } from './clock-skew.ts'
import type { ViewerSpan } from './model.ts'
import { durationOf } from './search.ts'
import type { ViewerTrace } from './store.ts'
import { buildTraceTree } from './trace-tree.ts'

/** A trace as a row of the list; times in microseconds. */
export interface TraceSummary {
  readonly traceId: string
  /** The service and operation of its first root. */
  readonly service: string
  readonly operation: string
  readonly start: number
  readonly duration: number
  readonly spans: number
  readonly errors: number
  readonly aborted: number
  /** Spans whose parent has not arrived. */
  readonly orphans: number
  /** All services of the trace. */
  readonly services: readonly { readonly name: string; readonly spans: number; readonly errors: number }[]
}

/** The calls of one service by another; durations in microseconds. */
export interface ServiceCalls {
  readonly parent: string
  readonly child: string
  readonly calls: number
  readonly errors: number
  readonly p50: number
  readonly p95: number
}

/** A service of the map; durations in microseconds. */
export interface ServiceNode {
  readonly name: string
  /** Spans that entered the service: roots, and calls from other services. */
  readonly requests: number
  readonly errors: number
  readonly p50: number
  readonly p95: number
}

/** The map of services. */
export interface ServiceMap {
  readonly services: readonly ServiceNode[]
  readonly calls: readonly ServiceCalls[]
}

/** A span that entered a service. */
interface Entry {
  readonly parent: string | undefined
  readonly child: string
  readonly error: boolean
  readonly duration: number
}

/** What is computed once for each trace. */
interface Digest {
  readonly summary: TraceSummary
  readonly entries: readonly Entry[]
}

// A trace is the same object until more of its spans arrive, so its digest can be cached.
const digests = new WeakMap<ViewerTrace, Digest>()

/** The row of a trace in the list. */
export function summarise(trace: ViewerTrace): TraceSummary {
  return digestOf(trace).summary
}

/** The services of these traces and the calls between them, with counts, errors and durations. */
export function mapServices(traces: readonly ViewerTrace[]): ServiceMap {
  const services = new Map<string, Entry[]>()
  const calls = new Map<string, Entry[]>()
  for (const trace of traces) {
    for (const entry of digestOf(trace).entries) {
      push(services, entry.child, entry)
      if (entry.parent !== undefined) push(calls, JSON.stringify([entry.parent, entry.child]), entry)
    }
  }
  return {
    services: [...services].map(([name, entries]) => ({
      name,
      requests: entries.length,
      ...figuresOf(entries),
    })),
    calls: [...calls.values()].map(entries => ({
      parent: entries[0]?.parent as string,
      child: entries[0]?.child as string,
      calls: entries.length,
      ...figuresOf(entries),
    })),
  }
}

function digestOf(trace: ViewerTrace): Digest {
  const known = digests.get(trace)
  if (known !== undefined) return known
  const { roots, nodes } = adjustSkew(buildTraceTree(trace.spans))
  const root = (roots.find(node => !node.orphan) ?? roots[0])?.span as ViewerSpan
  const services = new Map<string, { name: string; spans: number; errors: number }>()
  for (const { span } of nodes) {
    const service = services.get(span.service) ?? { name: span.service, spans: 0, errors: 0 }
    service.spans++
    if (span.error) service.errors++
    services.set(span.service, service)
  }
  const entries: Entry[] = []
  for (const { span, parent } of nodes) {
    if (parent?.span.service === span.service) continue
    entries.push({
      parent: parent?.span.service,
      child: span.service,
      error: span.error,
      duration: span.duration,
    })
  }
  const digest: Digest = {
    summary: {
      traceId: trace.traceId,
      service: root.service,
      operation: root.operation,
      start: root.start,
      duration: durationOf(trace),
      spans: nodes.length,
      errors: nodes.filter(({ span }) => span.error).length,
      aborted: nodes.filter(({ span }) => span.aborted).length,
      orphans: nodes.filter(node => node.orphan).length,
      services: [...services.values()],
    },
    entries,
  }
  digests.set(trace, digest)
  return digest
}

function figuresOf(entries: readonly Entry[]): { errors: number; p50: number; p95: number } {
  const durations = entries.map(entry => entry.duration).sort((a, b) => a - b)
  // The nearest-rank percentile is always a measured duration.
  const percentile = (share: number) =>
    durations[Math.max(0, Math.ceil(share * durations.length) - 1)] as number
  return {
    errors: entries.filter(entry => entry.error).length,
    p50: percentile(0.5),
    p95: percentile(0.95),
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const values = map.get(key)
  if (values === undefined) map.set(key, [value])
  else values.push(value)
}
