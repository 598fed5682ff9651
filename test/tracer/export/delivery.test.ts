// What a backend may do to us, and what the end of a process may: nothing is lost but spans, and those are counted.

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, describe, it } from 'node:test'
import opentracing from 'opentracing'
import { activeSpan } from '../../../src/core/scope.ts'
import { withSpan } from '../../../src/core/with-span.ts'
import { createTracedFetch } from '../../../src/outbound/fetch/index.ts'
import {
  createTracer,
  type LeanTracer,
  otlpExporter,
  type TracerOptions,
  type TracerStats,
} from '../../../src/tracer/index.ts'
import { runProgram, source } from '../../support/children.ts'
import {
  type Answer,
  closeCollectors,
  encodePartialSuccess,
  startCollector,
  until,
} from '../../support/otlp-collector.ts'
import { countedBatches } from '../../support/tracer-world.ts'

// What the tracer does keeps no process alive; the tests wait for it.
const staying = setInterval(() => {}, 1000)
after(async () => {
  clearInterval(staying)
  await closeCollectors()
})

const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

function makeSpans(tracer: opentracing.Tracer, count: number): void {
  for (let i = 0; i < count; i++) tracer.startSpan(`span ${i}`).finish()
}

/** Every span is in one place: that is the promise of `stats()`. */
function checkAccount({ finished, exported, dropped, queued }: TracerStats): void {
  const lost = Object.values(dropped).reduce((sum, count) => sum + count)
  assert.equal(finished, exported + lost + queued, JSON.stringify({ finished, exported, dropped, queued }))
}

interface Setting {
  tracer: LeanTracer
  failures: { place: string; message: string }[]
}

function tracerTo(url: string, options: TracerOptions = {}, timeout = 10_000): Setting {
  const failures: Setting['failures'] = []
  const tracer = createTracer({
    serviceName: 'orders',
    exporter: otlpExporter({ url, timeout }),
    onError: (error, place) => failures.push({ place, message: (error as Error).message }),
    ...options,
  })
  return { tracer, failures }
}

async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

describe('a backend that', () => {
  it('F048 refuses: tried again in the background, given up at the end, memory flat', async () => {
    const { tracer, failures } = tracerTo(`http://127.0.0.1:${await closedPort()}/v1/traces`)
    makeSpans(tracer, 1000)
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 20; i++) {
      makeSpans(tracer, 2000)
      await wait(1)
    }
    const grown = process.memoryUsage().heapUsed - before
    await tracer.close()
    const stats = tracer.stats()
    checkAccount(stats)
    assert.equal(stats.exported, 0)
    assert.equal(stats.finished, 41_000)
    assert.ok(stats.dropped.queueFull > 30_000, JSON.stringify(stats.dropped))
    // The queue holds 8192 spans at most.
    assert.ok(grown < 30e6, `${grown} bytes`)
    assert.match(stats.lastError?.message ?? '', /ECONNREFUSED|before the backend has answered/)
    assert.deepEqual(failures.map(({ place }) => place).sort(), ['export', 'export queue'])
  })

  it('F049 answers 500, 413 or 400: the batch is dropped at once, and counted', async () => {
    for (const status of [500, 413, 400]) {
      const collector = await startCollector(res => res.writeHead(status).end('no'))
      const { tracer, failures } = tracerTo(collector.url)
      makeSpans(tracer, 10)
      await tracer.flush()
      assert.equal(collector.requests, 1)
      assert.equal(tracer.stats().dropped.failed, 10)
      assert.match(failures[0]?.message ?? '', new RegExp(`answers ${status}`))
      checkAccount(tracer.stats())
      await tracer.close()
      await collector.close()
    }
  })

  it('F049 answers 429 or 503 with Retry-After: the batch comes again when it is asked for', async () => {
    const times: number[] = []
    const collector = await startCollector(res => {
      times.push(performance.now())
      if (times.length === 1) res.writeHead(429, { 'retry-after': '1' }).end()
      else if (times.length === 2)
        res.writeHead(503, { 'retry-after': new Date(Date.now() + 2000).toUTCString() }).end()
      else res.writeHead(200).end()
    })
    const { tracer, failures } = tracerTo(collector.url)
    makeSpans(tracer, 10)
    await tracer.flush()
    const [first, second, third] = times as [number, number, number]
    assert.ok(second - first >= 990, `${second - first} ms`)
    // A date has whole seconds.
    assert.ok(third - second >= 900, `${third - second} ms`)
    assert.equal(tracer.stats().exported, 10)
    assert.deepEqual(failures, [])
    await tracer.close()
    await collector.close()
  })

  it('takes a part: the rest is counted, and its reason reported', async () => {
    for (const type of ['protobuf', 'json'] as const) {
      const collector = await startCollector((res, _body, req) => {
        res.writeHead(200, { 'content-type': req.headers['content-type'] ?? '' })
        const json = JSON.stringify({ partialSuccess: { rejectedSpans: '3', errorMessage: 'too old' } })
        res.end(type === 'json' ? json : encodePartialSuccess(3, 'too old'))
      })
      const { tracer, failures } = tracerTo(collector.url, {
        exporter: otlpExporter({ url: collector.url, protocol: type }),
      })
      makeSpans(tracer, 10)
      await tracer.flush()
      const { exported, dropped } = tracer.stats()
      assert.deepEqual([exported, dropped.rejected], [7, 3])
      assert.deepEqual(failures, [{ place: 'export', message: 'the backend says: too old' }])
      assert.equal(collector.requests, 1)
      await tracer.close()
      await collector.close()
    }
  })

  it('F050 never answers: given up after the timeout, with one socket at a time', async () => {
    const collector = await startCollector(() => {})
    const { tracer, failures } = tracerTo(collector.url, { batch: { timeout: 300, spans: 10 } }, 100)
    makeSpans(tracer, 30)
    await until(() => tracer.stats().dropped.failed >= 10)
    assert.ok(collector.sockets.size <= 2, `${collector.sockets.size} sockets`)
    await tracer.close()
    checkAccount(tracer.stats())
    assert.equal(tracer.stats().exported, 0)
    assert.match(failures[0]?.message ?? '', /no end within 300 ms|no answer within 100 ms/)
    await collector.close()
  })

  it('F051 answers slowly, a byte at a time: what it has taken counts as taken', async () => {
    const collector = await startCollector(res => {
      res.writeHead(200, { 'content-type': 'application/x-protobuf', 'content-length': 1000 })
      const timer = setInterval(() => res.write('\0'), 20)
      res.on('close', () => clearInterval(timer))
    })
    const { tracer } = tracerTo(collector.url, {}, 150)
    makeSpans(tracer, 10)
    await tracer.flush()
    assert.equal(tracer.stats().exported, 10)
    await tracer.close()
    await collector.close()
  })

  it('F051 cuts the connection: the batch comes again', async () => {
    const bodies: Buffer[] = []
    const collector = await startCollector((res, body) => {
      bodies.push(body)
      if (bodies.length === 1) res.socket?.destroy()
      else res.writeHead(200).end()
    })
    const { tracer } = tracerTo(collector.url)
    makeSpans(tracer, 10)
    await tracer.flush()
    assert.equal(tracer.stats().exported, 10)
    assert.equal(bodies.length, 2)
    assert.deepEqual(bodies[0], bodies[1])
    await tracer.close()
    await collector.close()
  })

  it('F052 answers with garbage, or without end: taken, told, not kept in memory', async () => {
    const endless: Answer = res => {
      res.writeHead(200)
      const chunk = Buffer.alloc(64 * 1024, 'x')
      const more = () => {
        while (!res.destroyed && res.write(chunk)) {}
      }
      res.on('drain', more)
      more()
    }
    for (const answer of [endless, (res => res.writeHead(200).end('<html>')) as Answer]) {
      const collector = await startCollector(answer)
      const { tracer, failures } = tracerTo(collector.url)
      const before = process.memoryUsage()
      const start = performance.now()
      makeSpans(tracer, 10)
      await tracer.flush()
      const after = process.memoryUsage()
      assert.ok(performance.now() - start < 2000, 'what is too long is not read to its end')
      assert.equal(tracer.stats().exported, 10)
      assert.match(failures[0]?.message ?? '', /its answer is not OTLP/)
      assert.ok(after.external - before.external < 20e6, 'its answer is not kept')
      await tracer.close()
      await collector.close()
    }
  })

  it('speaks no HTTP at all: counted as failed', async () => {
    const server = createServer(socket => socket.end('220 mail.test ESMTP\r\n'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const { tracer } = tracerTo(`http://127.0.0.1:${port}/v1/traces`)
    makeSpans(tracer, 10)
    await tracer.close()
    assert.equal(tracer.stats().exported, 0)
    checkAccount(tracer.stats())
    server.close()
  })

  it('F055 has a name that nobody knows: reported once; no URL: a TypeError at once', async () => {
    const { tracer, failures } = tracerTo('http://nope.invalid/v1/traces')
    makeSpans(tracer, 10)
    await tracer.close()
    makeSpans(tracer, 10)
    await tracer.close()
    assert.equal(failures.filter(({ place }) => place === 'export').length, 1)
    for (const url of ['localhost:4318', 'ftp://x', 'http://', '']) {
      assert.throws(() => otlpExporter({ url }), /otlpExporter\(options\): url must be a URL/)
    }
  })
})

describe('the queue', () => {
  it('F053 overflows: the newest are dropped, counted and told once; memory is bounded', async () => {
    let release: (() => void) | undefined
    const hung = new Promise<void>(resolve => {
      release = resolve
    })
    const failures: string[] = []
    const names: string[] = []
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: {
        async export(spans) {
          names.push(...spans.map(({ operationName }) => operationName))
          await hung
        },
      },
      onError: (_, place) => failures.push(place),
    })
    makeSpans(tracer, 512)
    await until(() => names.length === 512)
    makeSpans(tracer, 50_000)
    const stats = tracer.stats()
    checkAccount(stats)
    assert.equal(stats.queued, 512 + 8192)
    assert.equal(stats.dropped.queueFull, 50_000 - 8192)
    release?.()
    await tracer.close()
    assert.equal(tracer.stats().exported, 512 + 8192)
    assert.equal(names.at(-1), 'span 8191')
    assert.deepEqual(failures, ['export queue'])
    checkAccount(tracer.stats())
  })

  it('is bounded by bytes too', async () => {
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: { export: () => new Promise(() => {}) },
      batch: { queueBytes: 100_000, timeout: 200 },
      onError() {},
    })
    for (let i = 0; i < 100; i++) tracer.startSpan('fat', { tags: { text: 'x'.repeat(8000) } }).finish()
    assert.ok(tracer.stats().queued <= 12, `${tracer.stats().queued} spans`)
    await tracer.close()
    checkAccount(tracer.stats())
  })

  it('is sent in batches of so many bytes', async () => {
    const { tracer, sizes } = countedBatches({ bytes: 100_000 })
    for (let i = 0; i < 100; i++) tracer.startSpan('fat', { tags: { text: 'x'.repeat(8000) } }).finish()
    await tracer.close()
    assert.equal(
      sizes.reduce((sum, size) => sum + size),
      100,
    )
    assert.ok(Math.max(...sizes) <= 13, `${Math.max(...sizes)} in one batch`)
  })

  it('F100 catches up after the event loop was blocked', async () => {
    const { tracer, sizes } = countedBatches({ delay: 50 })
    makeSpans(tracer, 10)
    const end = performance.now() + 500
    while (performance.now() < end) makeSpans(tracer, 1)
    await until(() => tracer.stats().queued === 0)
    assert.ok(Math.max(...sizes) <= 512, `${Math.max(...sizes)} in one batch`)
    checkAccount(tracer.stats())
    await tracer.close()
  })

  it('waits for company, but not for ever', async () => {
    const collector = await startCollector()
    const { tracer } = tracerTo(collector.url, { batch: { delay: 100, spans: 3 } })
    const start = performance.now()
    makeSpans(tracer, 1)
    await until(() => collector.spans().length === 1)
    assert.ok(performance.now() - start >= 95, 'a single span waits')
    makeSpans(tracer, 3)
    await until(() => collector.spans().length === 4, 90)
    await tracer.close()
    await collector.close()
  })

  it('is no part of the request in which it was filled', async () => {
    const inside: unknown[] = []
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: {
        export: () => {
          inside.push(activeSpan())
        },
      },
      batch: { delay: 10 },
    })
    opentracing.initGlobalTracer(tracer)
    await withSpan('request', async () => makeSpans(tracer, 3))
    await until(() => inside.length > 0)
    assert.deepEqual(inside, [undefined])
    opentracing.initGlobalTracer(new opentracing.Tracer())
    await tracer.close()
  })
})

describe('an exporter of the user', () => {
  it('that throws, rejects, hangs or answers nonsense costs its batch alone', async () => {
    const failures: string[] = []
    const exporters: (() => unknown)[] = [
      () => {
        throw new Error('thrown')
      },
      () => Promise.reject(new Error('rejected')),
      () => new Promise(() => {}),
      () => ({ rejected: 1000 }),
      () => ({ rejected: Number.NaN }),
      () => undefined,
    ]
    const counts = []
    for (const fail of exporters) {
      const tracer = createTracer({
        exporter: { export: fail as () => undefined },
        batch: { timeout: 100 },
        onError: error => failures.push((error as Error).message),
      })
      makeSpans(tracer, 10)
      await tracer.flush()
      const { exported, dropped } = tracer.stats()
      counts.push([exported, dropped.failed, dropped.rejected])
      checkAccount(tracer.stats())
      await tracer.close()
    }
    assert.deepEqual(counts, [
      [0, 10, 0],
      [0, 10, 0],
      [0, 10, 0],
      [0, 0, 10],
      [10, 0, 0],
      [10, 0, 0],
    ])
    assert.deepEqual(failures, ['thrown', 'rejected', 'no end within 100 ms'])
  })

  it('F054 is not traced, and neither are our own posts', async () => {
    const collector = await startCollector()
    const posts = await startCollector(res => res.end())
    const exporting = otlpExporter({ url: collector.url })
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: {
        ...exporting,
        async export(spans, job) {
          const posted = createTracedFetch()(posts.url, { method: 'POST' })
          const answer = exporting.export(spans, job)
          await posted
          return answer
        },
      },
      batch: { delay: 10 },
    })
    opentracing.initGlobalTracer(tracer)
    makeSpans(tracer, 5)
    await until(() => collector.spans().length === 5)
    for (let i = 0; i < 3; i++) {
      await wait(20)
      await tracer.flush()
    }
    assert.equal(collector.spans().length, 5)
    assert.equal(tracer.stats().started, 5)
    assert.equal(posts.requests, 1)
    opentracing.initGlobalTracer(new opentracing.Tracer())
    await tracer.close()
    await collector.close()
    await posts.close()
  })

  it('spread copies have none of the spans’ getters: otlpExporter refuses them and says what to do', async () => {
    const collector = await startCollector()
    const otlp = otlpExporter({ url: collector.url })
    const failures: string[] = []
    const tracer = createTracer({
      exporter: {
        ...otlp,
        export: (spans, job) =>
          otlp.export(
            spans.map(span => ({ ...span })),
            job,
          ),
      },
      onError: error => failures.push((error as Error).message),
    })
    makeSpans(tracer, 1)
    await tracer.close()
    assert.match(failures[0] ?? '', /hand spans on as they came/)
    await collector.close()
  })
})

describe('the end', () => {
  it('F102 close twice, flush after it, spans after it: no throw, no span more', async () => {
    const collector = await startCollector()
    const { tracer, failures } = tracerTo(collector.url)
    const open = tracer.startSpan('open')
    makeSpans(tracer, 3)
    await Promise.all([tracer.close(), tracer.close()])
    await tracer.flush()
    open.finish()
    makeSpans(tracer, 3)
    await tracer.close()
    assert.equal(collector.spans().length, 4)
    assert.equal(collector.spans().find(({ name }) => name === 'open')?.attributes.unfinished, true)
    checkAccount(tracer.stats())
    assert.deepEqual(
      failures.map(({ place }) => place),
      ['finish'],
    )
    await collector.close()
  })

  it('close has a deadline, also when the backend hangs', async () => {
    const collector = await startCollector(() => {})
    const { tracer } = tracerTo(collector.url, { closeTimeout: 200 })
    makeSpans(tracer, 1000)
    await wait(20)
    const start = performance.now()
    await tracer.close()
    assert.ok(performance.now() - start < 600, `${performance.now() - start} ms`)
    await until(() => tracer.stats().queued === 0)
    checkAccount(tracer.stats())
    assert.equal(tracer.stats().dropped.closed, 1000)
    await until(() => collector.sockets.size === 0)
    await collector.close()
  })

  it('close tries once, and waits for nobody who refuses', async () => {
    const collector = await startCollector(res => res.writeHead(503).end())
    const { tracer } = tracerTo(collector.url, { closeTimeout: 5000 })
    makeSpans(tracer, 100)
    const start = performance.now()
    await tracer.close()
    assert.ok(performance.now() - start < 800, `${performance.now() - start} ms`)
    assert.equal(collector.requests, 1)
    checkAccount(tracer.stats())
    await collector.close()
  })

  it('a flush that is waited for at the natural end comes to its end too', async () => {
    const hung = await startCollector(() => {})
    const { code, stdout, ms } = await runProgram(
      `import { createTracer } from '${source}/tracer/index.ts'
       const tracer = createTracer({ serviceName: 'orders', onError() {}, closeTimeout: 300 })
       tracer.startSpan('any').finish()
       console.log('ready')
       await tracer.flush()
       console.log('flushed', tracer.stats().dropped.closed)`,
      { env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: hung.url } },
    )
    assert.equal(code, 0)
    assert.match(stdout, /flushed 1/)
    assert.ok(ms < 2000, `${ms} ms`)
    await hung.close()
  })

  it("calls jaeger-client's callback", async () => {
    const tracer = createTracer({ exporter: { export() {} } })
    let called = 0
    await tracer.close(() => called++)
    assert.equal(called, 1)
  })

  it('F058 a process ends by itself, with everything sent', async () => {
    const collector = await startCollector()
    const { code, ms } = await runProgram(
      `import { createTracer } from '${source}/tracer/index.ts'
       const tracer = createTracer({ serviceName: 'orders' })
       tracer.startSpan('forgotten')
       tracer.startSpan('finished').finish()
       console.log('ready')`,
      { env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url } },
    )
    assert.equal(code, 0)
    assert.ok(ms < 2000, `${ms} ms`)
    assert.deepEqual(
      collector.spans().map(({ name, attributes }) => [name, attributes.unfinished]),
      [
        ['finished', undefined],
        ['forgotten', true],
      ],
    )
    await collector.close()
  })

  it('F058 and in time when nobody is there, or nobody answers', async () => {
    const hung = await startCollector(() => {})
    for (const url of [`http://127.0.0.1:${await closedPort()}/v1/traces`, hung.url]) {
      const { code, ms } = await runProgram(
        `import { createTracer } from '${source}/tracer/index.ts'
         createTracer({ serviceName: 'orders', onError() {} }).startSpan('any').finish()
         console.log('ready')`,
        { env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url } },
      )
      assert.equal(code, 0)
      assert.ok(ms < 2000, `${ms} ms to ${url}`)
    }
    await hung.close()
  })

  it('F101 SIGTERM with a thousand spans queued and ten open: all are sent, and the signal takes its course', async () => {
    const collector = await startCollector()
    const { code, signal } = await runProgram(
      `import { createTracer } from '${source}/tracer/index.ts'
       const tracer = createTracer({ serviceName: 'orders', closeOnSignals: true, batch: { spans: 5000 } })
       for (let i = 0; i < 1000; i++) tracer.startSpan('queued').finish()
       for (let i = 0; i < 10; i++) tracer.startSpan('open')
       setInterval(() => {}, 1000)
       console.log('ready')`,
      {
        env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url },
        whenReady: kill => kill('SIGTERM'),
      },
    )
    assert.deepEqual([code, signal], [null, 'SIGTERM'])
    const names = collector.spans().map(({ name }) => name)
    assert.equal(names.filter(name => name === 'queued').length, 1000)
    assert.equal(names.filter(name => name === 'open').length, 10)
    assert.equal(collector.requests, 1)
    await collector.close()
  })

  it('F104 importing installs no handler; a tracer installs one for the end, and takes it away', async () => {
    const { stdout } = await runProgram(`
      const count = () => ['uncaughtException', 'unhandledRejection', 'SIGTERM', 'SIGINT', 'exit', 'beforeExit'].map(name => process.listenerCount(name)).join('')
      const seen = [count()]
      const { createTracer } = await import('${source}/tracer/index.ts')
      seen.push(count())
      const tracer = createTracer({ exporter: { export() {} } })
      seen.push(count())
      await tracer.close()
      seen.push(count())
      console.log(seen.join(' '))`)
    const [before, imported, made, closed] = stdout.trim().split(' ')
    assert.equal(imported, before)
    assert.equal(Number(made), Number(before) + 1)
    assert.equal(closed, before)
  })
})
