import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, it } from 'node:test'
import opentracing, { type Span, type Tracer } from 'opentracing'
import {
  encodedByVendor,
  freePort,
  idsOf,
  only,
  over,
  padded,
  start,
  startCollector,
  until,
} from '../support/jaeger-backends.ts'

for (const transport of ['udp', 'http'] as const) {
  describe(`what arrives over ${transport}`, () => {
    it('ids, times, tags, references, logs and the process', async () => {
      const { backend, reporter } = await over[transport]()
      const tracer = start({ reporter, tags: { region: 'eu', zone: 3, canary: true } })
      const parent = tracer.startSpan('parent')
      const earlier = tracer.startSpan('earlier')
      const span = tracer.startSpan('GET /users/:id', {
        references: [opentracing.childOf(parent), opentracing.followsFrom(earlier)],
        startTime: 1_700_000_000_123.456,
        tags: { text: 'ü ✓', number: 1.5, truth: true, bytes: Buffer.from('raw'), object: { a: [1, null] } },
      })
      span.log({ event: 'error', code: 7 }, 1_700_000_000_200)
      span.finish(1_700_000_000_323.956)
      await tracer.close()
      await until(() => backend.spans().length === 1)

      const { service, processTags } = only(backend.arrived)
      assert.equal(service, 'orders')
      assert.equal(processTags['jaeger.version'], 'Node-3.19.0')
      assert.deepEqual([processTags.region, processTags.zone, processTags.canary], ['eu', 3, true])
      assert.deepEqual(only(backend.spans()), {
        traceId: padded(parent.context().toTraceId()),
        spanId: padded(span.context().toSpanId(), 16),
        parentId: padded(parent.context().toSpanId(), 16),
        name: 'GET /users/:id',
        references: [
          { type: 'CHILD_OF', ...idsOf(parent) },
          { type: 'FOLLOWS_FROM', ...idsOf(earlier) },
        ],
        flags: 1,
        start: 1_700_000_000_123_456,
        duration: 200_500,
        tags: { text: 'ü ✓', number: 1.5, truth: true, bytes: Buffer.from('raw'), object: '{"a":[1,null]}' },
        logs: [{ timestamp: 1_700_000_000_200_000, fields: { event: 'error', code: 7 } }],
      })
      assert.match(idsOf(parent).traceId, /^(?!0{16})[0-9a-f]{32}$/)
    })

    it("the same as jaeger-client's own encoder makes of the span", async () => {
      const { backend, reporter } = await over[transport]()
      const tracer = start({ reporter })
      const root = tracer.startSpan('root', { tags: { 'sampling.priority': 1 } })
      const child = tracer.startSpan('child', {
        childOf: root,
        tags: { n: 2, s: 'x', o: { p: [] }, nothing: null },
      })
      child.log({ a: 1 }).log({ b: 'two' })
      const late = tracer.startSpan('late', { references: [opentracing.followsFrom(child.context())] })
      const spans = [child, root, late]
      for (const span of spans) span.finish()
      await tracer.close()
      await until(() => backend.spans().length === 3)
      const expected = spans.map(encodedByVendor)
      assert.deepEqual(backend.spans(), expected)
    })

    it('F056: values of every kind, and the other spans of the batch', async () => {
      const { backend, reporter } = await over[transport]()
      const tracer = start({ reporter })
      const cyclic: Record<string, unknown> = {}
      cyclic.self = cyclic
      const span = tracer.startSpan('odd')
      const odd: [string, unknown, unknown][] = [
        ['bigint', 12n, '12'],
        ['nested bigint', { n: 12n }, '{"n":"12"}'],
        ['cyclic', cyclic, 'a value that cannot be written'],
        ['undefined', undefined, 'undefined'],
        ['null', null, 'null'],
        ['function', function secretSource() {}, 'function secretSource'],
        ['symbol', Symbol('s'), 'Symbol(s)'],
        ['NaN', Number.NaN, 'NaN'],
        ['infinity', Number.NEGATIVE_INFINITY, '-Infinity'],
        ['toJSON undefined', { toJSON: () => undefined }, ''],
        ['no prototype', Object.create(null), '{}'],
        [
          'throws',
          {
            get x() {
              throw new Error('no')
            },
          },
          'a value that cannot be written',
        ],
        ['half a pair', 'a\ud83d', 'a\ufffd'],
        ['date', new Date(0), '"1970-01-01T00:00:00.000Z"'],
      ]
      for (const [key, given] of odd) span.setTag(key, given)
      span.log(Object.fromEntries(odd.map(([key, given]) => [key, given])))
      tracer.startSpan('before').finish()
      span.finish()
      tracer.startSpan('after').finish()
      await tracer.close()
      await until(() => backend.spans().length === 3)
      assert.deepEqual(
        backend.spans().map(s => s.name),
        ['before', 'odd', 'after'],
      )
      const expected = Object.fromEntries(odd.map(([key, , written]) => [key, written]))
      assert.deepEqual(backend.spans()[1]?.tags, expected)
      assert.deepEqual(backend.spans()[1]?.logs[0]?.fields, expected)
    })

    it('F047: an operation name of any kind loses no span and jams nothing', async () => {
      const { backend, reporter } = await over[transport]()
      const tracer = start({ reporter })
      const names = [42, undefined, null, {}, Symbol('s'), '', 'a\r\nb\0', 'x'.repeat(100_000)] as string[]
      for (const name of names) tracer.startSpan(name).finish()
      tracer.startSpan('good').finish()
      await tracer.close()
      await until(() => backend.spans().length === names.length + 1)
      assert.deepEqual(
        backend.spans().map(s => s.name.slice(0, 20)),
        ['42', 'undefined', 'null', '{}', 'Symbol(s)', '', 'a  b ', 'x'.repeat(20), 'good'],
      )
      assert.equal(backend.spans()[7]?.name.length, 256)
    })

    it('F109: an error in a tag or log shows its name and message, nothing that it carries', async () => {
      const { backend, reporter } = await over[transport]()
      const tracer = start({ reporter })
      const error = Object.assign(new Error('GET https://me:hunter2@host/?access_token=hunter3 failed'), {
        config: { headers: { authorization: 'Bearer hunter4' } },
        toJSON: () => ({ config: 'hunter5' }),
      })
      const span = tracer.startSpan('failing', { tags: { error, nested: { error } } })
      span.log({ event: 'error', 'error.object': error })
      span.finish()
      await tracer.close()
      await until(() => backend.spans().length === 1)
      const text = JSON.stringify(backend.spans())
      assert.doesNotMatch(text, /hunter/)
      const shown = 'Error: GET https://REDACTED:REDACTED@host/?access_token=REDACTED failed'
      assert.deepEqual(only(backend.spans()).tags, { error: shown, nested: JSON.stringify({ error: shown }) })
      assert.equal(only(backend.spans()).logs[0]?.fields['error.object'], shown)
    })

    it('references to contexts that name no span are left out', async () => {
      const { backend, reporter } = await over[transport]()
      const tracer = start({ reporter })
      const debug = tracer.extract(opentracing.FORMAT_HTTP_HEADERS, { 'jaeger-debug-id': 'find-me' })
      assert.ok(debug)
      tracer.startSpan('debugged', { references: [opentracing.childOf(debug)] }).finish()
      await tracer.close()
      await until(() => backend.spans().length === 1)
      const span = only(backend.spans())
      assert.deepEqual([span.references, span.parentId, span.flags], [[], padded('', 16), 3])
      assert.equal(span.tags['jaeger-debug-id'], 'find-me')
    })

    it('F099: a clock that jumps back gives a duration of 0, not a negative one', async () => {
      const { backend, reporter } = await over[transport]()
      const tracer = start({ reporter })
      tracer.startSpan('back', { startTime: Date.now() + 3_600_000 }).finish()
      await tracer.close()
      await until(() => backend.spans().length === 1)
      assert.equal(only(backend.spans()).duration, 0)
    })

    it('all of a burst, in batches that fit', async () => {
      const { backend, reporter } = await over[transport]()
      const tracer = start({ reporter, closeTimeout: 5000 })
      const names = Array.from({ length: 2000 }, (_, i) => `span ${i}`)
      for (const name of names) tracer.startSpan(name, { tags: { filler: 'x'.repeat(300) } }).finish()
      await tracer.close()
      await until(() => backend.spans().length === names.length)
      assert.deepEqual(
        backend.spans().map(s => s.name),
        names,
      )
      assert.equal(tracer.stats().exported, 2000)
      for (const size of (backend as { sizes?: number[] }).sizes ?? [])
        assert.ok(size <= 65_000, `${size} bytes`)
    })
  })
}

describe('a backend that does not behave', () => {
  it('F057: a tag of 100 KB is cut, a span over 65000 bytes is dropped and counted; nothing throws', async () => {
    const { backend, reporter } = await over.udp()
    const told: string[] = []
    const tracer = start({ reporter, onError: (error, place) => told.push(`${place}: ${error}`) })
    tracer.startSpan('long', { tags: { long: 'x'.repeat(100_000) } }).finish()
    for (const name of ['huge', 'huge too']) {
      const huge = tracer.startSpan(name)
      for (let i = 0; i < 5; i++) huge.setTag(`tag ${i}`, 'x'.repeat(100_000))
      huge.finish()
    }
    tracer.startSpan('after').finish()
    await tracer.close()
    await until(() => backend.spans().length === 2)
    assert.deepEqual(
      backend.spans().map(s => s.name),
      ['long', 'after'],
    )
    assert.match(String(backend.spans()[0]?.tags.long), /^x{16383}…$/)
    assert.equal(tracer.stats().dropped['too large'], 2)
    assert.match(told.join('\n'), /^jaeger reporter \(too large\): RangeError: larger than \d+ bytes$/)
  })

  it('F057: nobody listens at the agent', async () => {
    const tracer = start({
      reporter: { agentHost: '127.0.0.1', agentPort: await freePort(), flushIntervalMs: 10 },
    })
    for (let i = 0; i < 3; i++) {
      tracer.startSpan(`s${i}`).finish()
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    await tracer.close()
    assert.equal(tracer.stats().finished, 3)
  })

  it("F055: an agent's host that does not exist is told once", async () => {
    const told: string[] = []
    const tracer = start({
      reporter: { agentHost: 'nope.invalid', flushIntervalMs: 10 },
      onError: (_, place) => told.push(place),
      closeTimeout: 5000,
    })
    tracer.startSpan('a').finish()
    await until(() => tracer.stats().dropped['not delivered'] === 1)
    tracer.startSpan('b').finish()
    await tracer.close()
    assert.deepEqual(told, ['jaeger reporter (not delivered)'])
    assert.equal(tracer.stats().dropped['not delivered'], 2)
  })

  for (const [id, what, answer] of [
    ['F049', 'answers 500', (response: ServerResponse) => response.writeHead(500).end('no')],
    ['F051', 'drops the connection', (response: ServerResponse) => response.destroy()],
    ['F050', 'never answers', () => {}],
  ] as const) {
    it(`${id}: a collector that ${what} costs its spans, counted, and is told once`, async () => {
      const collector = await startCollector(answer)
      const told: string[] = []
      const tracer = start({
        reporter: { collectorEndpoint: collector.endpoint, timeoutMs: 100 },
        onError: (_, place) => told.push(place),
      })
      for (let i = 0; i < 150; i++) tracer.startSpan('lost').finish()
      await until(() => tracer.stats().queued === 0 || tracer.stats().queued === 50)
      await tracer.close()
      const { finished, exported, dropped, lastError } = tracer.stats()
      assert.deepEqual([finished, exported, dropped['not delivered']], [150, 0, 150])
      assert.match(
        String(lastError),
        /not delivered: (the collector answered with status 500|socket hang up|no complete answer within 100 ms)/,
      )
      assert.deepEqual(told, ['jaeger reporter (not delivered)'])
    })
  }

  it('F048: a collector that refuses costs its spans and nothing else', async () => {
    const told: string[] = []
    const tracer = start({
      reporter: { collectorEndpoint: `http://127.0.0.1:${await freePort()}/api/traces` },
      onError: (_, place) => told.push(place),
    })
    for (let i = 0; i < 1000; i++) tracer.startSpan('lost').finish()
    await tracer.close()
    assert.equal(tracer.stats().dropped['not delivered'], 1000)
    assert.deepEqual(told, ['jaeger reporter (not delivered)'])
  })

  it('F050, F053: while it hangs, one connection is open and the queue is bounded to an exact account', async () => {
    const collector = await startCollector(() => {})
    const told: string[] = []
    const tracer = start({
      reporter: { collectorEndpoint: collector.endpoint, flushIntervalMs: 10 },
      closeTimeout: 50,
      onError: (_, place) => told.push(place),
    })
    for (let i = 0; i < 12_000; i++) tracer.startSpan('waiting').finish()
    await until(() => collector.requests.length === 1)
    await new Promise(resolve => setTimeout(resolve, 50))
    assert.equal(collector.sockets.size, 1)
    const { finished, queued, dropped } = tracer.stats()
    assert.deepEqual([finished, queued, dropped['queue full']], [12_000, 10_000, 2000])
    const start_ = performance.now()
    await tracer.close()
    assert.ok(performance.now() - start_ < 1000)
    assert.deepEqual(told, ['jaeger reporter (queue full)'])
  })

  it('F052: an endless answer is cut, and the batch counts as delivered', async () => {
    const collector = await startCollector(response => {
      response.writeHead(200)
      const more = () => {
        if (!response.destroyed) response.write('x'.repeat(100_000), () => setImmediate(more))
      }
      more()
    })
    const tracer = start({ reporter: { collectorEndpoint: collector.endpoint } })
    tracer.startSpan('sent').finish()
    await tracer.close()
    assert.equal(tracer.stats().exported, 1)
  })

  it('goes on when the collector is back', async () => {
    const collector = await startCollector((response, _, count) =>
      response.writeHead(count === 1 ? 503 : 202).end(),
    )
    const tracer = start({
      reporter: { collectorEndpoint: collector.endpoint, flushIntervalMs: 10 },
      onError() {},
    })
    tracer.startSpan('lost').finish()
    await until(() => tracer.stats().dropped['not delivered'] === 1)
    tracer.startSpan('sent').finish()
    await until(() => tracer.stats().exported === 1)
  })

  it('sends the credentials, the path and the query of the collector', async () => {
    const collector = await startCollector()
    const endpoint = `http://me:pass%20word@127.0.0.1:${collector.port}/api/traces?format=jaeger.thrift`
    for (const reporter of [
      { collectorEndpoint: endpoint },
      { collectorEndpoint: endpoint.replace('me:pass%20word@', ''), username: 'me', password: 'pass word' },
    ]) {
      const tracer = start({ reporter })
      tracer.startSpan('s').finish()
      await tracer.close()
    }
    assert.equal(collector.requests.length, 2)
    for (const request of collector.requests) {
      assert.equal(request.url, '/api/traces?format=jaeger.thrift')
      assert.equal(request.headers.authorization, `Basic ${Buffer.from('me:pass word').toString('base64')}`)
      assert.equal(request.headers['content-type'], 'application/x-thrift')
    }
  })
})

describe('samplers', () => {
  const sampled = (tracer: Tracer, count: number, name = 'op') =>
    Array.from({ length: count }, () => tracer.startSpan(name)).filter(span => isSampled(span)).length
  const isSampled = (span: Span) => (span.context() as unknown as { isSampled(): boolean }).isSampled()

  it('const, probabilistic and ratelimiting decide as in jaeger-client', () => {
    assert.equal(sampled(start({ sampler: { type: 'const', param: 1 } }), 10), 10)
    assert.equal(sampled(start({ sampler: { type: 'const', param: 0 } }), 10), 0)
    assert.equal(sampled(start({ sampler: { type: 'probabilistic', param: 1 } }), 10), 10)
    assert.equal(sampled(start({ sampler: { type: 'probabilistic', param: 0 } }), 10), 0)
    const some = sampled(start({ sampler: { type: 'probabilistic', param: 0.5 } }), 1000)
    assert.ok(some > 350 && some < 650, `${some} of 1000`)
    const few = sampled(start({ sampler: { type: 'ratelimiting', param: 2 } }), 100)
    assert.ok(few <= 3, `${few} of 100`)
  })

  it('an unsampled span is not sent, nor is one below it', async () => {
    const { backend, reporter } = await over.udp()
    const tracer = start({ reporter, sampler: { type: 'const', param: 0 } })
    const parent = tracer.startSpan('parent')
    tracer.startSpan('child', { childOf: parent }).finish()
    parent.finish()
    await tracer.close()
    assert.deepEqual([backend.arrived, tracer.stats().finished], [[], 0])
  })

  for (const [form, strategy, expected] of [
    [
      'one share',
      { strategyType: 'PROBABILISTIC', probabilisticSampling: { samplingRate: 1 } },
      { op: 10, quiet: 10 },
    ],
    [
      'a rate',
      { strategyType: 'RATE_LIMITING', rateLimitingSampling: { maxTracesPerSecond: 10_000_000 } },
      { op: 10, quiet: 10 },
    ],
    [
      'a share per operation',
      {
        strategyType: 'PROBABILISTIC',
        operationSampling: {
          defaultSamplingProbability: 1,
          defaultLowerBoundTracesPerSecond: 0,
          perOperationStrategies: [{ operation: 'quiet', probabilisticSampling: { samplingRate: 0 } }],
        },
      },
      { op: 10, quiet: 0 },
    ],
  ] as const) {
    it(`remote: takes ${form} from the strategy of the service`, async () => {
      const server = await startCollector(response => response.end(JSON.stringify(strategy)))
      const tracer = start({
        serviceName: 'orders & more',
        sampler: { type: 'remote', param: 0, hostPort: `127.0.0.1:${server.port}`, refreshIntervalMs: 20 },
      })
      assert.equal(sampled(tracer, 10), 0)
      await until(() => server.requests.length === 2)
      assert.equal(server.requests[0]?.url, '/sampling?service=orders+%26+more')
      assert.deepEqual({ op: sampled(tracer, 10), quiet: sampled(tracer, 10, 'quiet') }, expected)
      await tracer.close()
      const asked = server.requests.length
      await new Promise(resolve => setTimeout(resolve, 60))
      assert.equal(server.requests.length, asked)
    })
  }

  for (const [what, answer] of [
    ['refuses', undefined],
    ['answers 404', (response: ServerResponse) => response.writeHead(404).end()],
    ['answers garbage', (response: ServerResponse) => response.end('<html>')],
  ] as const) {
    it(`remote: keeps the share it has and tells it once when the other side ${what}`, async () => {
      const port = answer === undefined ? await freePort() : (await startCollector(answer)).port
      const told: string[] = []
      const tracer = start({
        sampler: { type: 'remote', param: 1, host: '127.0.0.1', port, refreshIntervalMs: 10 },
        onError: (_, place) => told.push(place),
      })
      await until(() => told.length > 0)
      await new Promise(resolve => setTimeout(resolve, 50))
      assert.deepEqual(told, [answer?.toString().includes('html') ? 'jaeger-client' : 'remote sampler'])
      assert.equal(sampled(tracer, 10), 10)
    })
  }

  it('a name that comes late cannot change a decision that has left the process', async () => {
    const strategy = {
      operationSampling: {
        defaultSamplingProbability: 0,
        defaultLowerBoundTracesPerSecond: 0,
        perOperationStrategies: [
          { operation: 'GET', probabilisticSampling: { samplingRate: 0 } },
          { operation: 'GET /late', probabilisticSampling: { samplingRate: 1 } },
        ],
      },
    }
    const server = await startCollector(response => response.end(JSON.stringify(strategy)))
    const tracer = start({
      sampler: { type: 'remote', param: 0, hostPort: `127.0.0.1:${server.port}`, refreshIntervalMs: 20 },
    })
    await until(() => server.requests.length === 2)
    tracer.startSpan('GET').finish()
    const spans = [tracer.startSpan('GET'), tracer.startSpan('GET')]
    tracer.inject(spans[0] as Span, opentracing.FORMAT_HTTP_HEADERS, {})
    for (const span of spans) span.setOperationName('GET /late')
    assert.deepEqual(spans.map(isSampled), [false, true])
  })
})
