// Telling pages that spans have come, by server-sent events: which traces changed, and never more than a few times a second.
// https://html.spec.whatwg.org/multipage/server-sent-events.html

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Answer, say } from './doors.ts'
import type { StoreStats, TraceStore } from './store.ts'

const MAX_PAGES = 50
const PAUSE = 250
const HEARTBEAT = 15_000
/** More ids than these are not listed: the page asks anew for what it shows. */
const MAX_IDS = 100
/** A page that is this many bytes behind does not read; it comes back by itself when it does. */
const MAX_BEHIND = 256 * 1024

/** Connects pages to the store. */
export interface Live {
  connect(request: IncomingMessage, response: ServerResponse): Answer | undefined
  close(): void
}

/** Makes the connection; `close` ends it for all. */
export function createLive(store: TraceStore, stats: () => StoreStats): Live {
  const pages = new Set<ServerResponse>()
  const changed = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let all = false

  function tell(): void {
    timer = undefined
    const traceIds = all ? null : [...changed]
    all = false
    changed.clear()
    broadcast(`event: change\ndata: ${JSON.stringify({ traceIds, stats: stats() })}\n\n`)
  }

  function broadcast(message: string): void {
    for (const page of pages) {
      if (page.writableLength > MAX_BEHIND) page.destroy()
      else page.write(message)
    }
  }

  const ignore = store.listen(traceIds => {
    if (pages.size === 0) return
    if (traceIds.length === 0) all = true
    for (const traceId of traceIds) {
      if (changed.size < MAX_IDS) changed.add(traceId)
      else all = true
    }
    timer ??= setTimeout(tell, PAUSE)
  })
  const heartbeat = setInterval(() => broadcast(': still here\n\n'), HEARTBEAT)
  heartbeat.unref()

  return {
    connect(request, response) {
      if (pages.size >= MAX_PAGES) return say(503, `no more than ${MAX_PAGES} pages are told live`)
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write('retry: 1000\n\n')
      pages.add(response)
      request.on('close', () => pages.delete(response))
      response.on('close', () => pages.delete(response))
      return undefined
    },
    close() {
      ignore()
      clearInterval(heartbeat)
      clearTimeout(timer)
      for (const page of pages) page.end()
      pages.clear()
    },
  }
}
