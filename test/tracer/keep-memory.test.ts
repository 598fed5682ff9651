// What the `keep` rule may cost: bounded memory whatever traces do, faulty rules, real requests, and the exact account.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { SpanContext } from 'opentracing'
import {
  alwaysSampler,
  createTracer,
  type FinishedSpan,
  type KeepRule,
  type LocalTrace,
  neverSampler,
  type TracerStats,
} from '../../src/tracer/index.ts'
import { until } from '../support/otlp-collector.ts'
import { plainServer } from '../support/plain-server.ts'
import { newWorld } from '../support/tracer-world.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void
const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Every span that was meant to be exported is in one place. */
function checkAccount({ finished, exported, dropped, queued }: TracerStats): void {
  const lost = Object.values(dropped).reduce((sum, count) => sum + count)
  assert.equal(finished, exported + lost + queued, JSON.stringify({ finished, exported, dropped, queued }))
}

describe('the keep rule and requests', () => {
  it('saves failed, aborted and slow ones from a sampler that takes none; drops healthy checks', async () => {
    const seen: Partial<LocalTrace>[] = []
    const keep: KeepRule = ({ error, duration, statusCode, aborted, sampled, root }) => {
      seen.push({ error, statusCode, aborted, sampled })
      if (String(root.tags['http.url']).endsWith('/health')) return false
      return error || aborted !== undefined || duration >= 100 ? true : undefined
    }
    for (const sampler of [neverSampler(), alwaysSampler()]) {
      seen.length = 0
      const { tracer, spans, failures } = newWorld({ keep, sampler })
      const app = await plainServer(
        async ({ url }) => {
          if (url === '/boom') throw new Error('of the app')
          if (url === '/slow') await wait(110)
          if (url === '/never') await new Promise(() => {})
          return 'ok'
        },
        { tracer },
      )
      for (const path of ['/quick', '/boom', '/slow', '/health'])
        await (await fetch(`http://127.0.0.1:${app.port}${path}`)).text()
      const socket = connect(app.port, '127.0.0.1')
      socket.write('GET /never HTTP/1.1\r\nhost: h\r\n\r\n')
      await until(() => tracer.stats().started === 5)
      socket.destroy()
      await until(() => seen.length === 5)
      await app.close()
      await tracer.close()
      const sampled = sampler.sample({ operationName: '', tags: {}, traceId: '', randomness: 0 })
      assert.deepEqual(
        spans.map(({ attributes }) => attributes['url.path']),
        sampled ? ['/quick', '/boom', '/slow', '/never'] : ['/boom', '/slow', '/never'],
      )
      assert.deepEqual(seen[1], { error: true, statusCode: 500, aborted: undefined, sampled })
      assert.equal(seen[4]?.aborted, 'before response')
      assert.equal(tracer.stats().dropped.notKept, sampled ? 1 : 0)
      assert.deepEqual(failures, [])
      checkAccount(tracer.stats())
    }
  })

  it('is told how long the root took, by the times that were given', async () => {
    const durations: number[] = []
    const { tracer } = newWorld({ keep: ({ duration }) => duration > durations.push(duration) })
    const start = Date.now() - 5000
    tracer.startSpan('slow', { startTime: start }).finish(start + 1500)
    await tracer.close()
    assert.equal(Math.round(durations[0] as number), 1500)
  })
})

describe('a keep rule that', () => {
  const faulty: [title: string, keep: () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('of the rule')
      },
    ],
    ['rejects', () => Promise.reject(new Error('of the rule'))],
    ['answers a promise', () => Promise.resolve(false)],
    ['answers a text', () => 'no'],
    ['answers null', () => null],
  ]
  for (const [title, keep] of faulty) {
    it(`F046 ${title}: the sampler decides, and it is reported once`, async () => {
      const { tracer, spans, failures } = newWorld({
        keep: keep as KeepRule,
        sampler: { sample: ({ operationName }) => operationName === 'wanted' },
      })
      for (let i = 0; i < 10; i++) for (const name of ['wanted', 'unwanted']) tracer.startSpan(name).finish()
      await tracer.close()
      assert.deepEqual(
        spans.map(({ name }) => name),
        Array(10).fill('wanted'),
      )
      assert.deepEqual(
        failures.map(({ place }) => place),
        ['keep'],
      )
      checkAccount(tracer.stats())
    })
  }

  it('F046 plays with its list changes nothing about what is exported and counted', async () => {
    const { tracer, spans } = newWorld({
      keep({ spans }) {
        ;(spans as FinishedSpan[]).length = 0
        return true
      },
    })
    const root = tracer.startSpan('root')
    tracer.startSpan('child', { childOf: root }).finish()
    root.finish()
    assert.equal(tracer.stats().waiting, 0)
    await tracer.close()
    assert.equal(spans.length, 2)
    checkAccount(tracer.stats())
  })
})

describe('what waits for the keep rule', () => {
  it('F098 a trace of 10,000 children that fits: all or none of it', async () => {
    for (const verdict of [true, false]) {
      const { tracer, spans } = newWorld({ keep: () => verdict, batch: { queueSpans: 20_000 } })
      const root = tracer.startSpan('root')
      for (let i = 0; i < 10_000; i++) tracer.startSpan('child', { childOf: root }).finish()
      assert.equal(tracer.stats().waiting, 10_000)
      root.finish()
      assert.equal(tracer.stats().waiting, 0)
      await tracer.close()
      assert.equal(spans.length, verdict ? 10_001 : 0)
      assert.equal(tracer.stats().dropped.notKept, verdict ? 0 : 10_001)
      checkAccount(tracer.stats())
    }
  })

  it('traces that never end: no more than the queue may hold, by number and by weight', async () => {
    const fat = 'x'.repeat(8000)
    const { tracer } = newWorld({ keep: () => true, sampler: neverSampler(), batch: { queueSpans: 500 } })
    for (let i = 0; i < 20_000; i++)
      tracer.startSpan('child', { childOf: tracer.startSpan('never ends') }).finish()
    assert.ok(tracer.stats().waiting <= 500, `${tracer.stats().waiting} wait`)
    await tracer.close()

    const byWeight = newWorld({ keep: () => true, sampler: neverSampler(), batch: { queueBytes: 1_000_000 } })
    const add = (tags: object) =>
      byWeight.tracer.startSpan('child', { childOf: byWeight.tracer.startSpan('never ends'), tags }).finish()
    for (let i = 0; i < 3000; i++) add({})
    const small = byWeight.tracer.stats().waiting
    assert.ok(small > 2500, `${small} small ones wait`)
    // Each of the fat ones weighs as much as many small ones.
    for (let i = 0; i < 1000; i++) add({ a: fat, b: fat, c: fat, d: fat })
    const { waiting } = byWeight.tracer.stats()
    assert.ok(waiting <= 32, `${waiting} wait`)
    await byWeight.tracer.close()
  })

  it('a decided trace keeps no span alive, though its contexts are held and spans come late', async () => {
    const tracer = createTracer({ serviceName: 'orders', exporter: { export() {} }, keep: () => undefined })
    const contexts: SpanContext[] = []
    const makeOne = (): WeakRef<object> => {
      const root = tracer.startSpan('root').setBaggageItem('k', 'v')
      const child = tracer.startSpan('child', { childOf: root })
      contexts.push(root.context(), child.context())
      child.finish()
      root.finish()
      tracer.startSpan('late', { childOf: root }).finish()
      return new WeakRef(root)
    }
    const refs = Array.from({ length: 100 }, makeOne)
    await tracer.close()
    await wait(10)
    gc()
    assert.equal(contexts.length, 200)
    assert.equal(refs.filter(ref => ref.deref() !== undefined).length, 0)
    assert.equal(tracer.stats().exported, 300)
  })

  it('goes with the process when it was sampled, and counts', async () => {
    const { tracer, spans } = newWorld({
      keep: () => undefined,
      sampler: { sample: ({ operationName }) => operationName === 'sampled' },
    })
    for (const name of ['sampled', 'unsampled'])
      tracer.startSpan(`${name} child`, { childOf: tracer.startSpan(name) }).finish()
    await tracer.close()
    assert.deepEqual(spans.map(({ name }) => name).sort(), ['sampled', 'sampled child'])
    assert.equal(tracer.stats().waiting, 0)
    checkAccount(tracer.stats())
  })

  it('sampling.priority beats the sampler, and the rule beats both', async () => {
    const { tracer, spans } = newWorld({
      keep: ({ root }) => (root.operationName === 'no' ? false : undefined),
    })
    tracer.startSpan('no', { tags: { 'sampling.priority': 1 } }).finish()
    tracer.startSpan('yes').setTag('sampling.priority', 0).finish()
    await tracer.close()
    assert.deepEqual(spans, [])
    assert.equal(tracer.stats().dropped.notKept, 1)
    checkAccount(tracer.stats())
  })
})

describe('the account', () => {
  it('F053 100,000 spans through a full queue to a backend that hangs: exact, with flat memory', async () => {
    const failures: string[] = []
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: { export: () => new Promise(() => {}) },
      batch: { queueSpans: 2000 },
      closeTimeout: 100,
      onError: (_, place) => failures.push(place),
    })
    const heaps: number[] = []
    for (let i = 1; i <= 100_000; i++) {
      tracer.startSpan('any', { tags: { number: i, text: `the ${i}th` } }).finish()
      if (i % 1000 === 0) await new Promise(setImmediate)
      if (i % 25_000 !== 0) continue
      checkAccount(tracer.stats())
      gc()
      heaps.push(process.memoryUsage().heapUsed)
    }
    assert.equal(tracer.stats().queued, 2512)
    await tracer.close()
    const { finished, exported, dropped, queued } = tracer.stats()
    assert.deepEqual([finished, exported, queued], [100_000, 0, 0])
    assert.deepEqual([dropped.queueFull, dropped.closed], [100_000 - 2512, 2512])
    const grown = (heaps.at(-1) as number) - (heaps[0] as number)
    assert.ok(grown < 2 * 1024 * 1024, `${(grown / 1024).toFixed(0)} KB more`)
    assert.deepEqual(failures, ['export queue', 'export'])
  })
})
