// Backends for one test, closed after it, so that a test that fails does not keep its file from ending.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'node:test'
import { type Answer, type Collector, startCollector } from './otlp-collector.ts'

const opened: (() => unknown)[] = []

afterEach(async () => {
  for (const close of opened.splice(0)) await close()
})

export function afterThisTest(close: () => unknown): void {
  opened.push(close)
}

export async function openCollector(answer?: Answer): Promise<Collector> {
  const collector = await startCollector(answer)
  afterThisTest(() => collector.close())
  return collector
}

/** Jaeger's sampling endpoint: says the same share to all, and keeps what it was asked. */
export async function openSampling(samplingRate: number): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((req, res) => {
    asked.push(req.url ?? '')
    res.end(JSON.stringify({ strategyType: 'PROBABILISTIC', probabilisticSampling: { samplingRate } }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterThisTest(() => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  })
  return { port: (server.address() as AddressInfo).port, asked }
}
