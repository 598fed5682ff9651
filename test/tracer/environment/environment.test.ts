// What the environment says to the tracer: each variable at work, options before it, and one report for what it cannot say.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import opentracing from 'opentracing'
import { createEnvironment } from '../../../src/core/settings/environment.ts'
import { completeOtlp, type OtlpSettings } from '../../../src/tracer/environment/otlp.ts'
import {
  createTracer,
  neverSampler,
  otlpExporter,
  type TracerOptions,
  zipkinExporter,
} from '../../../src/tracer/index.ts'
import { resolveOptions } from '../../../src/tracer/options.ts'
import { runProgram, source } from '../../support/children.ts'
import { until } from '../../support/otlp-collector.ts'
import { newWorld } from '../../support/tracer-world.ts'

type Variables = Record<string, string>

/** Runs with these variables of ours and no others. */
async function withVariables<T>(variables: Variables, run: () => T | Promise<T>): Promise<T> {
  const before = { ...process.env }
  for (const name of Object.keys(process.env)) if (/^(OTEL|JAEGER)_/.test(name)) delete process.env[name]
  Object.assign(process.env, variables)
  try {
    return await run()
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name]
    Object.assign(process.env, before)
  }
}

/** The exporter's settings, and what was reported on the way. */
function otlpUnder(variables: Variables, given: Partial<OtlpSettings> = {}) {
  const failures: string[] = []
  const report = (place: string, error: unknown) => failures.push(`${place}: ${(error as Error).message}`)
  return withVariables(variables, () => {
    const { url, ...settings } = completeOtlp(createEnvironment(report), given)
    return { url: url.href, ...settings, failures }
  })
}

/** The tracer's settings, and what was reported on the way. */
function settingsUnder(variables: Variables, options: TracerOptions = {}) {
  const failures: string[] = []
  return withVariables(variables, () => {
    const onError = (error: unknown, place: string) => failures.push(`${place}: ${(error as Error).message}`)
    return { ...resolveOptions({ exporter: { export() {} }, onError, ...options }), failures }
  })
}

/** Of a hundred new traces, how many are recorded. */
function sampledUnder(variables: Variables, options: TracerOptions = {}, parent?: string) {
  return withVariables(variables, async () => {
    const { tracer, failures } = newWorld(options)
    const childOf =
      parent === undefined
        ? undefined
        : (tracer.extract(opentracing.FORMAT_HTTP_HEADERS, { traceparent: parent }) ?? undefined)
    for (let i = 0; i < 100; i++) tracer.startSpan('any', childOf === undefined ? {} : { childOf })
    const { sampled } = tracer.stats()
    await tracer.close()
    return { sampled, failures: failures.map(({ place, message }) => `${place}: ${message}`) }
  })
}

describe('OpenTelemetry: the process', () => {
  it('OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES: what arrives', async () => {
    const collector = await openCollector()
    await withVariables(
      {
        OTEL_SERVICE_NAME: ' checkout ',
        OTEL_RESOURCE_ATTRIBUTES:
          'service.name=other, deployment.environment.name=t%C3%A9st%2Cone ,service.version=1=2',
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
      },
      async () => {
        const tracer = createTracer()
        tracer.startSpan('any').finish()
        await tracer.close()
      },
    )
    const { resource } = collector.arrived[0]?.request ?? assert.fail('nothing arrived')
    assert.equal(resource['service.name'], 'checkout')
    assert.equal(resource['deployment.environment.name'], 'tést,one')
    assert.equal(resource['service.version'], '1=2')
    assert.equal(resource['process.pid'], process.pid)
  })

  it('the name of the service: option, resource, OTEL_SERVICE_NAME, attributes, JAEGER_SERVICE_NAME, none', async () => {
    const all: Variables = {
      OTEL_SERVICE_NAME: 'own',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=attributed',
      JAEGER_SERVICE_NAME: 'jaegers',
    }
    const { OTEL_SERVICE_NAME: _, ...withoutOwn } = all
    const { OTEL_RESOURCE_ATTRIBUTES: __, ...jaegerAlone } = withoutOwn
    const resource = { 'service.name': 'described' }
    const name = async (variables: Variables, options?: TracerOptions) => {
      const { serviceName, resource } = await settingsUnder(variables, options)
      assert.equal(resource['service.name'], serviceName)
      return serviceName
    }
    assert.equal(await name(all, { serviceName: 'said', resource }), 'said')
    assert.equal(await name(all, { resource }), 'described')
    assert.equal(await name(all), 'own')
    assert.equal(await name(withoutOwn), 'attributed')
    assert.equal(await name(jaegerAlone), 'jaegers')
    assert.equal(await name({}), 'unknown_service:node')
    assert.equal(await name({ OTEL_SERVICE_NAME: '  ' }), 'unknown_service:node')
  })

  it('attributes: the option wins one by one, then OTEL_RESOURCE_ATTRIBUTES, then JAEGER_TAGS', async () => {
    const { resource } = await settingsUnder(
      { OTEL_RESOURCE_ATTRIBUTES: 'a=otel,b=otel', JAEGER_TAGS: 'a=jaeger,b=jaeger,c=jaeger' },
      { resource: { a: 'option' } },
    )
    assert.deepEqual([resource.a, resource.b, resource.c], ['option', 'otel', 'jaeger'])
  })

  it('OTEL_SDK_DISABLED: nothing is recorded or sent, and the option wins', async () => {
    const collector = await openCollector()
    const counts: number[] = []
    for (const [value, disable] of [
      ['true', undefined],
      ['TRUE', undefined],
      ['true', false],
      ['false', undefined],
    ] as const) {
      await withVariables(
        { OTEL_SDK_DISABLED: value, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url },
        async () => {
          const before = collector.spans().length
          const tracer = createTracer(disable === undefined ? {} : { disable })
          tracer.startSpan('any').finish()
          await tracer.close()
          counts.push(collector.spans().length - before)
        },
      )
    }
    assert.deepEqual(counts, [0, 0, 1, 1])
  })
})

describe('OpenTelemetry: the exporter', () => {
  it('ENDPOINT, HEADERS, PROTOCOL and COMPRESSION, as they arrive', async () => {
    for (const own of [false, true]) {
      const collector = await openCollector()
      const base = `http://127.0.0.1:${collector.port}`
      const family = own ? 'OTEL_EXPORTER_OTLP_TRACES_' : 'OTEL_EXPORTER_OTLP_'
      await withVariables(
        {
          [`${family}ENDPOINT`]: own ? `${base}/mine` : `${base}/base/`,
          [`${family}HEADERS`]: 'x-api-key=a%20b%3Dc,x-tenant = shop',
          [`${family}PROTOCOL`]: 'http/json',
          [`${family}COMPRESSION`]: 'gzip',
        },
        async () => {
          const tracer = createTracer()
          tracer.startSpan('any').finish()
          await tracer.close()
          assert.equal(tracer.stats().exported, 1)
        },
      )
      const { url, headers, request } = collector.arrived[0] ?? assert.fail('nothing arrived')
      assert.equal(url, own ? '/mine' : '/base/v1/traces')
      assert.deepEqual([headers['x-api-key'], headers['x-tenant']], ['a b=c', 'shop'])
      assert.deepEqual([headers['content-type'], headers['content-encoding']], ['application/json', 'gzip'])
      assert.equal(request.spans[0]?.name, 'any')
    }
  })

  it('TIMEOUT ends an attempt at a collector that hangs', async () => {
    const collector = await openCollector(() => {})
    await withVariables(
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '60' },
      async () => {
        const failures: string[] = []
        const tracer = createTracer({ onError: error => failures.push((error as Error).message) })
        tracer.startSpan('any').finish()
        await tracer.close()
        assert.equal(failures.length, 1)
        assert.match(failures[0] ?? '', /no answer within 60 ms/)
      },
    )
  })

  it('those of traces win over the general ones, and options over both', async () => {
    const variables = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://general:1',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces:2/',
      OTEL_EXPORTER_OTLP_HEADERS: 'who=general',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'who=traces',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'none',
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_TIMEOUT: '1',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2',
    }
    assert.deepEqual(await otlpUnder(variables), {
      url: 'https://traces:2/',
      protocol: 'json',
      compression: 'gzip',
      headers: { who: 'traces' },
      timeout: 2,
      failures: [],
    })
    const url = new URL('http://option:3/here')
    const given = { url, protocol: 'protobuf', compression: 'none', headers: {}, timeout: 3 } as const
    assert.deepEqual(await otlpUnder(variables, given), { ...given, url: url.href, failures: [] })
  })

  it('without any of them: the defaults', async () => {
    assert.deepEqual(await otlpUnder({}), {
      url: 'http://localhost:4318/v1/traces',
      protocol: 'protobuf',
      compression: 'none',
      headers: {},
      timeout: 10_000,
      failures: [],
    })
  })

  it('none of them is for Zipkin', async () => {
    const collector = await openCollector(res => res.writeHead(202).end())
    await withVariables({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }, async () => {
      const tracer = createTracer({ exporter: zipkinExporter({ url: collector.url }) })
      tracer.startSpan('any').finish()
      await tracer.close()
      assert.equal(tracer.stats().exported, 1)
    })
  })
})

describe('OpenTelemetry: the sampler', () => {
  const UNSAMPLED = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`
  const SAMPLED = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  const rows: [sampler: string, argument: string | undefined, root: number, below: number][] = [
    // What a caller has decided counts only for the ones that are based on the parent.
    ['always_on', undefined, 100, 100],
    ['always_off', undefined, 0, 0],
    ['parentbased_always_on', undefined, 100, 0],
    ['parentbased_always_off', undefined, 0, 0],
    ['traceidratio', '1', 100, 100],
    ['traceidratio', '0', 0, 0],
    ['traceidratio', undefined, 100, 100],
    ['parentbased_traceidratio', '1.0', 100, 0],
    ['parentbased_traceidratio', '0', 0, 0],
  ]
  for (const [sampler, argument, root, below] of rows) {
    it(`OTEL_TRACES_SAMPLER=${sampler}, OTEL_TRACES_SAMPLER_ARG=${argument ?? ''}`, async () => {
      const variables: Variables = { OTEL_TRACES_SAMPLER: sampler }
      if (argument !== undefined) variables.OTEL_TRACES_SAMPLER_ARG = argument
      assert.deepEqual(await sampledUnder(variables), { sampled: root, failures: [] })
      assert.equal((await sampledUnder(variables, {}, UNSAMPLED)).sampled, below)
    })
  }

  it('a ratio is one: about half of the traces', async () => {
    const variables = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' }
    const { sampled } = await sampledUnder(variables)
    assert.ok(sampled >= 20 && sampled <= 80, `${sampled} of 100`)
  })

  it('parentbased_always_off follows a caller that records', async () => {
    const variables = { OTEL_TRACES_SAMPLER: 'parentbased_always_off' }
    assert.equal((await sampledUnder(variables, {}, SAMPLED)).sampled, 100)
    assert.equal((await sampledUnder({ OTEL_TRACES_SAMPLER: 'always_off' }, {}, SAMPLED)).sampled, 0)
  })

  it('options win: the sampler, and whether the caller comes first', async () => {
    const always = { OTEL_TRACES_SAMPLER: 'always_on' }
    assert.equal((await sampledUnder(always, { sampler: neverSampler() })).sampled, 0)
    assert.equal((await sampledUnder(always, { parentBased: true }, UNSAMPLED)).sampled, 0)
  })

  it('jaeger_remote asks the endpoint of its argument', async () => {
    const { port, asked } = await openSampling(0)
    const variables = {
      OTEL_TRACES_SAMPLER: 'parentbased_jaeger_remote',
      OTEL_TRACES_SAMPLER_ARG: `endpoint=http://127.0.0.1:${port},pollingIntervalMs=20,initialSamplingRate=1`,
    }
    await withVariables(variables, async () => {
      const { tracer, failures } = newWorld()
      tracer.startSpan('before the first answer').finish()
      assert.equal(tracer.stats().sampled, 1)
      await until(() => asked.length >= 3, 5000)
      tracer.startSpan('after it').finish()
      assert.equal(tracer.stats().sampled, 1)
      await tracer.close()
      assert.deepEqual(failures, [])
    })
    assert.equal(asked[0], '/sampling?service=orders')
  })
})

describe('OpenTelemetry: propagators and the batch', () => {
  const HEADERS: Record<string, string[]> = {
    tracecontext: ['traceparent'],
    jaeger: ['uber-trace-id'],
    b3: ['b3'],
    b3multi: ['x-b3-sampled', 'x-b3-spanid', 'x-b3-traceid'],
    'tracecontext, b3,tracecontext': ['b3', 'traceparent'],
    none: [],
  }
  for (const [value, expected] of Object.entries(HEADERS)) {
    it(`OTEL_PROPAGATORS=${value}: what is written, and alone read`, async () => {
      await withVariables({ OTEL_PROPAGATORS: value }, async () => {
        const { tracer, failures } = newWorld()
        const carrier: Record<string, string> = {}
        tracer.inject(tracer.startSpan('any'), opentracing.FORMAT_HTTP_HEADERS, carrier)
        assert.deepEqual(
          Object.keys(carrier)
            .map(name => name.toLowerCase())
            .sort(),
          expected,
        )
        const everything = {
          traceparent: `00-${'1'.repeat(32)}-${'b'.repeat(16)}-01`,
          'uber-trace-id': `${'2'.repeat(32)}:${'b'.repeat(16)}:0:1`,
          b3: `${'3'.repeat(32)}-${'b'.repeat(16)}-1`,
          'x-b3-traceid': '4'.repeat(32),
          'x-b3-spanid': 'b'.repeat(16),
          'x-b3-sampled': '1',
        }
        const read = tracer.extract(opentracing.FORMAT_HTTP_HEADERS, everything)?.toTraceId() ?? ''
        const first = { tracecontext: '1', jaeger: '2', b3: '3', b3multi: '4' }[value.split(',')[0] ?? '']
        assert.equal(read[0], first)
        await tracer.close()
        assert.deepEqual(failures, [])
      })
    })
  }

  it('OTEL_PROPAGATORS=tracecontext,baggage carries baggage; the option wins', async () => {
    const written = (options: TracerOptions) =>
      withVariables({ OTEL_PROPAGATORS: 'tracecontext,baggage' }, async () => {
        const { tracer } = newWorld(options)
        const span = tracer.startSpan('any')
        span.setBaggageItem('tenant', 'shop')
        const carrier: Record<string, string> = {}
        tracer.inject(span, opentracing.FORMAT_HTTP_HEADERS, carrier)
        await tracer.close()
        return carrier
      })
    const carrier = await written({})
    assert.deepEqual(Object.keys(carrier).sort(), ['baggage', 'traceparent'])
    assert.equal(carrier.baggage, 'tenant=shop')
    assert.deepEqual(Object.keys(await written({ propagation: { extract: ['b3'], inject: ['b3'] } })), ['b3'])
  })

  it('OTEL_BSP_*: the numbers, and options before them', async () => {
    const variables = {
      OTEL_BSP_SCHEDULE_DELAY: '70',
      OTEL_BSP_EXPORT_TIMEOUT: '80',
      OTEL_BSP_MAX_QUEUE_SIZE: '90',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
    }
    const { batch, failures } = await settingsUnder(variables)
    assert.deepEqual(
      [batch.delay, batch.timeout, batch.queueSpans, batch.spans, failures],
      [70, 80, 90, 10, []],
    )
    const given = { delay: 1, timeout: 2, queueSpans: 4, spans: 3 }
    const { batch: won } = await settingsUnder(variables, { batch: given })
    assert.deepEqual([won.delay, won.timeout, won.queueSpans, won.spans], [1, 2, 4, 3])
  })

  it('OTEL_BSP_*, at work: batches of four at once, the queue full at six', async () => {
    const sizes: number[] = []
    const variables = { OTEL_BSP_MAX_QUEUE_SIZE: '6', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4' }
    await withVariables(variables, async () => {
      const tracer = createTracer({
        exporter: { export: spans => void sizes.push(spans.length) },
        onError() {},
      })
      for (let i = 0; i < 10; i++) tracer.startSpan('any').finish()
      assert.equal(tracer.stats().dropped.queueFull, 4)
      await tracer.close()
    })
    assert.deepEqual(sizes, [4, 2])
  })

  it('a batch larger than the queue is as large as the queue', async () => {
    const { batch } = await settingsUnder({ OTEL_BSP_MAX_QUEUE_SIZE: '6' })
    assert.deepEqual([batch.queueSpans, batch.spans], [6, 6])
  })
})

describe('jaeger-client', () => {
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: jaeger-client has it fill in variables
  it('JAEGER_SERVICE_NAME, JAEGER_TAGS with variables and their defaults', async () => {
    const { serviceName, resource } = await settingsUnder({
      JAEGER_SERVICE_NAME: 'orders',
      JAEGER_TAGS: 'region=eu, pod = ${POD_OF_TEST:none},zone=${ZONE_OF_TEST:z1},empty=${ZONE_OF_TEST}',
      POD_OF_TEST: 'pod-7',
    })
    assert.equal(serviceName, 'orders')
    assert.deepEqual(
      [resource.region, resource.pod, resource.zone, resource.empty],
      ['eu', 'pod-7', 'z1', undefined],
    )
  })

  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: as above

  it('JAEGER_DISABLED, JAEGER_DISABLE; OTEL_SDK_DISABLED=false is a decision too', async () => {
    const isDisabled = async (variables: Variables) => (await settingsUnder(variables)).isDisabled
    assert.equal(await isDisabled({ JAEGER_DISABLED: 'true' }), true)
    assert.equal(await isDisabled({ JAEGER_DISABLE: 'true' }), true)
    assert.equal(await isDisabled({ JAEGER_DISABLED: 'true', OTEL_SDK_DISABLED: 'false' }), false)
  })

  const samplers: [type: string, param: string | undefined, sampled: number][] = [
    ['const', '1', 100],
    ['const', '0', 0],
    ['const', undefined, 100],
    ['probabilistic', '1', 100],
    ['probabilistic', '0', 0],
    ['ratelimiting', '5', 5],
  ]
  for (const [type, param, expected] of samplers) {
    it(`JAEGER_SAMPLER_TYPE=${type}, JAEGER_SAMPLER_PARAM=${param ?? ''}`, async () => {
      const variables: Variables = { JAEGER_SAMPLER_TYPE: type }
      if (param !== undefined) variables.JAEGER_SAMPLER_PARAM = param
      const { sampled, failures } = await sampledUnder(variables)
      // A rate refills while a slow machine runs the loop.
      assert.ok(sampled >= expected && sampled <= expected + (type === 'ratelimiting' ? 5 : 0), `${sampled}`)
      assert.deepEqual(failures, [])
    })
  }

  it('JAEGER_SAMPLER_TYPE=remote with its MANAGER_HOST_PORT or HOST and PORT, path and interval', async () => {
    const { port, asked } = await openSampling(1)
    const addresses: Variables[] = [
      { JAEGER_SAMPLER_MANAGER_HOST_PORT: `127.0.0.1:${port}` },
      { JAEGER_SAMPLER_HOST: '127.0.0.1', JAEGER_SAMPLER_PORT: String(port) },
    ]
    for (const address of addresses) {
      asked.length = 0
      const variables = {
        ...address,
        JAEGER_SAMPLER_TYPE: 'remote',
        JAEGER_SAMPLER_PARAM: '0',
        JAEGER_SAMPLER_SAMPLING_PATH: '/ask',
        JAEGER_SAMPLER_REFRESH_INTERVAL: '20',
      }
      await withVariables(variables, async () => {
        const { tracer, failures } = newWorld()
        tracer.startSpan('before the first answer').finish()
        assert.equal(tracer.stats().sampled, 0)
        await until(() => asked.length >= 3, 5000)
        tracer.startSpan('after it').finish()
        assert.equal(tracer.stats().sampled, 1)
        await tracer.close()
        assert.deepEqual(failures, [])
      })
      assert.equal(asked[0], '/ask?service=orders')
    }
  })

  it('JAEGER_ENDPOINT and JAEGER_AGENT_HOST: the same host, at the port of OTLP', async () => {
    const url = async (variables: Variables) => {
      const { url, failures } = await otlpUnder(variables)
      assert.deepEqual(failures, [])
      return url
    }
    assert.equal(
      await url({ JAEGER_ENDPOINT: 'http://jaeger:14268/api/traces' }),
      'http://jaeger:4318/v1/traces',
    )
    assert.equal(
      await url({ JAEGER_REPORTER_ENDPOINT: 'https://jaeger:14268/api/traces?format=jaeger.thrift' }),
      'https://jaeger:4318/v1/traces',
    )
    assert.equal(await url({ JAEGER_AGENT_HOST: 'agent' }), 'http://agent:4318/v1/traces')
    assert.equal(await url({ JAEGER_REPORTER_AGENT_HOST: '::1' }), 'http://[::1]:4318/v1/traces')
    const both = { JAEGER_AGENT_HOST: 'agent', JAEGER_ENDPOINT: 'http://jaeger:14268/api/traces' }
    assert.equal(await url(both), 'http://jaeger:4318/v1/traces')
  })

  it('JAEGER_USER and JAEGER_PASSWORD go to the host of JAEGER_ENDPOINT and to no other', async () => {
    const login = { JAEGER_USER: 'ann', JAEGER_PASSWORD: 's:cret' }
    const JAEGER_ENDPOINT = 'http://jaeger:14268/api/traces'
    const authorization = `Basic ${Buffer.from('ann:s:cret').toString('base64')}`
    const headers = async (variables: Variables, given?: Partial<OtlpSettings>) =>
      (await otlpUnder({ ...login, ...variables }, given)).headers
    assert.deepEqual(await headers({ JAEGER_ENDPOINT }), { authorization })
    assert.deepEqual(await headers({ JAEGER_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'a=b' }), { a: 'b' })
    for (const family of ['OTEL_EXPORTER_OTLP_', 'OTEL_EXPORTER_OTLP_TRACES_']) {
      assert.deepEqual(await headers({ JAEGER_ENDPOINT, [`${family}ENDPOINT`]: 'http://vendor:4318' }), {})
    }
    assert.deepEqual(await headers({ JAEGER_ENDPOINT }, { url: new URL('http://vendor:4318') }), {})
    assert.deepEqual(await headers({ JAEGER_AGENT_HOST: 'agent' }), {})
    assert.deepEqual(await headers({}), {})
  })

  it('JAEGER_REPORTER_FLUSH_INTERVAL and JAEGER_REPORTER_TIMEOUT, unless OpenTelemetry says otherwise', async () => {
    const delay = async (variables: Variables) => (await settingsUnder(variables)).batch.delay
    const timeout = async (variables: Variables) => (await otlpUnder(variables)).timeout
    assert.equal(await delay({ JAEGER_REPORTER_FLUSH_INTERVAL: '300' }), 300)
    assert.equal(await delay({ JAEGER_REPORTER_FLUSH_INTERVAL: '300', OTEL_BSP_SCHEDULE_DELAY: '4' }), 4)
    assert.equal(await timeout({ JAEGER_REPORTER_TIMEOUT: '300' }), 300)
    assert.equal(await timeout({ JAEGER_REPORTER_TIMEOUT: '300', OTEL_EXPORTER_OTLP_TIMEOUT: '4' }), 4)
  })

  it('what OpenTelemetry has decided is not looked at again', async () => {
    const { url, failures } = await otlpUnder({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
      JAEGER_ENDPOINT: 'http://ingress/api/traces',
      JAEGER_AGENT_HOST: 'no host',
    })
    assert.deepEqual([url, failures], ['http://collector:4318/v1/traces', []])
    const never = { OTEL_TRACES_SAMPLER: 'always_off', JAEGER_SAMPLER_TYPE: 'nonsense' }
    assert.deepEqual(await sampledUnder(never), { sampled: 0, failures: [] })
    // Told that every trace is recorded, they are.
    const { sampled, failures: told } = await sampledUnder({
      OTEL_TRACES_SAMPLER: 'sometimes',
      JAEGER_SAMPLER_TYPE: 'const',
      JAEGER_SAMPLER_PARAM: '0',
    })
    assert.deepEqual([sampled, told.length], [100, 1])
  })
})

describe('a value that cannot be understood', () => {
  const otlp: [name: string, value: string, message: string][] = [
    [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'collector:4318',
      '"collector:4318" is not understood; instead: http://localhost:4318/v1/traces',
    ],
    [
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      'grpc://collector',
      '"grpc://collector" is not understood; instead: what OTEL_EXPORTER_OTLP_ENDPOINT says, else http://localhost:4318',
    ],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', '"grpc" is not understood; instead: http/protobuf'],
    ['OTEL_EXPORTER_OTLP_COMPRESSION', 'zstd', '"zstd" is not understood; instead: none'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '10s', '"10s" is not understood; instead: 10000'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 's3cret', 'its value is not understood; instead: no headers'],
    [
      'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
      'key=%zz s3cret',
      'its value is not understood; instead: no headers',
    ],
    [
      'JAEGER_ENDPOINT',
      'http://ingress/api/traces',
      '"http://ingress/api/traces" is not understood; instead: http://localhost:4318/v1/traces',
    ],
    ['JAEGER_AGENT_HOST', 'no host', '"no host" is not understood; instead: http://localhost:4318/v1/traces'],
    ['JAEGER_REPORTER_TIMEOUT', 'soon', '"soon" is not understood; instead: 10000'],
  ]
  for (const [name, value, message] of otlp) {
    it(`${name}=${value}`, async () => {
      const { failures, ...settings } = await otlpUnder({ [name]: value })
      const { failures: none, ...defaults } = await otlpUnder({})
      assert.deepEqual([failures, none], [[`${name}: ${message}`], []])
      assert.deepEqual(settings, defaults)
    })
  }

  const rest: [name: string, value: string, message: RegExp][] = [
    [
      'OTEL_RESOURCE_ATTRIBUTES',
      'a=1,b',
      /^"a=1,b" \('b' is no pair.*\) is not understood; instead: none of its attr/,
    ],
    [
      'OTEL_RESOURCE_ATTRIBUTES',
      'a=%',
      /^"a=%" \(URI malformed\) is not understood; instead: none of its attr/,
    ],
    ['OTEL_SDK_DISABLED', 'yes', /^"yes" is not understood; instead: false$/],
    ['OTEL_TRACES_SAMPLER', 'sometimes', /^"sometimes" is not understood; instead: every trace is recorded$/],
    [
      'OTEL_PROPAGATORS',
      'tracecontext,xray',
      /'xray' is none of tracecontext.* instead: all formats are read/,
    ],
    ['OTEL_BSP_SCHEDULE_DELAY', '-1', /^"-1" is not understood; instead: 5000$/],
    ['OTEL_BSP_EXPORT_TIMEOUT', 'x', /^"x" is not understood; instead: 30000$/],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '1.5', /^"1.5" is not understood; instead: 8192$/],
    ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', '0', /^"0" is not understood; instead: 512$/],
    ['JAEGER_TAGS', 'nothing', /^'nothing' is not of the form key=value; it is left out$/],
    ['JAEGER_DISABLED', '1', /^"1" is not understood; instead: false$/],
    [
      'JAEGER_SAMPLER_TYPE',
      'lowerbound',
      /no sampler is called 'lowerbound'.*instead: every trace is recorded$/,
    ],
    ['JAEGER_SAMPLER_TYPE', 'probabilistic', /instead: every trace is recorded$/],
    ['JAEGER_REPORTER_FLUSH_INTERVAL', 'often', /^"often" is not understood; instead: 5000$/],
  ]
  for (const [name, value, message] of rest) {
    it(`${name}=${value}`, async () => {
      const { failures, batch, isDisabled, parentBased } = await settingsUnder({ [name]: value })
      assert.equal(failures.length, 1)
      assert.ok(failures[0]?.startsWith(`${name}: `), failures[0])
      assert.match(failures[0]?.slice(name.length + 2) ?? '', message)
      const defaults = await settingsUnder({})
      assert.deepEqual(
        [batch, isDisabled, parentBased],
        [defaults.batch, defaults.isDisabled, defaults.parentBased],
      )
    })
  }

  it('OTEL_TRACES_SAMPLER_ARG: the sampler stays, its argument is the default', async () => {
    const variables = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '1.5' }
    const { sampled, failures } = await sampledUnder(variables)
    assert.equal(sampled, 100)
    assert.equal(failures.length, 1)
    assert.match(failures[0] ?? '', /^OTEL_TRACES_SAMPLER_ARG: "1.5" .*instead: 1.0$/)
  })

  it('JAEGER_SAMPLER_PARAM is told by its own name', async () => {
    const variables = { JAEGER_SAMPLER_TYPE: 'const', JAEGER_SAMPLER_PARAM: 'many' }
    const { sampled, failures } = await sampledUnder(variables)
    assert.equal(sampled, 100)
    assert.deepEqual(failures, [
      'JAEGER_SAMPLER_PARAM: "many" is not understood; instead: as if it were not set',
    ])
  })

  it('a password in a URL is not told', async () => {
    const { failures } = await otlpUnder({ JAEGER_ENDPOINT: 'http://ann:s3cret@ingress/api/traces' })
    assert.equal(failures.length, 1)
    assert.doesNotMatch(failures[0] ?? '', /s3cret/)
  })

  it('is not reported where an option has decided', async () => {
    const { failures } = await settingsUnder(
      {
        OTEL_TRACES_SAMPLER: 'nonsense',
        OTEL_PROPAGATORS: 'nonsense',
        OTEL_SDK_DISABLED: 'nonsense',
        OTEL_BSP_SCHEDULE_DELAY: 'nonsense',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense',
      },
      { sampler: neverSampler(), propagation: {}, disable: false, batch: { delay: 1 } },
    )
    assert.deepEqual(failures, [])
    const url = new URL('http://127.0.0.1:1/')
    assert.deepEqual((await otlpUnder({ OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' }, { url })).failures, [])
  })

  it('is reported once by a tracer that runs, which works with the default', async () => {
    const { stderr, stdout, code } = await runProgram(
      `import { createTracer } from '${source}/tracer/index.ts'
       const tracer = createTracer({ exporter: { export: spans => console.log('exported', spans.length) } })
       for (let i = 0; i < 3; i++) tracer.startSpan('any').finish()
       await tracer.close()`,
      { env: { OTEL_TRACES_SAMPLER: 'nonsense', OTEL_BSP_MAX_QUEUE_SIZE: 'many' } },
    )
    assert.deepEqual([stdout, code], ['exported 3\n', 0])
    assert.equal(stderr.match(/OTEL_TRACES_SAMPLER: "nonsense" is not understood/g)?.length, 1)
    assert.equal(stderr.match(/OTEL_BSP_MAX_QUEUE_SIZE: "many" is not understood/g)?.length, 1)
  })
})

import { openCollector, openSampling } from '../../support/tracer-backends.ts'

it('is read once, when the tracer and the exporter are made', async () => {
  const collector = await openCollector()
  const variables = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url, OTEL_SERVICE_NAME: 'first' }
  await withVariables(variables, async () => {
    const exporter = otlpExporter()
    process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = 'http://127.0.0.1:1/'
    const tracer = createTracer({ exporter })
    process.env.OTEL_SERVICE_NAME = 'second'
    process.env.OTEL_TRACES_SAMPLER = 'always_off'
    process.env.OTEL_SDK_DISABLED = 'true'
    tracer.startSpan('any').finish()
    await tracer.close()
    delete process.env.OTEL_TRACES_SAMPLER
    delete process.env.OTEL_SDK_DISABLED
  })
  assert.equal(collector.arrived[0]?.request.resource['service.name'], 'first')
  assert.equal(collector.spans().length, 1)
})
