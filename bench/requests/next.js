// The service that /chain calls. It lives in the clients' process, which never sleeps: in one of its own it would have to
// be woken for each call, and share the clients' core with them.

import { createServer } from 'node:http'
import { listen } from './opened.js'

export async function openNext() {
  const counts = { calls: 0, tracedCalls: 0 }
  const next = createServer((request, response) => {
    const { headers } = request
    counts.calls++
    if (headers.traceparent ?? headers['uber-trace-id'] ?? headers['x-datadog-trace-id']) counts.tracedCalls++
    response.setHeader('content-type', 'application/json')
    response.end('{"hello":"world"}')
  })
  return { counts, ...(await listen({ next })) }
}
