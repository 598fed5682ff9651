// initTracer: what jaeger-client's configuration object becomes, and what it cannot become.

import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import jaeger from 'jaeger-client'
import opentracing, { type Tracer } from 'opentracing'
import { initTracer, type JaegerConfig, type JaegerConfigOptions } from '../../src/tracer/index.ts'
import { until } from '../support/otlp-collector.ts'
import { openCollector, openSampling } from '../support/tracer-backends.ts'

const ALWAYS = { type: 'const', param: 1 }

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (/^(OTEL|JAEGER)_/.test(name)) delete process.env[name]
})

/** What a collector gets from a service that has said where it is in the environment. */
async function arrivedFrom(
  config: JaegerConfig,
  options: JaegerConfigOptions | undefined,
  use: (tracer: Tracer) => void,
  variables: Record<string, string> = {},
) {
  const collector = await openCollector()
  Object.assign(process.env, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url, ...variables })
  const tracer = initTracer(config, options)
  for (const name of ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', ...Object.keys(variables)])
    delete process.env[name]
  use(tracer)
  await tracer.close()
  return { spans: collector.spans(), arrived: collector.arrived, stats: tracer.stats() }
}

describe('what is carried over', () => {
  it('the same configuration makes both tracers: name, tags, spans', async () => {
    const config = { serviceName: 'orders', sampler: ALWAYS, reporter: { logSpans: true } }
    const logged: string[] = []
    const options = {
      tags: { region: 'eu', shard: 3, canary: true },
      logger: {
        info: (text: string) => void logged.push(text),
        error: (text: string) => void logged.push(text),
      },
    }
    const use = (tracer: Tracer) => {
      const parent = tracer.startSpan('parent')
      tracer.startSpan('child', { childOf: parent, tags: { 'span.kind': 'client' } }).finish()
      parent.finish()
    }
    const { spans, arrived } = await arrivedFrom(config, options, use)
    assert.deepEqual(
      spans.map(({ name }) => name),
      ['child', 'parent'],
    )
    assert.equal(spans[0]?.parentSpanId, spans[1]?.spanId)
    const { resource } = arrived[0]?.request ?? assert.fail('nothing arrived')
    assert.deepEqual(
      [resource['service.name'], resource.region, resource.shard, resource.canary],
      ['orders', 'eu', 3, true],
    )

    const ours = logged.splice(0)
    const theirs = jaeger.initTracer(
      { ...config, reporter: { ...config.reporter, agentHost: '127.0.0.1' } },
      options,
    )
    use(theirs)
    await new Promise<void>(resolve => (theirs as Tracer & { close(done: () => void): void }).close(resolve))
    const reports = logged.filter(text => text.startsWith('Reporting span'))
    const withoutIds = (texts: string[]) =>
      texts.map(text => text.replace(/[0-9a-f]{8,}/g, 'id').replace(/ (child|parent)$/, ''))
    assert.equal(reports.length, 2)
    assert.deepEqual(withoutIds(ours), withoutIds(reports))
  })

  const samplers: [sampler: JaegerConfig['sampler'], sampled: number][] = [
    [{ type: 'const', param: 1 }, 50],
    [{ type: 'const', param: 0 }, 0],
    [{ type: 'probabilistic', param: 1 }, 50],
    [{ type: 'probabilistic', param: 0 }, 0],
    [{ type: 'ratelimiting', param: 5 }, 5],
  ]
  for (const [sampler, expected] of samplers) {
    it(`the sampler ${JSON.stringify(sampler)}`, async () => {
      const config = { serviceName: 'orders', ...(sampler === undefined ? undefined : { sampler }) }
      const { stats, spans } = await arrivedFrom(config, undefined, tracer => {
        for (let i = 0; i < 50; i++) tracer.startSpan('any').finish()
      })
      // A rate refills while a slow machine runs the loop.
      const most = expected + (sampler?.type === 'ratelimiting' ? 5 : 0)
      assert.ok(stats.sampled >= expected && stats.sampled <= most, `${stats.sampled} sampled`)
      assert.equal(spans.length, stats.sampled)
    })
  }

  it('the remote sampler with its address; without a sampler Jaeger is asked as well', async () => {
    const { port, asked } = await openSampling(1)
    const sampler = {
      type: 'remote',
      param: 0,
      host: '127.0.0.1',
      port,
      samplingPath: '/ask',
      refreshIntervalMs: 20,
    }
    const told: string[] = []
    const logger = { info() {}, error: (text: string) => void told.push(text) }
    const tracer = initTracer({ serviceName: 'orders', sampler }, { logger })
    tracer.startSpan('before the first answer')
    await until(() => asked.length >= 3, 5000)
    tracer.startSpan('after it')
    assert.deepEqual([tracer.stats().sampled, asked[0]], [1, '/ask?service=orders'])
    await tracer.close()
    assert.deepEqual(
      told.filter(text => text.startsWith('sampler')),
      [],
    )

    // jaeger-client's remote sampler records one of a thousand until it knows better.
    const { stats } = await arrivedFrom({ serviceName: 'orders' }, undefined, tracer => {
      for (let i = 0; i < 100; i++) tracer.startSpan('any').finish()
    })
    assert.ok(stats.sampled < 20, `${stats.sampled} sampled`)
  })

  it('a question to Jaeger that close() cuts off is no failure', async () => {
    const hung = await openCollector(() => {})
    const told: string[] = []
    const logger = { info() {}, error: (text: string) => void told.push(text) }
    const sampler = { type: 'remote', param: 0, hostPort: `127.0.0.1:${hung.port}` }
    const tracer = initTracer({ serviceName: 'orders', sampler }, { logger })
    await until(() => hung.requests === 1)
    await tracer.close()
    await until(() => hung.sockets.size === 0)
    assert.deepEqual(told, [])
  })

  it('the environment stands in for what is not said, and for nothing else', async () => {
    const use = (tracer: Tracer) => tracer.startSpan('any').finish()
    const variables = { OTEL_SERVICE_NAME: 'named', JAEGER_SAMPLER_TYPE: 'const', JAEGER_SAMPLER_PARAM: '1' }
    const said = await arrivedFrom({}, {}, use, variables)
    assert.equal(said.arrived[0]?.request.resource['service.name'], 'named')
    const own = { serviceName: 'orders', sampler: { type: 'const', param: 0 } }
    assert.equal((await arrivedFrom(own, {}, use, variables)).stats.sampled, 0)
  })

  it('disable: nothing is recorded, and what callers send is passed on', async () => {
    const { stats, spans } = await arrivedFrom({ serviceName: 'orders', disable: true }, {}, tracer => {
      const header = `${'1'.repeat(32)}:${'2'.repeat(16)}:0:1`
      const parent = tracer.extract(opentracing.FORMAT_HTTP_HEADERS, { 'uber-trace-id': header })
      const carrier: Record<string, string> = {}
      const span = tracer.startSpan('any', parent === null ? {} : { childOf: parent })
      tracer.inject(span, opentracing.FORMAT_HTTP_HEADERS, carrier)
      assert.match(carrier['uber-trace-id'] ?? '', /^1{32}:/)
      span.finish()
    })
    assert.deepEqual([stats.started, spans.length], [0, 0])
  })

  it('reporter.flushIntervalMs and timeoutMs', async () => {
    const hung = await openCollector(() => {})
    process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = hung.url
    const told: string[] = []
    const tracer = initTracer(
      { serviceName: 'orders', sampler: ALWAYS, reporter: { flushIntervalMs: 20, timeoutMs: 50 } },
      { logger: { info() {}, error: text => told.push(text) } },
    )
    delete process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
    tracer.startSpan('any').finish()
    await until(() => hung.requests === 1, 4000)
    await tracer.close()
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', /^export: Error: .*no answer within 50 ms/)
  })

  it('the logger hears of a variable that cannot be understood, once', async () => {
    const told: string[] = []
    const logger = { info() {}, error: (text: string) => void told.push(text) }
    await arrivedFrom({ serviceName: 'orders', sampler: ALWAYS }, { logger }, () => {}, {
      OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd',
      OTEL_BSP_SCHEDULE_DELAY: 'often',
    })
    assert.equal(told.length, 2)
    assert.match(told.join('\n'), /OTEL_EXPORTER_OTLP_COMPRESSION: TypeError: "zstd" is not understood/)
    assert.match(told.join('\n'), /OTEL_BSP_SCHEDULE_DELAY: TypeError: "often" is not understood/)
  })

  it("jaeger-client's own close, with its callback", async () => {
    const tracer = initTracer({
      serviceName: 'orders',
      sampler: ALWAYS,
      reporter: { agentHost: '127.0.0.1' },
    })
    await new Promise<void>(resolve => void tracer.close(resolve))
  })

  it('options that change nothing here are taken: 128-bit ids, the names of the headers as they are', async () => {
    const options = {
      traceId128bit: false,
      contextKey: 'uber-trace-id',
      baggagePrefix: 'uberctx-',
      shareRpcSpan: false,
    }
    const { spans } = await arrivedFrom({ serviceName: 'orders', sampler: ALWAYS }, options, tracer =>
      tracer.startSpan('any').finish(),
    )
    assert.equal(spans[0]?.traceId.length, 32)
  })
})

describe('what is not', () => {
  const cannot: [what: string, config: JaegerConfig, options: JaegerConfigOptions, message: RegExp][] = [
    [
      'a collector behind an ingress',
      { reporter: { collectorEndpoint: 'https://ingress/api/traces' } },
      {},
      /reporter\.collectorEndpoint \(nobody knows .*OTEL_EXPORTER_OTLP_ENDPOINT/,
    ],
    ['a host that is none', { reporter: { agentHost: 'no host' } }, {}, /reporter\.agentHost/],
    [
      'another port of the agent',
      { reporter: { agentHost: 'a', agentPort: 5775 } },
      {},
      /reporter\.agentPort .*4318/,
    ],
    ['a UDP socket', { reporter: { agentSocketType: 'udp6' } }, {}, /reporter\.agentSocketType/],
    ['a throttler', { throttler: { host: 'a' } }, {}, /throttler/],
    ["the options' throttler", {}, { throttler: {} }, /throttler/],
    ['a reporter of the user', {}, { reporter: {} }, /options\.reporter .*Exporter/],
    ['metrics', {}, { metrics: {} }, /options\.metrics .*stats/],
    ['a header of another name', {}, { contextKey: 'trace' }, /options\.contextKey/],
    ['baggage of another name', {}, { baggagePrefix: 'b-' }, /options\.baggagePrefix/],
    ['spans shared by client and server', {}, { shareRpcSpan: true }, /options\.shareRpcSpan/],
  ]
  for (const [what, config, options, message] of cannot) {
    it(`${what}: a TypeError that names it`, () => {
      assert.throws(() => initTracer({ serviceName: 'orders', ...config }, options), {
        name: 'TypeError',
        message: new RegExp(
          `^initTracer\\(config, options\\): this cannot be carried over: .*${message.source}`,
        ),
      })
    })
  }

  it('all of it is named in one error', () => {
    const config = { reporter: { agentPort: 1, agentSocketType: 'udp6' }, throttler: {} }
    assert.throws(
      () => initTracer(config, { metrics: {} }),
      /agentPort.*; .*agentSocketType.*; throttler.*; options\.metrics/,
    )
  })

  const wrong: [config: unknown, options: unknown, message: RegExp][] = [
    [{ servicename: 'x' }, {}, /unknown option 'servicename'; did you mean 'serviceName'\?/],
    [{ serviceName: '' }, {}, /serviceName must be a text that is not empty, not ""/],
    [{ disable: 'true' }, {}, /disable must be true or false, not "true"/],
    [{ sampler: { type: 'sometimes', param: 1 } }, {}, /sampler: no sampler is called 'sometimes'/],
    [{ sampler: { type: 'probabilistic', param: 1.5 } }, {}, /sampler: .*1\.5/],
    [{ sampler: { type: 'probabilistic' } }, {}, /sampler: /],
    [{ sampler: { type: 'const', params: 1 } }, {}, /unknown option 'sampler\.params'/],
    [{ sampler: { type: 'remote', hostPort: 'a b' } }, {}, /sampler: 'a b' is no host and port/],
    [
      { reporter: { agenthost: 'x' } },
      {},
      /unknown option 'reporter\.agenthost'; did you mean 'agentHost'\?/,
    ],
    [{ reporter: { flushIntervalMs: 0 } }, {}, /reporter\.flushIntervalMs must be/],
    [{ reporter: 'udp' }, {}, /reporter must be an object, not "udp"/],
    [{}, { tags: { list: [] } }, /options\.tags must be/],
    [{}, { logger: { info() {} } }, /options\.logger must be an object with the functions info and error/],
    [{}, { Tags: {} }, /unknown option 'options\.Tags'; did you mean 'tags'\?/],
  ]
  for (const [config, options, message] of wrong) {
    it(`${JSON.stringify({ config, options })}: a TypeError`, () => {
      assert.throws(() => initTracer(config as JaegerConfig, options as JaegerConfigOptions), {
        name: 'TypeError',
        message,
      })
    })
  }
})
