// F053: a million spans through a queue that is always full, to a collector that takes its time. Fails when the account
// does not come out (finished = exported + dropped), when the collector has other spans than were exported, or when the
// memory at the end is more than 5 MB over that after the first quarter.
//
//   node --expose-gc --import tsx test/soak/queue.ts [--spans 1000000] [--leak]
//
// --leak keeps every span on purpose: the command must fail then.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createTracer, otlpExporter } from '../../src/tracer/index.ts'
import { decodeProtobuf } from '../support/otlp-collector.ts'

const { values } = parseArgs({
  options: { spans: { type: 'string', default: '1000000' }, leak: { type: 'boolean', default: false } },
})
const spans = Number(values.spans)
const STEPS = 20
const BOUND = 5 * 1024 * 1024
const { gc } = globalThis as { gc?: () => void }
if (gc === undefined) throw new Error('run it with: node --expose-gc --import tsx test/soak/queue.ts')
if (!Number.isInteger(spans) || spans < 1000) throw new Error('--spans: a whole number from 1000')

let received = 0
const server = createServer((req, res) => {
  const chunks: Buffer[] = []
  req.on('data', chunk => chunks.push(chunk))
  req.on('end', () => {
    received += decodeProtobuf(Buffer.concat(chunks)).spans.length
    setTimeout(() => res.end(), 10)
  })
})
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo

const kept: unknown[] = []
const memory: number[] = []
const tracer = createTracer({
  serviceName: 'soak',
  exporter: otlpExporter({ url: `http://127.0.0.1:${port}/v1/traces` }),
  batch: { queueSpans: 2048 },
  closeTimeout: 10_000,
  onError: (error, place) => console.log(`told once: ${place}: ${(error as Error).message}`),
})

const start = performance.now()
for (let i = 0, done = 0; done < spans; i++) {
  for (; done < Math.min(spans, (i + 1) * 500); done++) {
    const span = tracer.startSpan('GET /users/:id', {
      tags: { 'span.kind': 'server', 'http.method': 'GET', 'http.url': `http://127.0.0.1/users/${done}` },
    })
    span.setTag('http.status_code', 200)
    span.finish()
    if (values.leak) kept.push(span)
  }
  await turn()
  if (done % (spans / STEPS) === 0) {
    gc()
    const { heapUsed, external } = process.memoryUsage()
    memory.push(heapUsed + external)
    const { exported, dropped, queued } = tracer.stats()
    const megabytes = ((heapUsed + external) / 1024 / 1024).toFixed(1)
    console.log(
      `${done} finished, ${exported} exported, ${dropped.queueFull} dropped, ${queued} queued, ${megabytes} MB`,
    )
  }
}
await tracer.close()
server.closeAllConnections()
server.close()

const { finished, exported, dropped, queued } = tracer.stats()
const lost = Object.values(dropped).reduce((sum, count) => sum + count)
const grown = (memory.at(-1) as number) - (memory[STEPS / 4 - 1] as number)
console.log(
  `${Math.round((performance.now() - start) / 1000)} s: ${finished} finished = ${exported} exported + ${lost} dropped, ` +
    `${received} received, ${(grown / 1024 / 1024).toFixed(1)} MB more than after a quarter`,
)
const isExact = finished === spans && queued === 0 && exported + lost === finished && received === exported
if (!isExact || grown > BOUND || dropped.queueFull === 0) process.exitCode = 1
