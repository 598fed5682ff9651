// The page's door: its three files, what it asks for, what it is told live, and Jaeger's query API beside it.

import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import { type ReadBody, Refusal } from './body.ts'
import type { Sink } from './collector.ts'
import { type Answer, type Door, json, openHttp, say } from './doors.ts'
import { fromJaegerJson } from './jaeger-json.ts'
import { createLive } from './live.ts'
import type { DoorName } from './options.ts'
import { answerQuery, operationsOf, servicesOf } from './query-api.ts'
import { find, toSearch } from './search.ts'
import type { StoreStats, TraceStore } from './store.ts'
import { mapServices, summarise } from './summary.ts'

/** What the page's door works with. */
export interface PageContext {
  readonly host: string
  readonly port: number
  readonly read: ReadBody
  readonly store: TraceStore
  readonly sink: Sink
  readonly stats: () => StoreStats
  readonly ports: Readonly<Record<DoorName, number | undefined>>
  readonly problems: readonly string[]
}

/** The most bytes of a file of traces that is opened on the page. */
export const MAX_FILE: number = 64 * 1024 * 1024

// The build puts the page into dist/page; this path leads there from src/ and from dist/.
const BUILT = new URL('../dist/page/', import.meta.url)

const FILES: ReadonlyMap<string, readonly [file: string, type: string]> = new Map([
  ['/', ['index.html', 'text/html; charset=utf-8']],
  ['/page.js', ['page.js', 'text/javascript; charset=utf-8']],
  ['/page.css', ['page.css', 'text/css; charset=utf-8']],
])

// What a span says must never become a program: nothing but our three files runs or styles, and no text is made markup.
const POLICY = [
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

/** Opens the page's door. */
export async function openPage(context: PageContext): Promise<Door> {
  const { store, host, port } = context
  const live = createLive(store, context.stats)
  const door = await openHttp(host, port, async (request, response, url) => {
    if (url.pathname === '/viewer/open') return open(context, request)
    if (url.pathname === '/viewer/clear') return clear(context, request)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return { ...say(405, 'this is read by GET'), headers: { allow: 'GET, HEAD' } }
    }
    if (url.pathname === '/viewer/events') return live.connect(request, response)
    return (
      (await file(url)) ?? ask(context, url) ?? answerQuery(store, url) ?? say(404, 'there is nothing here')
    )
  })
  return {
    port: door.port,
    close() {
      live.close()
      return door.close()
    },
  }
}

async function file({ pathname }: URL): Promise<Answer | undefined> {
  const [name, type] = FILES.get(pathname) ?? []
  if (name === undefined || type === undefined) return undefined
  try {
    const body = await readFile(fileURLToPath(new URL(name, BUILT)))
    const headers = { 'content-security-policy': POLICY, 'referrer-policy': 'no-referrer' }
    return { status: 200, type, body, headers }
  } catch (error) {
    return say(503, `the page is not built: run "npm run build" (${(error as Error).message})`)
  }
}

/** What the page asks for beyond Jaeger's API. */
function ask({ store, stats, ports, problems }: PageContext, url: URL): Answer | undefined {
  switch (url.pathname) {
    case '/viewer/traces': {
      const { found, total } = find(store.all(), { ...toSearch(url.searchParams), durationOf: 'trace' })
      return json(200, { traces: found.map(summarise), total, stats: stats() })
    }
    case '/viewer/names': {
      const service = url.searchParams.get('service') ?? ''
      return json(200, {
        services: servicesOf(store),
        operations: service === '' ? [] : operationsOf(store, service),
      })
    }
    case '/viewer/map':
      return json(200, mapServices(store.all()))
    case '/viewer/about':
      return json(200, { ports, problems, stats: stats() })
    default:
      return undefined
  }
}

async function open({ read, sink }: PageContext, request: IncomingMessage): Promise<Answer> {
  mustPostJson(request)
  const bytes = await read(request, MAX_FILE)
  let intake: ReturnType<typeof fromJaegerJson>
  try {
    intake = fromJaegerJson(JSON.parse(bytes.toString()))
  } catch (error) {
    throw new Refusal(400, `the file cannot be opened: ${(error as Error).message}`)
  }
  if (intake.spans.length === 0) throw new Refusal(400, intake.reason ?? 'the file has no spans')
  sink.accept(intake)
  const traceIds = [...new Set(intake.spans.map(span => span.traceId))]
  return json(200, { traceIds, spans: intake.spans.length, refused: intake.refused, reason: intake.reason })
}

function clear({ store }: PageContext, request: IncomingMessage): Answer {
  mustPostJson(request)
  store.clear()
  return json(200, {})
}

/** A form on another page can post, but not JSON. */
function mustPostJson(request: IncomingMessage): void {
  if (request.method !== 'POST') throw new Refusal(405, 'this is done by POST')
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Refusal(415, 'this is done with application/json')
  }
}
