// An app of one framework on a real socket, for what no other framework has.

import assert from 'node:assert/strict'
import http, { type RequestListener } from 'node:http'
import supertest from 'supertest'
import type TestAgent from 'supertest/lib/agent.js'
import type { RecordedSpan, RecordingTracer } from '../../src/testing/index.ts'
import { eventually } from '../support/client.ts'
import { closeServer, listen } from './sample.ts'

/** Serves, asks and stops; gives the server spans, each of which has ended once. */
export async function serving(
  tracer: RecordingTracer,
  listener: RequestListener,
  use: (agent: TestAgent, port: number) => unknown,
): Promise<RecordedSpan[]> {
  const server = http.createServer(listener)
  await listen(server)
  try {
    const { port } = server.address() as { port: number }
    await use(supertest(server) as never, port)
  } finally {
    const closed = closeServer(server)
    server.closeAllConnections()
    await closed
  }
  await eventually(() => tracer.spans.every(span => span.finishCount > 0), 'all spans have ended')
  for (const span of tracer.spans) assert.equal(span.finishCount, 1, span.operationName)
  return tracer.spans.filter(span => span.tags['span.kind'] === 'server')
}
