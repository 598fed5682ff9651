// The server of the page: the page's files, its own endpoints and events, and Jaeger's query API.

import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import { HttpError } from './http-error.ts'
import { type HttpReply, jsonReply, type RunningServer, startHttpServer, textReply } from './http-server.ts'
import { fromJaegerJson } from './jaeger-json.ts'
import type { PortName } from './options.ts'
import { createPageEvents } from './page-events.ts'
import { answerQuery, operationsOf, servicesOf } from './query-api.ts'
import type { SpanSink } from './receivers.ts'
import type { ReadBody } from './request-body.ts'
import { find, toSearch } from './search.ts'
import type { StoreStats, TraceStore } from './store.ts'
import { mapServices, summarise } from './summary.ts'

/** What the server of the page needs. */
export interface PageContext {
  readonly host: string
  readonly port: number
  readonly read: ReadBody
  readonly store: TraceStore
  readonly sink: SpanSink
  readonly stats: () => StoreStats
  readonly ports: Readonly<Record<PortName, number | undefined>>
  readonly problems: readonly string[]
}

/** The most bytes of a file of traces. */
const MAX_FILE_BYTES = 64 * 1024 * 1024

// The same path from src/ and from dist/.
const PAGE_FOLDER = new URL('../dist/page/', import.meta.url)

const FILES: ReadonlyMap<string, readonly [file: string, type: string]> = new Map([
  ['/', ['index.html', 'text/html; charset=utf-8']],
  ['/page.js', ['page.js', 'text/javascript; charset=utf-8']],
  ['/page.css', ['page.css', 'text/css; charset=utf-8']],
])

// The text of a span must never run as a script: the browser loads only the page's own files, and refuses to parse text
// as markup.
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')

/** Starts the server of the page. */
export async function startPageServer(context: PageContext): Promise<RunningServer> {
  const { store, host, port } = context
  const events = createPageEvents(store, context.stats)
  const server = await startHttpServer(host, port, async (request, response, url) => {
    if (url.pathname === '/viewer/open') return openFile(context, request)
    if (url.pathname === '/viewer/clear') return clear(context, request)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return { ...textReply(405, 'use GET'), headers: { allow: 'GET, HEAD' } }
    }
    if (url.pathname === '/viewer/events') return events.connect(request, response)
    return (
      (await file(url)) ?? pageData(context, url) ?? answerQuery(store, url) ?? textReply(404, 'not found')
    )
  })
  return {
    port: server.port,
    close() {
      events.close()
      return server.close()
    },
  }
}

async function file({ pathname }: URL): Promise<HttpReply | undefined> {
  const [name, type] = FILES.get(pathname) ?? []
  if (name === undefined || type === undefined) return undefined
  try {
    const body = await readFile(fileURLToPath(new URL(name, PAGE_FOLDER)))
    const headers = { 'content-security-policy': CONTENT_SECURITY_POLICY, 'referrer-policy': 'no-referrer' }
    return { status: 200, type, body, headers }
  } catch (error) {
    return textReply(503, `the page is not built: run "npm run build" (${(error as Error).message})`)
  }
}

/** The data of the page that Jaeger's API does not have. */
function pageData({ store, stats, ports, problems }: PageContext, url: URL): HttpReply | undefined {
  switch (url.pathname) {
    case '/viewer/traces': {
      const { found, total } = find(store.all(), { ...toSearch(url.searchParams), durationOf: 'trace' })
      return jsonReply(200, { traces: found.map(summarise), total, stats: stats() })
    }
    case '/viewer/names': {
      const service = url.searchParams.get('service') ?? ''
      return jsonReply(200, {
        services: servicesOf(store),
        operations: service === '' ? [] : operationsOf(store, service),
      })
    }
    case '/viewer/map':
      return jsonReply(200, mapServices(store.all()))
    case '/viewer/about':
      return jsonReply(200, { ports, problems, stats: stats() })
    default:
      return undefined
  }
}

async function openFile({ read, sink }: PageContext, request: IncomingMessage): Promise<HttpReply> {
  mustPostJson(request)
  const bytes = await read(request, MAX_FILE_BYTES)
  let decoded: ReturnType<typeof fromJaegerJson>
  try {
    decoded = fromJaegerJson(JSON.parse(bytes.toString()))
  } catch (error) {
    throw new HttpError(400, `the file cannot be opened: ${(error as Error).message}`)
  }
  if (decoded.spans.length === 0) throw new HttpError(400, decoded.reason ?? 'the file has no spans')
  sink.accept(decoded)
  const traceIds = [...new Set(decoded.spans.map(span => span.traceId))]
  return jsonReply(200, {
    traceIds,
    spans: decoded.spans.length,
    refused: decoded.refused,
    reason: decoded.reason,
  })
}

function clear({ store }: PageContext, request: IncomingMessage): HttpReply {
  mustPostJson(request)
  store.clear()
  return jsonReply(200, {})
}

/** A form on a page of another site can send a POST, but not with this content type. */
function mustPostJson(request: IncomingMessage): void {
  if (request.method !== 'POST') throw new HttpError(405, 'use POST')
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new HttpError(415, 'Content-Type must be application/json')
  }
}
