// Jaeger's query API.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startViewer, type Viewer } from '../src/index.ts'
import { idOf } from './support/otlp.ts'
import { sendShop } from './support/shop.ts'
import { FREE_PORTS } from './support/viewer.ts'

let viewer: Viewer
const now = Date.now()

before(async () => {
  viewer = await startViewer({ ports: FREE_PORTS })
  await sendShop(viewer.ports.otlp as number, now)
})

after(() => viewer.close())

// biome-ignore lint/suspicious/noExplicitAny: responses are read without types, as in a script
async function ask(path: string, status = 200): Promise<any> {
  const response = await fetch(viewer.url + path)
  assert.equal(response.status, status, path)
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
  return response.json()
}

const search = async (query: Record<string, string>) =>
  (await ask(`/api/traces?${new URLSearchParams(query)}`)).data as { traceID: string; spans: unknown[] }[]

test('GET /api/services and /api/services/{service}/operations', async () => {
  assert.deepEqual(await ask('/api/services'), {
    data: ['gateway', 'mailer', 'orders', 'payments', 'stock'],
    total: 5,
    limit: 0,
    offset: 0,
    errors: null,
  })
  const { data } = await ask('/api/services/payments/operations')
  assert.deepEqual(data, ['POST', 'POST /charges', 'score risk'])
  assert.deepEqual((await ask('/api/services/no%20such/operations')).data, [])
  assert.deepEqual((await ask('/api/operations?service=payments&spanKind=server')).data, [
    { name: 'POST /charges', spanKind: 'server' },
  ])
})

test("GET /api/traces/{id}: a trace in Jaeger's JSON", async () => {
  const id = idOf('checkout 4', 32)
  const { data, errors } = await ask(`/api/traces/${id}`)
  assert.equal(errors, null)
  const [trace] = data
  assert.equal(trace.traceID, id)
  assert.equal(trace.spans.length, 14)
  assert.deepEqual(
    Object.values(trace.processes).map(process => (process as { serviceName: string }).serviceName),
    ['gateway', 'orders', 'stock', 'payments'],
  )
  const span = trace.spans.find(
    (candidate: { operationName: string }) => candidate.operationName === 'POST /charges',
  )
  assert.equal(trace.processes[span.processID].serviceName, 'payments')
  assert.deepEqual(span.references, [
    { refType: 'CHILD_OF', traceID: id, spanID: idOf('checkout 4 pay', 16) },
  ])
  assert.equal(span.startTime, Math.round((now - 4000 + 62.7) * 1000))
  assert.equal(span.duration, 137_500)
  assert.deepEqual(
    span.tags.filter(({ key }: { key: string }) => /status_code|error|span.kind/.test(key)),
    [
      { key: 'http.response.status_code', type: 'int64', value: 500 },
      { key: 'span.kind', type: 'string', value: 'server' },
      { key: 'otel.status_code', type: 'string', value: 'ERROR' },
      { key: 'error', type: 'bool', value: true },
    ],
  )
  assert.deepEqual(span.logs[0].fields[0], { key: 'event', type: 'string', value: 'exception' })
  assert.equal((await ask(`/api/traces/${id.toUpperCase()}`)).data.length, 1)
  assert.deepEqual((await ask('/api/traces/abc', 404)).errors, [
    { code: 404, msg: 'trace not found', traceID: 'abc' },
  ])
  assert.match((await ask('/api/traces/xyz', 400)).errors[0].msg, /a trace id is 1 to 32 hex digits/)
})

test('GET /api/traces: every parameter', async () => {
  const us = (ago: number) => String((now - ago) * 1000)
  assert.equal((await search({ service: 'payments' })).length, 4)
  assert.equal((await search({ service: 'gateway' })).length, 19)
  assert.equal((await search({ service: 'gateway', limit: '3' })).length, 3)
  assert.equal((await search({ service: 'orders', operation: 'INSERT order' })).length, 3)
  assert.equal((await search({ service: 'payments', tags: '{"error":"true"}' })).length, 1)
  assert.equal((await search({ service: 'payments', tag: 'risk.score:0.12' })).length, 4)
  assert.equal(
    (await search({ service: 'payments', tags: '{"service.version":"1.4.0","risk.score":"0.13"}' })).length,
    0,
  )
  assert.equal((await search({ service: 'payments', tag: 'exception.type:PaymentDeclined' })).length, 1)
  // As in Jaeger, the duration is that of the matching span.
  assert.equal(
    (await search({ service: 'payments', operation: 'score risk', minDuration: '30ms' })).length,
    1,
  )
  assert.equal(
    (await search({ service: 'payments', operation: 'score risk', maxDuration: '0.025s' })).length,
    2,
  )
  assert.equal((await search({ service: 'gateway', start: us(10_000), end: us(5000) })).length, 2)
  assert.equal((await search({ service: 'gateway', lookback: '8s' })).length, 3)
  assert.equal(
    (await search({ service: 'gateway', lookback: 'custom', start: us(10_000), end: us(5000) })).length,
    2,
  )
  const [first, second] = await search({ service: 'payments', limit: '2' })
  assert.deepEqual(
    [first?.traceID, second?.traceID],
    [idOf('checkout 4', 32), idOf('checkout 3', 32)],
    'newest first',
  )
  const ids = `traceID=${idOf('checkout 1', 32)}&traceID=${idOf('checkout 2', 32)}&traceID=abc`
  assert.equal((await ask(`/api/traces?${ids}`)).data.length, 2)
  for (const [query, reason] of [
    ['tags=x', /tags must be a JSON object/],
    ['tag=x', /tag must be key:value/],
    ['minDuration=long', /minDuration must be a duration/],
    ['start=yesterday', /start must be microseconds/],
    ['limit=0', /limit must be 1 or more/],
  ] as const) {
    const { data, errors } = await ask(`/api/traces?service=x&${query}`, 400)
    assert.equal(data, null)
    assert.match(errors[0].msg, reason)
  }
})

test('GET /api/dependencies', async () => {
  const sorted = (calls: { parent: string; child: string; callCount: number }[]) =>
    calls.map(({ parent, child, callCount }) => `${parent} ${child} ${callCount}`).sort()
  assert.deepEqual(sorted((await ask(`/api/dependencies?endTs=${now}&lookback=86400000`)).data), [
    'gateway orders 4',
    'gateway stock 15',
    'orders mailer 3',
    'orders payments 4',
    'orders stock 4',
  ])
  assert.deepEqual(sorted((await ask(`/api/dependencies?endTs=${now}&lookback=3000`)).data), [
    'gateway stock 1',
  ])
  assert.match((await ask('/api/dependencies?endTs=never', 400)).errors[0].msg, /endTs must be milliseconds/)
})
