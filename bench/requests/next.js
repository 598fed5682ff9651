// The service that /chain calls. It lives in the clients' process, which never sleeps: in one of its own it would have to
// be woken for each call, and share the clients' core with them.

import { once } from 'node:events'
import { createServer } from 'node:http'

const opened = []

/** One for each server, so that it is known whose calls arrive. */
export async function openNext() {
  const counts = { calls: 0, tracedCalls: 0 }
  const server = createServer((request, response) => {
    const { headers } = request
    counts.calls++
    if (headers.traceparent ?? headers['uber-trace-id'] ?? headers['x-datadog-trace-id']) counts.tracedCalls++
    response.setHeader('content-type', 'application/json')
    response.end('{"hello":"world"}')
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { id: opened.push({ counts, server }) - 1, port: server.address().port }
}

export function countsOfNext(id) {
  return opened[id].counts
}

export function closeNext(id) {
  const { server } = opened[id]
  server.close()
  server.closeAllConnections()
  return 'closed'
}
