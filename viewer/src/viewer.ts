// Starts a viewer: the receivers of spans, the store, and the server of the page.

import { type PortName, resolveViewerOptions, type ViewerOptions } from './options.ts'
import type { SpanSink } from './receivers.ts'
import { startServers } from './servers.ts'
import { createStore, type StoreStats, type ViewerTrace } from './store.ts'
import { toLine } from './text.ts'

/** What the viewer keeps, and what it removed or refused. */
export interface ViewerStats extends StoreStats {
  /** Malformed spans. */
  readonly refusedSpans: number
  /** Messages that could not be read. */
  readonly refusedMessages: number
  /** The reason for the latest refusal of either kind. */
  readonly lastRefusal: string | undefined
}

/** A running viewer. */
export interface Viewer {
  /** The address of the page. */
  readonly url: string
  /** The port of each receiver and of the page; undefined for one that is off or could not be opened. */
  readonly ports: Readonly<Record<PortName, number | undefined>>
  /** The ports that could not be opened as configured, with the reason; empty when all could. */
  readonly problems: readonly string[]
  /** All traces, newest first. */
  traces(): ViewerTrace[]
  /** One trace by its id of 16 or 32 hex digits. */
  trace(traceId: string): ViewerTrace | undefined
  /**
   * Calls `listener` with the ids of the traces that got new spans. The first error that a listener throws is reported
   * as a process warning.
   *
   * @returns a function that removes the listener
   */
  onSpans(listener: (traceIds: readonly string[]) => void): () => void
  /** Counts of what is kept, removed and refused. */
  stats(): ViewerStats
  /** Removes all traces. */
  clear(): void
  /** Closes all ports. May be called more than once. */
  close(): Promise<void>
}

/**
 * Starts a viewer on this machine: it receives OTLP, Jaeger and Zipkin spans, shows them on a page, and serves Jaeger's
 * query API. Traces are kept in memory, within limits. A running viewer keeps the process alive.
 *
 * A receiver whose port is in use stays off; when the page's port is in use, the page gets a free one. `problems` names
 * both.
 *
 * @throws TypeError when an option is invalid
 * @throws Error when every receiver's port is in use
 * @example
 * const viewer = await startViewer()
 * console.log(`traces are shown at ${viewer.url}`)
 */
export async function startViewer(options?: ViewerOptions): Promise<Viewer> {
  const settings = resolveViewerOptions(options)
  const store = createStore(settings.limits)
  const refusals = createRefusalCounter()
  const report = createListenerReport()
  const sink: SpanSink = {
    accept({ spans, refused, reason }) {
      refusals.countSpans(refused, reason)
      store.add(spans)
    },
    reject: reason => refusals.countMessage(reason),
  }
  const stats = (): ViewerStats => ({ ...store.stats(), ...refusals.read() })
  const servers = await startServers(settings, sink, store, stats)
  let closing: Promise<void> | undefined
  return {
    url: servers.url,
    ports: servers.ports,
    problems: servers.problems,
    traces: store.all,
    trace: traceId => store.get(traceId.toLowerCase().padStart(32, '0')),
    onSpans: listener =>
      store.listen(traceIds => {
        try {
          if (traceIds.length > 0) listener(traceIds)
        } catch (error) {
          report(error)
        }
      }),
    stats,
    clear: store.clear,
    close() {
      closing ??= servers.close()
      return closing
    },
  }
}

/** Reports the first error that an `onSpans` listener throws, as a process warning; later ones are silent. */
function createListenerReport(): (error: unknown) => void {
  let isReported = false
  return error => {
    if (isReported) return
    isReported = true
    let message = 'an error that cannot be read'
    try {
      message = toLine(String(error instanceof Error ? error.message : error), 1000)
    } catch {
      // Even reading the error may throw.
    }
    process.emitWarning(`onSpans: a listener threw: ${message} (reported once)`, {
      type: 'TracingViewerWarning',
      code: 'TRACING_VIEWER',
    })
  }
}

/** Counts what was refused. */
function createRefusalCounter() {
  let refusedSpans = 0
  let refusedMessages = 0
  let lastRefusal: string | undefined
  return {
    countSpans(spans: number, reason: string | undefined): void {
      refusedSpans += spans
      lastRefusal = reason ?? lastRefusal
    },
    countMessage(reason: string): void {
      refusedMessages++
      lastRefusal = reason
    },
    read: () => ({ refusedSpans, refusedMessages, lastRefusal }),
  }
}
