// The door to the viewer: a collector for traces and their page, on this machine, for development.

import { createReadBody } from './body.ts'
import { openJaegerHttp, openJaegerUdp, openOtlp, openZipkin, type Sink } from './collector.ts'
import type { Door } from './doors.ts'
import { type DoorName, resolveViewerOptions, type ViewerOptions, type ViewerSettings } from './options.ts'
import { openPage } from './page-server.ts'
import { createStore, type StoreStats, type TraceStore, type ViewerTrace } from './store.ts'
import { toLine } from './text.ts'

export { formatDuration } from './duration.ts'
export type { Reference, SpanKind, SpanLog, Tag, TagValue, ViewerSpan } from './model.ts'
export { failureOf, statusOf, tagOf } from './model.ts'
export type { DoorName, ViewerLimits, ViewerOptions, ViewerPorts } from './options.ts'
export type { StoreStats, ViewerTrace } from './store.ts'
export { type DrawOptions, drawTrace } from './tree.ts'

/** What came in and what became of it. */
export interface ViewerStats extends StoreStats {
  /** Spans that were malformed. */
  readonly refusedSpans: number
  /** Messages that could not be read at all. */
  readonly refusedMessages: number
  /** Why the latest of either was refused. */
  readonly lastRefusal: string | undefined
}

/** A viewer that runs. */
export interface Viewer {
  /** The page's address. */
  readonly url: string
  /** The port behind each door; undefined for one that is shut or could not be opened. */
  readonly ports: Readonly<Record<DoorName, number | undefined>>
  /** Which doors could not be opened as asked, and what was done about it; empty when all is well. */
  readonly problems: readonly string[]
  /** All traces, newest first. */
  traces(): ViewerTrace[]
  /** One trace by its id of 16 or 32 hex digits. */
  trace(traceId: string): ViewerTrace | undefined
  /**
   * Calls `listener` with the ids of the traces that got spans, whenever spans come. What it throws is told once, by a
   * warning of the process.
   *
   * @returns a function that ends this
   */
  onSpans(listener: (traceIds: readonly string[]) => void): () => void
  stats(): ViewerStats
  /** Forgets all traces. */
  clear(): void
  /** Closes all doors. Harmless when called twice. */
  close(): Promise<void>
}

/**
 * Starts a viewer of traces on this machine: takes in OTLP, Jaeger and Zipkin, shows them on a page, and answers
 * Jaeger's query API. In memory, bounded, for development; while it runs the process stays up.
 *
 * A door whose port is taken stays shut and is named in `problems`, with the others open; the page moves to a free port.
 *
 * @throws TypeError when an option is wrong, naming it
 * @throws Error when no span could ever come in, since every inlet's port is taken
 * @example
 * const viewer = await startViewer()
 * console.log(`traces are shown at ${viewer.url}`)
 */
export async function startViewer(options?: ViewerOptions): Promise<Viewer> {
  const settings = resolveViewerOptions(options)
  const store = createStore(settings.limits)
  const refusals = createRefusals()
  const report = createListenerReport()
  const sink: Sink = {
    accept(intake) {
      refusals.count(intake.refused, intake.reason)
      store.add(intake.spans)
    },
    reject: reason => refusals.countMessage(reason),
  }
  const stats = (): ViewerStats => ({ ...store.stats(), ...refusals.read() })
  const opened = await openAll(settings, sink, store, stats)
  let closing: Promise<void> | undefined
  return {
    url: opened.url,
    ports: opened.ports,
    problems: opened.problems,
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
      closing ??= Promise.all(opened.doors.map(door => door.close())).then(() => undefined)
      return closing
    },
  }
}

interface Opened {
  readonly url: string
  readonly ports: Record<DoorName, number | undefined>
  readonly problems: string[]
  readonly doors: Door[]
}

async function openAll(
  { host, ports: wanted }: ViewerSettings,
  sink: Sink,
  store: TraceStore,
  stats: () => ViewerStats,
): Promise<Opened> {
  const read = createReadBody()
  const inlets: Record<Exclude<DoorName, 'page'>, [format: string, open: (port: number) => Promise<Door>]> = {
    otlp: ['OTLP over HTTP', port => openOtlp(host, port, read, sink)],
    jaeger: ['Jaeger thrift over HTTP', port => openJaegerHttp(host, port, read, sink)],
    jaegerCompact: ['Jaeger compact thrift over UDP', port => openJaegerUdp(host, port, 'compact', sink)],
    jaegerBinary: ['Jaeger binary thrift over UDP', port => openJaegerUdp(host, port, 'binary', sink)],
    zipkin: ['Zipkin JSON over HTTP', port => openZipkin(host, port, read, sink)],
  }
  const problems: string[] = []
  const doors: Door[] = []
  const ports = {} as Record<DoorName, number | undefined>
  let wantedInlets = 0
  for (const [name, [format, open]] of Object.entries(inlets)) {
    const port = wanted[name as DoorName]
    ports[name as DoorName] = undefined
    if (port === false) continue
    wantedInlets++
    try {
      const door = await open(port)
      doors.push(door)
      ports[name as DoorName] = door.port
    } catch (error) {
      problems.push(`${format} is not taken in: port ${port} ${whyNot(error)}`)
    }
  }
  if (doors.length === 0 && wantedInlets > 0) {
    throw new Error(`the viewer can take no spans in:\n${problems.map(problem => `  ${problem}`).join('\n')}`)
  }
  const page = (port: number) => openPage({ host, port, read, store, sink, stats, ports, problems })
  let door: Door
  try {
    door = await page(wanted.page as number).catch(async error => {
      const elsewhere = await page(0)
      problems.push(`the page is on port ${elsewhere.port}: port ${wanted.page} ${whyNot(error)}`)
      return elsewhere
    })
  } catch (error) {
    await Promise.all(doors.map(open => open.close()))
    throw error
  }
  doors.push(door)
  ports.page = door.port
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return { url: `http://${shown}:${door.port}`, ports, problems, doors }
}

function whyNot(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return 'is in use by another program'
  return code === 'EACCES' ? 'needs rights that this process has not' : `cannot be opened (${message})`
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

function createRefusals() {
  let refusedSpans = 0
  let refusedMessages = 0
  let lastRefusal: string | undefined
  return {
    count(spans: number, reason: string | undefined): void {
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
