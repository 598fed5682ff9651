// What initJaegerTracer takes from its options and from the environment.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import opentracing from 'opentracing'
import { initJaegerTracer, type JaegerOptions } from '../../src/jaeger/index.ts'
import { cleanups, only, over, start, startCollector, troubles, until } from '../support/jaeger-backends.ts'

describe('options', () => {
  const rejected: [JaegerOptions | unknown, RegExp][] = [
    [
      undefined,
      /initJaegerTracer takes an object of options, such as \{ serviceName: 'orders' \}, not undefined/,
    ],
    ['orders', /not "orders"/],
    [
      {},
      /serviceName is missing; write initJaegerTracer\(\{ serviceName: 'orders' \}\) or set JAEGER_SERVICE_NAME/,
    ],
    [{ serviceName: '' }, /serviceName must be a text that is not empty, not ""/],
    [{ servicename: 'x' }, /unknown option 'servicename'; did you mean 'serviceName'\?/],
    [{ serviceName: 'x', samplers: {} }, /unknown option 'samplers'; the options are serviceName, sampler, /],
    [
      { serviceName: 'x', sampler: 'const' },
      /sampler must be an object, such as \{ type: 'const', param: 1 \}, not "const"/,
    ],
    [
      { serviceName: 'x', sampler: { type: 'Const' } },
      /sampler\.type must be one of 'const', 'probabilistic', 'ratelimiting', 'remote', not "Const"/,
    ],
    [
      { serviceName: 'x', sampler: { Type: 'const' } },
      /unknown option 'sampler\.Type'; did you mean 'type'\?/,
    ],
    [
      { serviceName: 'x', sampler: { type: 'const', param: 0.5 } },
      /sampler\.param must be 1 or 0 for the sampler 'const', not 0\.5/,
    ],
    [
      { serviceName: 'x', sampler: { type: 'probabilistic' } },
      /sampler\.param must be a number from 0 to 1 for the sampler 'probabilistic', not undefined/,
    ],
    [{ serviceName: 'x', sampler: { type: 'probabilistic', param: 10 } }, /a number from 0 to 1 .*not 10/],
    [
      { serviceName: 'x', sampler: { type: 'ratelimiting' } },
      /a number of traces per second for the sampler 'ratelimiting', not undefined/,
    ],
    [
      { serviceName: 'x', sampler: { param: -1 } },
      /sampler\.param must be a number that is not negative, not -1/,
    ],
    [
      { serviceName: 'x', sampler: { hostPort: 'a b:1' } },
      /sampler\.hostPort must be 'host:port' or 'http:\/\/host:port', not "a b:1"/,
    ],
    [
      { serviceName: 'x', sampler: { host: 'a b' } },
      /sampler\.host must be a host, such as 'agent', not "a b"/,
    ],
    [
      { serviceName: 'x', sampler: { samplingPath: 'sampling' } },
      /sampler\.samplingPath must be a path, such as '\/sampling'/,
    ],
    [
      { serviceName: 'x', reporter: { agentPort: '6832' } },
      /reporter\.agentPort must be a port, 1 to 65535, not "6832"/,
    ],
    [
      { serviceName: 'x', reporter: { agentSocketType: 'tcp' } },
      /reporter\.agentSocketType must be one of 'udp4', 'udp6', not "tcp"/,
    ],
    [
      { serviceName: 'x', reporter: { collectorEndpoint: 'localhost:14268' } },
      /reporter\.collectorEndpoint must be a URL, such as 'http:\/\/localhost:14268\/api\/traces'$/,
    ],
    [
      { serviceName: 'x', reporter: { password: 42 } },
      /reporter\.password must be a text that is not empty$/,
    ],
    [
      { serviceName: 'x', reporter: { flushIntervalMs: 0 } },
      /reporter\.flushIntervalMs must be a number of milliseconds above 0, not 0/,
    ],
    [{ serviceName: 'x', tags: { a: {} } }, /tags must be an object of texts, numbers and booleans/],
    [{ serviceName: 'x', closeTimeout: Number.NaN }, /closeTimeout must be a number of milliseconds above 0/],
    [
      { serviceName: 'x', closeOnSignals: ['SIGTERM'] },
      /closeOnSignals must be true or false, not \["SIGTERM"\]/,
    ],
    [
      { serviceName: 'x', logger: console.log },
      /logger must be an object with the functions info and error, not the function log/,
    ],
    [{ serviceName: 'x', propagation: { inject: ['w3c'] } }, /propagation\.inject/],
  ]
  for (const [options, message] of rejected) {
    it(`F135: ${JSON.stringify(options)} is refused`, () => {
      const before = process.listenerCount('beforeExit')
      assert.throws(() => initJaegerTracer(options as JaegerOptions), { name: 'TypeError', message })
      assert.equal(process.listenerCount('beforeExit'), before)
    })
  }

  it('global: true installs the global tracer; without it nothing is installed', () => {
    const before = opentracing.globalTracer()
    cleanups.push(() => opentracing.initGlobalTracer(new opentracing.Tracer()))
    start()
    assert.equal(opentracing.globalTracer().startSpan('none').context().toTraceId(), '')
    start({ global: true })
    assert.match(before.startSpan('some').context().toTraceId(), /^[0-9a-f]+$/)
  })

  it('traceId128bit: false makes ids of 64 bits', async () => {
    const { backend, reporter } = await over.udp()
    const tracer = start({ reporter, traceId128bit: false })
    const span = tracer.startSpan('short')
    span.finish()
    await tracer.close()
    await until(() => backend.spans().length === 1)
    assert.match(only(backend.spans()).traceId, /^0{16}[0-9a-f]{16}$/)
  })

  it('logSpans tells the logger of every span', () => {
    const lines: string[] = []
    const logger = { info: (line: string) => lines.push(line), error: (line: string) => lines.push(line) }
    const span = start({ logger, reporter: { logSpans: true } }).startSpan('s')
    span.finish()
    span.finish()
    assert.match(
      lines.join('\n'),
      /^Reporting span [0-9a-f]+:[0-9a-f]+:0:1\n.*You can only call finish\(\) on a span once\.$/,
    )
  })

  it('a span that is finished twice is sent once, and told once', async () => {
    const { backend, reporter } = await over.udp()
    const told: string[] = []
    const tracer = start({ reporter, onError: (error, place) => told.push(`${place}: ${error}`) })
    const span = tracer.startSpan('twice')
    for (let i = 0; i < 3; i++) span.finish()
    await tracer.close()
    await until(() => backend.spans().length === 1)
    assert.match(told.join('\n'), /^jaeger-client: Error: .*only call finish\(\) on a span once\.$/)
  })

  it('disable makes a tracer that does nothing', async () => {
    const before = process.listenerCount('beforeExit')
    const tracer = initJaegerTracer({ disable: true })
    tracer.startSpan('s').finish()
    assert.equal(
      tracer.extract(opentracing.FORMAT_HTTP_HEADERS, { 'uber-trace-id': '1:2:0:1' })?.toTraceId(),
      '',
    )
    assert.equal(tracer.stats().finished, 0)
    assert.equal(process.listenerCount('beforeExit'), before)
    await tracer.close()
  })
})

describe('the environment', () => {
  /** Runs `body` with these variables alone of all JAEGER_*. */
  async function withEnvironment(
    variables: Record<string, string>,
    body: () => Promise<void>,
  ): Promise<void> {
    const before = Object.keys(process.env).filter(name => name.startsWith('JAEGER_') || name in variables)
    const values = before.map(name => [name, process.env[name]])
    for (const name of before) delete process.env[name]
    Object.assign(process.env, variables)
    try {
      await body()
    } finally {
      for (const name of Object.keys(variables)) delete process.env[name]
      Object.assign(process.env, Object.fromEntries(values))
    }
  }

  it('JAEGER_* alone makes a tracer to an agent', async () => {
    const { backend, reporter } = await over.udp()
    const environment = {
      JAEGER_SERVICE_NAME: 'from-env',
      JAEGER_SAMPLER_TYPE: 'const',
      JAEGER_SAMPLER_PARAM: '1',
      JAEGER_AGENT_HOST: '127.0.0.1',
      JAEGER_AGENT_PORT: String(reporter.agentPort),
      JAEGER_REPORTER_FLUSH_INTERVAL: '20',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: jaeger-client's own syntax
      JAEGER_TAGS: 'region = eu ,zone=${ZONE:z1},stage=${STAGE:dev},none=${NONE}',
      STAGE: 'prod',
    }
    await withEnvironment(environment, async () => {
      const tracer = initJaegerTracer({ onError: (error, place) => troubles.push(`${place}: ${error}`) })
      cleanups.push(() => tracer.close())
      tracer.startSpan('s').finish()
      await until(() => backend.spans().length === 1)
      const { service, processTags } = only(backend.arrived)
      const { region, zone, stage, none } = processTags
      assert.deepEqual([service, region, zone, stage, none], ['from-env', 'eu', 'z1', 'prod', undefined])
    })
  })

  it('JAEGER_ENDPOINT, JAEGER_USER and JAEGER_PASSWORD make a tracer to a collector', async () => {
    const collector = await startCollector()
    const environment = {
      JAEGER_SERVICE_NAME: 'from-env',
      JAEGER_SAMPLER_TYPE: 'const',
      JAEGER_ENDPOINT: collector.endpoint,
      JAEGER_USER: 'me',
      JAEGER_PASSWORD: 'word',
    }
    await withEnvironment(environment, async () => {
      const tracer = initJaegerTracer({})
      tracer.startSpan('s').finish()
      await tracer.close()
      assert.equal(only(collector.requests).headers.authorization, `Basic ${btoa('me:word')}`)
      assert.equal(only(collector.spans()).name, 's')
    })
  })

  it('options win over it, key by key', async () => {
    const { backend, reporter } = await over.udp()
    const environment = {
      JAEGER_SERVICE_NAME: 'from-env',
      JAEGER_SAMPLER_TYPE: 'const',
      JAEGER_SAMPLER_PARAM: '0',
      JAEGER_AGENT_PORT: '1',
      JAEGER_TAGS: 'a=env',
    }
    await withEnvironment(environment, async () => {
      const tracer = start({ serviceName: 'orders', sampler: { param: 1 }, reporter, tags: { a: 'option' } })
      tracer.startSpan('s').finish()
      await tracer.close()
      await until(() => backend.spans().length === 1)
      assert.deepEqual(
        [only(backend.arrived).service, only(backend.arrived).processTags.a],
        ['orders', 'option'],
      )
    })
  })

  it('JAEGER_SAMPLER_MANAGER_HOST_PORT and the rest feed the remote sampler', async () => {
    const server = await startCollector(response => response.end('{}'))
    const environment = {
      JAEGER_SAMPLER_MANAGER_HOST_PORT: `http://127.0.0.1:${server.port}`,
      JAEGER_SAMPLER_SAMPLING_PATH: '/api/sampling',
      JAEGER_SAMPLER_REFRESH_INTERVAL: '20',
    }
    await withEnvironment(environment, async () => {
      const told: string[] = []
      const tracer = initJaegerTracer({ serviceName: 'orders', onError: (_, place) => told.push(place) })
      cleanups.push(() => tracer.close())
      await until(() => server.requests.length === 2)
      assert.equal(server.requests[0]?.url, '/api/sampling?service=orders')
      assert.deepEqual(told, ['jaeger-client'])
    })
  })

  it('JAEGER_DISABLED=true makes a tracer that does nothing', () =>
    withEnvironment({ JAEGER_DISABLED: 'true' }, async () => {
      assert.equal(initJaegerTracer({}).startSpan('s').context().toTraceId(), '')
    }))

  for (const [name, value, message] of [
    ['JAEGER_SAMPLER_TYPE', 'allways', /^it must be one of 'const', .*, not "allways"; it is not used$/],
    ['JAEGER_SAMPLER_PARAM', '10%', /^it must be a number that is not negative, not "10%"; it is not used$/],
    ['JAEGER_AGENT_PORT', '6832/udp', /^it must be a port, 1 to 65535, not "6832\/udp"; it is not used$/],
    ['JAEGER_ENDPOINT', 'localhost:14268', /^it must be a URL, .*, not what it is; it is not used$/],
    ['JAEGER_REPORTER_LOG_SPANS', 'yes', /^it must be true or false, not "yes"; it is not used$/],
    ['JAEGER_TAGS', 'a=1,b', /^'b' is not of the form key=value; it is left out$/],
  ] as const) {
    it(`${name}=${value} is told and not used; the service starts`, () =>
      withEnvironment({ [name]: value }, async () => {
        const told: [string, string][] = []
        const tracer = initJaegerTracer({
          serviceName: 'orders',
          sampler: { refreshIntervalMs: 0 },
          onError: (error, place) => told.push([place, (error as Error).message]),
        })
        cleanups.push(() => tracer.close())
        const [place, text] = only(told)
        assert.equal(place, name)
        assert.match(text, message)
      }))
  }

  it('a sampler of the environment that lacks its param is told; the remote one is used', () =>
    withEnvironment({ JAEGER_SAMPLER_TYPE: 'probabilistic' }, async () => {
      const told: string[] = []
      const tracer = initJaegerTracer({
        serviceName: 'orders',
        sampler: { refreshIntervalMs: 0 },
        onError: error => told.push((error as Error).message),
      })
      cleanups.push(() => tracer.close())
      assert.deepEqual(told, [
        "it must be a number from 0 to 1 for the sampler 'probabilistic', not undefined; the sampler 'remote' is used",
      ])
    }))
})
