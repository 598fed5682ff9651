// Starts the servers of a viewer: one for each format, and the server of the page.

import type { RunningServer } from './http-server.ts'
import type { PortName, ViewerSettings } from './options.ts'
import { startPageServer } from './page-server.ts'
import {
  type SpanSink,
  startJaegerReceiver,
  startJaegerUdpReceiver,
  startOtlpReceiver,
  startZipkinReceiver,
} from './receivers.ts'
import { createBodyReader, type ReadBody } from './request-body.ts'
import type { StoreStats, TraceStore } from './store.ts'

/** The servers that could be started. */
export interface RunningServers {
  readonly url: string
  readonly ports: Readonly<Record<PortName, number | undefined>>
  readonly problems: readonly string[]
  close(): Promise<void>
}

/** A kind of receiver. */
interface Receiver {
  readonly name: Exclude<PortName, 'page'>
  /** For messages. */
  readonly format: string
  start(port: number): Promise<RunningServer>
}

function receiversOf(host: string, read: ReadBody, sink: SpanSink): Receiver[] {
  return [
    {
      name: 'otlp',
      format: 'OTLP over HTTP',
      start: port => startOtlpReceiver(host, port, read, sink),
    },
    {
      name: 'jaeger',
      format: 'Jaeger thrift over HTTP',
      start: port => startJaegerReceiver(host, port, read, sink),
    },
    {
      name: 'jaegerCompact',
      format: 'Jaeger compact thrift over UDP',
      start: port => startJaegerUdpReceiver(host, port, 'compact', sink),
    },
    {
      name: 'jaegerBinary',
      format: 'Jaeger binary thrift over UDP',
      start: port => startJaegerUdpReceiver(host, port, 'binary', sink),
    },
    {
      name: 'zipkin',
      format: 'Zipkin JSON over HTTP',
      start: port => startZipkinReceiver(host, port, read, sink),
    },
  ]
}

/**
 * Starts all servers that are not off. A receiver whose port cannot be opened is left out; the page then uses a free
 * port.
 *
 * @throws Error when no receiver can be started, or no port is free for the page
 */
export async function startServers(
  { host, ports: configured }: ViewerSettings,
  sink: SpanSink,
  store: TraceStore,
  stats: () => StoreStats,
): Promise<RunningServers> {
  const read = createBodyReader()
  const problems: string[] = []
  const servers: RunningServer[] = []
  const ports: Record<PortName, number | undefined> = {
    otlp: undefined,
    jaeger: undefined,
    jaegerCompact: undefined,
    jaegerBinary: undefined,
    zipkin: undefined,
    page: undefined,
  }
  const close = async () => {
    await Promise.all(servers.map(server => server.close()))
  }

  for (const { name, format, start } of receiversOf(host, read, sink)) {
    const port = configured[name]
    if (port === false) continue
    try {
      const server = await start(port)
      servers.push(server)
      ports[name] = server.port
    } catch (error) {
      problems.push(`${format} is not received: port ${port} ${reasonOf(error)}`)
    }
  }
  if (servers.length === 0 && problems.length > 0) {
    throw new Error(`the viewer cannot receive spans:\n${problems.map(problem => `  ${problem}`).join('\n')}`)
  }

  const startPage = (port: number) =>
    startPageServer({ host, port, read, store, sink, stats, ports, problems })
  let page: RunningServer
  try {
    page = await startPage(configured.page as number).catch(async error => {
      const moved = await startPage(0)
      problems.push(`the page is on port ${moved.port}: port ${configured.page} ${reasonOf(error)}`)
      return moved
    })
  } catch (error) {
    await close()
    throw error
  }
  servers.push(page)
  ports.page = page.port
  return { url: `http://${hostOfUrl(host)}:${page.port}`, ports, problems, close }
}

/** The host in the page's address: a browser cannot open the wildcard address. */
function hostOfUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return 'is in use by another program'
  if (code === 'EACCES') return 'needs permissions that this process does not have'
  return `cannot be opened (${message})`
}
