// Tells open pages which traces have changed, by server-sent events and at most four times a second.
// https://html.spec.whatwg.org/multipage/server-sent-events.html

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type HttpReply, textReply } from './http-server.ts'
import type { StoreStats, TraceStore } from './store.ts'

const MAX_PAGES = 50
const INTERVAL_MS = 250
const HEARTBEAT_MS = 15_000
/** When more traces have changed, their ids are left out and the page reloads what it shows. */
const MAX_IDS = 100
/** A page with more unsent bytes than this does not read. It is disconnected; its EventSource reconnects by itself. */
const MAX_UNSENT_BYTES = 256 * 1024

/** Sends the changes of a store to pages. */
export interface PageEvents {
  /** Makes the response a stream of events; gives a reply when there are too many pages. */
  connect(request: IncomingMessage, response: ServerResponse): HttpReply | undefined
  close(): void
}

/** Starts to listen to the store; `close` disconnects all pages. */
export function createPageEvents(store: TraceStore, stats: () => StoreStats): PageEvents {
  const pages = new Set<ServerResponse>()
  const changed = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let tooMany = false

  function sendChanges(): void {
    timer = undefined
    const traceIds = tooMany ? null : [...changed]
    tooMany = false
    changed.clear()
    broadcast(`event: change\ndata: ${JSON.stringify({ traceIds, stats: stats() })}\n\n`)
  }

  function broadcast(message: string): void {
    for (const page of pages) {
      if (page.writableLength > MAX_UNSENT_BYTES) page.destroy()
      else page.write(message)
    }
  }

  const stopListening = store.listen(traceIds => {
    if (pages.size === 0) return
    if (traceIds.length === 0) tooMany = true
    for (const traceId of traceIds) {
      if (changed.size < MAX_IDS) changed.add(traceId)
      else tooMany = true
    }
    timer ??= setTimeout(sendChanges, INTERVAL_MS)
  })
  const heartbeat = setInterval(() => broadcast(': heartbeat\n\n'), HEARTBEAT_MS)
  heartbeat.unref()

  return {
    connect(request, response) {
      if (pages.size >= MAX_PAGES) return textReply(503, `at most ${MAX_PAGES} pages can be connected`)
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write('retry: 1000\n\n')
      pages.add(response)
      request.on('close', () => pages.delete(response))
      response.on('close', () => pages.delete(response))
      return undefined
    },
    close() {
      stopListening()
      clearInterval(heartbeat)
      clearTimeout(timer)
      for (const page of pages) page.end()
      pages.clear()
    },
  }
}
