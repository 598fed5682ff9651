// Which traces are recorded: every sampler, and what comes before it (callers, debug headers, priority).

import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, mock } from 'node:test'
import opentracing, { type Span, type SpanContext, type SpanOptions, type Tracer } from 'opentracing'
import { activeSpan } from '../../../src/core/scope.ts'
import {
  alwaysSampler,
  createTracer,
  type FinishedSpan,
  type LeanTracer,
  neverSampler,
  rateLimitSampler,
  ratioSampler,
  remoteSampler,
  rulesSampler,
  type Sampler,
  type SamplingRule,
} from '../../../src/tracer/index.ts'
import { runProgram, source } from '../../support/children.ts'
import { until } from '../../support/otlp-collector.ts'
import { plainServer } from '../../support/plain-server.ts'
import { newWorld } from '../../support/tracer-world.ts'

const { FORMAT_HTTP_HEADERS } = opentracing
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const exporter = { export() {} }
const tracerWith = (sampler: Sampler): LeanTracer =>
  createTracer({ serviceName: 'orders', exporter, sampler, propagation: { inject: ['tracecontext', 'b3'] } })

/** What a span sends on, as the next service reads it. */
function headersOf(tracer: Tracer, span: Span): Record<string, string> {
  const headers: Record<string, string> = {}
  tracer.inject(span, FORMAT_HTTP_HEADERS, headers)
  return headers
}

/** The decision as the next service is told it. */
function isSampled(tracer: Tracer, span: Span): boolean {
  const flags = headersOf(tracer, span).traceparent?.slice(-2)
  assert.match(String(flags), /^0[0-3]$/)
  return (Number(flags) & 1) === 1
}

const decides = (tracer: Tracer, name = 'any', options?: SpanOptions): boolean =>
  isSampled(tracer, tracer.startSpan(name, options))

const below = (tracer: Tracer, headers: Record<string, string>): SpanOptions => ({
  childOf: tracer.extract(FORMAT_HTTP_HEADERS, headers) as SpanContext,
})

/** How many of so many new traces are sampled. */
function share(tracer: LeanTracer, traces: number): number {
  const before = tracer.stats().sampled
  for (let i = 0; i < traces; i++) tracer.startSpan('any').finish()
  return tracer.stats().sampled - before
}

describe('always and never', () => {
  it('are what they say', () => {
    assert.equal(share(tracerWith(alwaysSampler()), 1000), 1000)
    assert.equal(share(tracerWith(neverSampler()), 1000), 0)
  })
})

describe('a ratio', () => {
  it('is met within six standard deviations, on 100,000 new traces', () => {
    const traces = 100_000
    for (const ratio of [0.001, 0.1, 0.5, 0.9]) {
      const sampled = share(tracerWith(ratioSampler(ratio)), traces)
      const deviation = Math.sqrt(traces * ratio * (1 - ratio))
      assert.ok(Math.abs(sampled - traces * ratio) < 6 * deviation, `${sampled} of ${traces} at ${ratio}`)
    }
  })

  it('of 0 and 1 is never and always', () => {
    assert.equal(share(tracerWith(ratioSampler(0)), 10_000), 0)
    assert.equal(share(tracerWith(ratioSampler(1)), 10_000), 10_000)
  })

  it('decides alike in every service, and a higher one takes all that a lower one does', () => {
    const ids = tracerWith(alwaysSampler())
    const low = tracerWith(ratioSampler(0.2))
    const other = tracerWith(ratioSampler(0.2))
    const high = tracerWith(ratioSampler(0.3))
    let [inLow, inHigh] = [0, 0]
    for (let i = 0; i < 20_000; i++) {
      const { traceparent = '' } = headersOf(ids, ids.startSpan('any'))
      const [, traceId, spanId] = traceparent.split('-')
      // Without a state: the decision is left to whoever reads it.
      const headers = { b3: `${traceId}-${spanId}` }
      const [a, b, c] = [low, other, high].map(tracer => decides(tracer, 'any', below(tracer, headers)))
      assert.equal(a, b, traceId)
      assert.ok(!a || c, `${traceId} is in 0.2, but not in 0.3`)
      inLow += Number(a)
      inHigh += Number(c)
    }
    assert.ok(inLow > 3600 && inLow < 4400, String(inLow))
    assert.ok(inHigh > 5600 && inHigh < 6400, String(inHigh))
  })

  it('looks at the 56 bits that Trace Context calls random', () => {
    const half = tracerWith(ratioSampler(0.5))
    const at = (traceId: string) => decides(half, 'any', below(half, { b3: `${traceId}-${SPAN}` }))
    assert.equal(at('ffffffffffffffffff7fffffffffffff'), false)
    assert.equal(at('00000000000000000080000000000000'), true)
    assert.equal(at('0080000000000000'), true, '64-bit ids have them too')
  })

  it('of anything else is a TypeError that names it', () => {
    for (const bad of [-0.1, 1.1, Number.NaN, '0.5', undefined, null]) {
      assert.throws(
        () => ratioSampler(bad as number),
        (error: Error) => error instanceof TypeError && error.message.includes(String(bad)),
      )
    }
  })
})

describe('a rate limit', () => {
  /** Time stands still but for what the test adds. */
  function atRate(
    perSecond: number,
    run: (take: (traces: number) => number, pass: (ms: number) => void) => void,
  ) {
    let time = 5000
    const clock = mock.method(performance, 'now', () => time)
    try {
      const tracer = tracerWith(rateLimitSampler(perSecond))
      run(
        traces => share(tracer, traces),
        ms => {
          time += ms
        },
      )
    } finally {
      clock.mock.restore()
    }
  }

  it('takes the first of a burst, and as many again when a second has passed', () => {
    atRate(10, (take, pass) => {
      assert.equal(take(1000), 10)
      assert.equal(take(1000), 0)
      pass(1000)
      assert.equal(take(1000), 10)
      pass(300)
      assert.equal(take(1000), 3)
      pass(99)
      assert.equal(take(1000), 0)
      pass(1.001)
      assert.equal(take(1000), 1)
    })
  })

  it('saves up one second and no more', () => {
    atRate(10, (take, pass) => {
      pass(3_600_000)
      assert.equal(take(1000), 10)
    })
  })

  it('below one a second: one at first, then one in so many seconds', () => {
    atRate(0.1, (take, pass) => {
      assert.equal(take(100), 1)
      pass(9999)
      assert.equal(take(100), 0)
      pass(1.001)
      assert.equal(take(100), 1)
      pass(100_000)
      assert.equal(take(100), 1)
    })
  })

  it('is met in the long run', () => {
    atRate(50, (take, pass) => {
      let taken = 0
      for (let ms = 0; ms < 100_000; ms += 7) {
        taken += take(2)
        pass(7)
      }
      assert.ok(Math.abs(taken - 50 * 101) <= 1, String(taken))
    })
  })

  it('of anything but a rate is a TypeError that names it', () => {
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '10', undefined]) {
      assert.throws(
        () => rateLimitSampler(bad as number),
        (error: Error) => error instanceof TypeError && error.message.includes(String(bad)),
      )
    }
  })
})

describe('rules', () => {
  const yes = { sampler: alwaysSampler() }
  const no = { sampler: neverSampler() }
  const get = (url: string, more: object = {}) => ({ 'http.method': 'GET', 'http.url': url, ...more })

  const rows: {
    title: string
    rules: SamplingRule[]
    otherwise?: Sampler
    takes: [name: string, tags?: Record<string, unknown>][]
    leaves: [name: string, tags?: Record<string, unknown>][]
  }[] = [
    {
      title: 'by operation, as text: the whole name',
      rules: [{ operation: 'sync', ...no }],
      takes: [['sync users'], ['Sync'], ['any']],
      leaves: [['sync']],
    },
    {
      title: 'by operation, as a pattern, also one that remembers where it was',
      rules: [{ operation: /^poll/gy, ...no }],
      takes: [['spoil'], ['any']],
      leaves: [['poll'], ['poll queue'], ['poll'], ['poll']],
    },
    {
      title: "by route: the framework's, or else the path of the URL",
      rules: [{ route: '/users/:id', ...no }],
      takes: [
        ['GET', get('http://h/users')],
        ['GET', get('http://h/users/7/orders')],
        ['GET', get('http://h/users/7', { 'http.route': '/:anything/:id' })],
        ['no request'],
      ],
      leaves: [
        ['GET', get('http://h/users/7')],
        ['GET', get('http://h/users/7/?page=2')],
        ['GET', get('http://h/elsewhere', { 'http.route': '/users/:id' })],
      ],
    },
    {
      title: 'by route, with everything below',
      rules: [{ route: '/static/*', ...no }],
      takes: [
        ['GET', get('http://h/statics/x')],
        ['GET', get('http://h/?/static/x')],
      ],
      leaves: [['GET', get('http://h/static/a/b.css')]],
    },
    {
      title: 'by method, one or several',
      rules: [{ method: ['GET', 'HEAD'], ...no }],
      takes: [['POST', { 'http.method': 'POST' }], ['GET without a tag']],
      leaves: [
        ['a', { 'http.method': 'GET' }],
        ['b', { 'http.method': 'HEAD' }],
      ],
    },
    {
      title: 'by tags, all of them: texts, numbers, booleans, patterns',
      rules: [{ tags: { plan: 'free', shard: 3, internal: true, agent: /bot/i }, ...no }],
      takes: [
        ['a', { plan: 'free', shard: '3', internal: true, agent: 'Bot' }],
        ['a', { plan: 'free', shard: 3, internal: true }],
        ['a', { plan: 'free', shard: 3, internal: true, agent: 7 }],
        ['a'],
      ],
      leaves: [['a', { plan: 'free', shard: 3, internal: true, agent: 'GoogleBot', more: 1 }]],
    },
    {
      title: 'all that a rule names has to fit, and the first rule that fits decides',
      rules: [
        { route: '/checkout', method: 'POST', ...yes },
        { route: '/checkout', ...no },
        { method: 'POST', ...no },
      ],
      takes: [
        ['POST', { 'http.method': 'POST', 'http.url': 'http://h/checkout' }],
        ['GET', get('http://h/cart')],
      ],
      leaves: [
        ['GET', get('http://h/checkout')],
        ['POST', { 'http.method': 'POST', 'http.url': 'http://h/cart' }],
      ],
    },
    {
      title: 'a rule that names nothing fits all; what none fits is decided by the second argument',
      rules: [{ operation: 'a', ...yes }],
      otherwise: rulesSampler([no]),
      takes: [['a']],
      leaves: [['b'], ['c']],
    },
  ]
  for (const { title, rules, otherwise, takes, leaves } of rows) {
    it(title, () => {
      const tracer = tracerWith(rulesSampler(rules, otherwise))
      for (const [name, tags = {}] of takes)
        assert.ok(decides(tracer, name, { tags }), `${name} ${JSON.stringify(tags)} is to be taken`)
      for (const [name, tags = {}] of leaves)
        assert.ok(!decides(tracer, name, { tags }), `${name} ${JSON.stringify(tags)} is to be left`)
    })
  }

  it('hold for requests, whose route no framework has found yet', async () => {
    const { tracer, spans } = newWorld({ sampler: rulesSampler([{ route: '/health', ...no }]) })
    const app = await plainServer(() => 'ok', { tracer })
    for (const path of ['/health', '/users/7', '/health?deep=1'])
      await (await fetch(`http://127.0.0.1:${app.port}${path}`)).text()
    await app.close()
    await tracer.close()
    assert.deepEqual(
      spans.map(({ attributes }) => attributes['url.path']),
      ['/users/7'],
    )
  })

  it('start and close the samplers in them, each once', async () => {
    const calls: string[] = []
    const inner: Sampler = {
      sample: () => true,
      start: service => calls.push(`start ${service}`),
      close: () => calls.push('close'),
    }
    const tracer = tracerWith(rulesSampler([{ operation: 'a', sampler: inner }, { sampler: inner }], inner))
    await tracer.close()
    assert.deepEqual(calls, ['start orders', 'close'])
  })

  const bad: [title: string, rules: unknown, names: RegExp, otherwise?: unknown][] = [
    ['no list', { route: '/' }, /a list of rules/],
    ['no sampler', [yes, { route: '/a' }], /rules\[1\]\.sampler is missing/],
    ['a sampler that is none', [{ sampler: 0.5 }], /rules\[0\]\.sampler must be a sampler.*0\.5/],
    ['an unknown key', [{ rout: '/a', ...no }], /unknown option 'rules\[0\]\.rout'/],
    ['a mis-cased key', [{ Route: '/a', ...no }], /did you mean 'route'/],
    [
      'a route without a slash',
      [{ route: 'health', ...no }],
      /rules\[0\]\.route must be a template.*"health"/,
    ],
    ['an operation that is none', [{ operation: 7, ...no }], /rules\[0\]\.operation must be.*7/],
    ['a method that is none', [{ method: ['GET', 1], ...no }], /rules\[0\]\.method must be/],
    ['no method at all', [{ method: [], ...no }], /rules\[0\]\.method must be/],
    ['tags that are none', [{ tags: ['a'], ...no }], /rules\[0\]\.tags must be an object/],
    ['a tag that no span can have', [{ tags: { a: { b: 1 } }, ...no }], /rules\[0\]\.tags must be an object/],
    ['a rule that is none', [undefined], /rules\[0\]/],
    ['null for a rule', [null], /rules\[0\]/],
    ['an otherwise that is none', [], /otherwise must be a sampler.*true/, true],
  ]
  for (const [title, rules, names, otherwise] of bad) {
    it(`F135 ${title} is a TypeError that says so`, () => {
      assert.throws(
        () => rulesSampler(rules as SamplingRule[], otherwise as Sampler),
        (error: Error) => error instanceof TypeError && names.test(error.message),
      )
    })
  }
})

interface SamplingServer {
  url: string
  asked: string[]
  answer: (res: ServerResponse) => void
  close(): Promise<void>
}

const says =
  (strategy: unknown) =>
  (res: ServerResponse): void => {
    res.end(typeof strategy === 'string' ? strategy : JSON.stringify(strategy))
  }

async function startSamplingServer(answer: SamplingServer['answer']): Promise<SamplingServer> {
  const server = createServer((req, res) => {
    self.asked.push(req.url ?? '')
    self.answer(res)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const self: SamplingServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/sampling`,
    asked: [],
    answer,
    close: () => {
      server.closeAllConnections()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
  return self
}

describe('a remote sampler', () => {
  const off = { strategyType: 'PROBABILISTIC', probabilisticSampling: { samplingRate: 0 } }
  const on = { strategyType: 'PROBABILISTIC', probabilisticSampling: { samplingRate: 1 } }

  async function withRemote(
    answer: SamplingServer['answer'],
    run: (world: ReturnType<typeof newWorld> & { server: SamplingServer }) => Promise<void>,
    { interval = 20, initial = neverSampler() } = {},
  ): Promise<void> {
    const server = await startSamplingServer(answer)
    const world = newWorld({ sampler: remoteSampler({ url: server.url, interval, initial }) })
    try {
      await run({ ...world, server })
    } finally {
      await world.tracer.close()
      await server.close()
    }
  }

  // Both generations of Jaeger's JSON, and those of servers that leave out what is zero.
  const shares: [title: string, strategy: unknown, share: number][] = [
    [
      'a share, by name',
      { strategyType: 'PROBABILISTIC', probabilisticSampling: { samplingRate: 0.25 } },
      0.25,
    ],
    [
      'with the other forms there and null',
      {
        strategyType: 0,
        probabilisticSampling: { samplingRate: 0.25 },
        rateLimitingSampling: null,
        operationSampling: null,
      },
      0.25,
    ],
    ['a share, by number', { strategyType: 0, probabilisticSampling: { samplingRate: 0.25 } }, 0.25],
    ['a share, the type left out', { probabilisticSampling: { samplingRate: 0.25 } }, 0.25],
    ['none, by name', off, 0],
    ['none, the zero left out', { probabilisticSampling: {} }, 0],
    ['a rate of zero', { strategyType: 'RATE_LIMITING', rateLimitingSampling: { maxTracesPerSecond: 0 } }, 0],
    ['a rate of zero, left out', { strategyType: 1, rateLimitingSampling: {} }, 0],
    [
      'a share for all operations',
      { ...on, operationSampling: { defaultSamplingProbability: 0.25, defaultLowerBoundTracesPerSecond: 0 } },
      0.25,
    ],
    ['none for all operations, the zeros left out', { operationSampling: { perOperationStrategies: [] } }, 0],
    [
      'none for one operation, the zero left out',
      {
        operationSampling: {
          defaultSamplingProbability: 1,
          perOperationStrategies: [{ operation: 'any', probabilisticSampling: {} }],
        },
      },
      0,
    ],
  ]
  for (const [title, strategy, expected] of shares) {
    it(`takes ${title}`, async () => {
      // The opposite of what is expected holds until the answer is there.
      const initial = expected === 0 ? alwaysSampler() : neverSampler()
      await withRemote(
        says(strategy),
        async ({ tracer, failures, server }) => {
          const changed = (sampled: number) => (expected === 0 ? sampled === 0 : sampled > 0)
          await until(() => changed(share(tracer, 100)))
          const traces = 10_000
          const sampled = share(tracer, traces)
          const allowed = 6 * Math.sqrt(traces * expected * (1 - expected))
          assert.ok(Math.abs(sampled - traces * expected) <= allowed, `${sampled} of ${traces}`)
          assert.deepEqual(failures, [])
          assert.equal(server.asked[0], '/sampling?service=orders')
        },
        { interval: 60_000, initial },
      )
    })
  }

  for (const strategyType of ['RATE_LIMITING', 1]) {
    it(`takes a rate, its type being ${JSON.stringify(strategyType)}`, async () => {
      await withRemote(
        says({ strategyType, rateLimitingSampling: { maxTracesPerSecond: 3 } }),
        async ({ tracer, failures }) => {
          await until(() => share(tracer, 1) === 1)
          assert.equal(share(tracer, 1000), 2)
          assert.deepEqual(failures, [])
        },
        { interval: 60_000 },
      )
    })
  }

  it('takes a share for each operation: names, requests by method and path, a lower bound for each', async () => {
    const perOperationStrategies = [
      { operation: 'sync', probabilisticSampling: { samplingRate: 1 } },
      { operation: 'GET /users/:id', probabilisticSampling: { samplingRate: 1 } },
      { operation: 'GET /health', probabilisticSampling: { samplingRate: 0 } },
    ]
    const operationSampling = {
      defaultSamplingProbability: 0,
      defaultLowerBoundTracesPerSecond: 0.001,
      perOperationStrategies,
    }
    await withRemote(
      says({ ...off, operationSampling }),
      async ({ tracer, failures }) => {
        await until(() => decides(tracer, 'sync'))
        const count = (name: string, url?: string) => {
          const tags = { 'http.method': name, ...(url && { 'http.url': url }) }
          return Array.from({ length: 50 }, () => decides(tracer, name, { tags })).filter(Boolean).length
        }
        assert.equal(count('sync'), 50)
        assert.equal(count('GET', 'http://h/users/7?x=1'), 50)
        // The bound of each: one at first, the next in a thousand seconds.
        assert.equal(count('GET', 'http://h/health'), 1)
        assert.equal(count('GET', 'http://h/elsewhere'), 1)
        assert.equal(count('POST', 'http://h/users/7'), 1)
        assert.equal(count('other'), 1)
        assert.deepEqual(failures, [])
      },
      { interval: 60_000 },
    )
  })

  it('keeps an account of so many operations, and no more: the rest share one bound', async () => {
    const operationSampling = { defaultSamplingProbability: 0, defaultLowerBoundTracesPerSecond: 0.001 }
    await withRemote(
      says({ operationSampling }),
      async ({ tracer }) => {
        await until(() => decides(tracer, 'first'))
        const sampled = Array.from({ length: 5000 }, (_, i) => decides(tracer, `op ${i}`)).filter(Boolean)
        assert.equal(sampled.length, 2000)
      },
      { interval: 60_000 },
    )
  })

  it('asks again and again, and takes what is new', async () => {
    await withRemote(says(on), async ({ tracer, server, failures }) => {
      await until(() => decides(tracer))
      server.answer = says({ strategyType: 1, rateLimitingSampling: { maxTracesPerSecond: 0.001 } })
      await until(() => !decides(tracer))
      server.answer = says(off)
      const asked = server.asked.length
      await until(() => server.asked.length > asked + 1)
      assert.equal(share(tracer, 100), 0)
      server.answer = says({ operationSampling: { defaultSamplingProbability: 1 } })
      await until(() => decides(tracer))
      assert.deepEqual(failures, [])
    })
  })

  it('does not begin anew when the answer has not changed', async () => {
    const strategy = { strategyType: 1, rateLimitingSampling: { maxTracesPerSecond: 0.001 } }
    await withRemote(says(strategy), async ({ tracer, server }) => {
      await until(() => decides(tracer))
      const asked = server.asked.length
      await until(() => server.asked.length > asked + 3)
      assert.equal(share(tracer, 100), 0)
    })
  })

  const garbage: [title: string, answer: SamplingServer['answer']][] = [
    ['no JSON', says('<html>')],
    ['nothing', says('')],
    ['null', says('null')],
    ['a list', says([])],
    ['an object of nothing', says({})],
    ['a strategy without what belongs to it', says({ strategyType: 'PROBABILISTIC' })],
    ['a share above one', says({ probabilisticSampling: { samplingRate: 7 } })],
    ['a share that is a text', says({ probabilisticSampling: { samplingRate: 'half' } })],
    ['a negative rate', says({ strategyType: 1, rateLimitingSampling: { maxTracesPerSecond: -1 } })],
    [
      'operations that are none',
      says({ operationSampling: { defaultSamplingProbability: 0, perOperationStrategies: [null] } }),
    ],
    [
      'an operation with a bad share',
      says({
        operationSampling: {
          defaultSamplingProbability: 0,
          perOperationStrategies: [{ operation: 'a', probabilisticSampling: { samplingRate: -1 } }],
        },
      }),
    ],
    ['500', res => void res.writeHead(500).end(JSON.stringify(off))],
    ['404', res => void res.writeHead(404).end('no such service')],
    ['a redirect', res => void res.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    ['a closed connection', res => void res.destroy()],
    [
      'half an answer',
      res => {
        res.writeHead(200, { 'content-length': 100 }).write('{')
        setTimeout(() => res.destroy(), 5)
      },
    ],
    [
      'an answer without end',
      res => {
        const more = (): void => {
          if (res.destroyed || !res.socket || res.socket.destroyed) return
          res.write('x'.repeat(65_536), error => error || setImmediate(more))
        }
        more()
      },
    ],
  ]
  for (const [title, answer] of garbage) {
    it(`stays with its last strategy when the answer is ${title}, and reports that once`, async () => {
      await withRemote(says(on), async ({ tracer, server, failures }) => {
        await until(() => decides(tracer))
        server.answer = answer
        await until(() => failures.length > 0)
        const asked = server.asked.length
        await until(() => server.asked.length > asked + 2)
        assert.equal(share(tracer, 100), 100)
        assert.deepEqual(
          failures.map(({ place }) => place),
          ['sampler'],
        )
        server.answer = says(off)
        await until(() => !decides(tracer))
      })
    })
  }

  it('gives up on an answer that does not come, and asks again', async () => {
    await withRemote(
      () => {},
      async ({ tracer, server, failures }) => {
        await until(() => failures.length > 0, 7000)
        assert.match(String(failures[0]?.message), /does not answer/)
        assert.equal(share(tracer, 10), 0)
        server.answer = says(on)
        await until(() => decides(tracer))
      },
    )
  })

  it('says nothing when it is closed while it asks', async () => {
    const server = await startSamplingServer(() => {})
    const { tracer, failures } = newWorld({ sampler: remoteSampler({ url: server.url }) })
    await until(() => server.asked.length === 1)
    await tracer.close()
    await new Promise(resolve => setTimeout(resolve, 50))
    await server.close()
    assert.deepEqual(failures, [])
  })

  it('asks no more once it is closed', async () => {
    const server = await startSamplingServer(says(on))
    const { tracer } = newWorld({ sampler: remoteSampler({ url: server.url, interval: 10 }) })
    await until(() => server.asked.length > 2)
    await tracer.close()
    await new Promise(resolve => setTimeout(resolve, 30))
    const asked = server.asked.length
    await new Promise(resolve => setTimeout(resolve, 100))
    await server.close()
    assert.equal(server.asked.length, asked)
  })

  it('F058 holds no process: neither its timer nor a question without an answer', async () => {
    for (const answer of [says(on), () => {}]) {
      const server = await startSamplingServer(answer)
      const { code, ms, stdout } = await runProgram(
        `import { createTracer, remoteSampler } from '${source}/tracer/index.ts'
         createTracer({ exporter: { export() {} }, sampler: remoteSampler({ url: '${server.url}' }) })
         setTimeout(() => console.log('ready'), 200)`,
      )
      await server.close()
      assert.equal(code, 0)
      assert.match(stdout, /ready/)
      assert.equal(server.asked.length, 1)
      assert.ok(ms < 1000, `${ms} ms`)
    }
  })

  it('F135 with bad options is a TypeError that names them', () => {
    const bad: [options: object, names: RegExp][] = [
      [{ url: 'jaeger:5778' }, /url must be a URL.*jaeger:5778/],
      [{ interval: 0 }, /interval must be.*0/],
      [{ initial: 0.5 }, /initial must be a sampler.*0\.5/],
      [{ Interval: 5 }, /did you mean 'interval'/],
      [{ hostPort: 'x' }, /unknown option 'hostPort'/],
    ]
    for (const [options, names] of bad) {
      assert.throws(
        () => remoteSampler(options),
        (error: Error) => error instanceof TypeError && names.test(error.message),
      )
    }
  })
})

describe("a caller's decision", () => {
  const decisions: [title: string, headers: Record<string, string>, decision: boolean | undefined][] = [
    ['traceparent, sampled', { traceparent: `00-${TRACE}-${SPAN}-01` }, true],
    ['traceparent, not sampled', { traceparent: `00-${TRACE}-${SPAN}-00` }, false],
    ['uber-trace-id, sampled', { 'uber-trace-id': `${TRACE}:${SPAN}:0:1` }, true],
    ['uber-trace-id, not sampled', { 'uber-trace-id': `${TRACE}:${SPAN}:0:0` }, false],
    ['b3, sampled', { b3: `${TRACE}-${SPAN}-1` }, true],
    ['b3, not sampled', { b3: `${TRACE}-${SPAN}-0` }, false],
    ['b3, left open', { b3: `${TRACE}-${SPAN}` }, undefined],
    ['F012 x-b3-sampled: 0 alone', { 'x-b3-sampled': '0' }, false],
    ['F011 b3: 0 alone', { b3: '0' }, false],
    ['b3: 1 alone', { b3: '1' }, true],
    ['F013 uber-trace-id with debug (flags 3)', { 'uber-trace-id': `${TRACE}:${SPAN}:0:3` }, true],
    ['F013 uber-trace-id with the debug flag alone (2)', { 'uber-trace-id': `${TRACE}:${SPAN}:0:2` }, true],
    ['F013 b3 d', { b3: `${TRACE}-${SPAN}-d` }, true],
    ['F013 x-b3-flags: 1', { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN, 'x-b3-flags': '1' }, true],
    ['jaeger-debug-id', { 'jaeger-debug-id': 'ticket-7' }, true],
    ['no headers', {}, undefined],
  ]
  for (const [title, headers, decision] of decisions) {
    it(`${title}: comes before the sampler`, async () => {
      for (const sampler of [alwaysSampler(), neverSampler()]) {
        const { tracer, spans } = newWorld({ sampler })
        const span = tracer.startSpan('any', below(tracer, headers))
        const child = tracer.startSpan('child', { childOf: span })
        const expected =
          decision ?? sampler.sample({ operationName: '', tags: {}, traceId: '', randomness: 0 })
        assert.equal(isSampled(tracer, span), expected)
        assert.equal(isSampled(tracer, child), expected)
        child.finish()
        span.finish()
        await tracer.close()
        assert.equal(spans.length, expected ? 2 : 0)
      }
    })

    it(`${title}: F111 counts for nothing with parentBased: false`, async () => {
      for (const sampler of [alwaysSampler(), neverSampler()]) {
        const { tracer, spans } = newWorld({ sampler, parentBased: false })
        const span = tracer.startSpan('any', below(tracer, headers))
        span.finish()
        await tracer.close()
        assert.equal(
          spans.length,
          sampler.sample({ operationName: '', tags: {}, traceId: '', randomness: 0 }) ? 1 : 0,
        )
        if (Object.values(headers).some(value => value.includes(TRACE)))
          assert.equal(span.context().toTraceId(), TRACE, 'the trace goes on')
        const b3 = {}
        createTracer({ serviceName: 'x', exporter, propagation: { inject: ['b3'] } }).inject(
          span,
          FORMAT_HTTP_HEADERS,
          b3,
        )
        assert.doesNotMatch(JSON.stringify(b3), /-d["-]/, 'debug goes no further')
      }
    })

    it(`${title}: F111 counts for nothing at a public endpoint`, async () => {
      for (const sampler of [alwaysSampler(), neverSampler()]) {
        const { tracer, spans, failures } = newWorld({ sampler })
        const app = await plainServer(() => 'ok', { tracer, publicEndpoint: true })
        await (await fetch(`http://127.0.0.1:${app.port}/`, { headers })).text()
        await app.close()
        await tracer.close()
        const expected = sampler.sample({ operationName: '', tags: {}, traceId: '', randomness: 0 })
        assert.equal(spans.length, expected ? 1 : 0)
        for (const span of spans) {
          assert.notEqual(span.traceId, TRACE)
          assert.equal(span.attributes['jaeger-debug-id'], undefined)
        }
        assert.deepEqual(failures, [])
      }
    })
  }

  it('is asked about once in a trace: children are not sampled apart', () => {
    let asked = 0
    const tracer = tracerWith({
      sample() {
        asked++
        return true
      },
    })
    const root = tracer.startSpan('root')
    tracer.startSpan('grandchild', { childOf: tracer.startSpan('child', { childOf: root }) })
    assert.equal(asked, 1)
  })
})

describe('sampling.priority', () => {
  const start = (priority: unknown) => ({ tags: { 'sampling.priority': priority } })

  it('at the start comes before callers and samplers, for what is below too', async () => {
    for (const [sampler, priority] of [
      [neverSampler(), 1],
      [neverSampler(), 5],
      [neverSampler(), true],
      [alwaysSampler(), 0],
      [alwaysSampler(), false],
    ] as const) {
      const { tracer, spans } = newWorld({ sampler })
      const headers = { traceparent: `00-${TRACE}-${SPAN}-${priority ? '00' : '01'}` }
      const span = tracer.startSpan('any', { ...below(tracer, headers), ...start(priority) })
      const child = tracer.startSpan('child', { childOf: span })
      assert.equal(isSampled(tracer, child), Boolean(priority))
      child.finish()
      span.finish()
      await tracer.close()
      assert.equal(spans.length, priority ? 2 : 0)
    }
  })

  it('late: what comes afterwards is recorded, and sent on', async () => {
    for (const set of [
      (span: Span) => span.setTag('sampling.priority', 1),
      (span: Span) => span.addTags({ 'sampling.priority': 1, more: true }),
    ]) {
      const { tracer, spans } = newWorld({ sampler: neverSampler() })
      const root = tracer.startSpan('root', { tags: { early: true } })
      const before = tracer.startSpan('before', { childOf: root })
      set(root)
      root.setTag('late', true)
      const after = tracer.startSpan('after', { childOf: root })
      assert.ok(isSampled(tracer, after))
      before.finish()
      after.finish()
      root.finish()
      await tracer.close()
      assert.deepEqual(
        spans.map(({ name }) => name),
        ['after', 'root'],
      )
      const { early, late } = spans[1]?.attributes ?? {}
      assert.deepEqual([early, late], [undefined, true])
    }
  })

  it('late 0: what has not ended yet is let go of, what has ended is sent', async () => {
    const { tracer, spans } = newWorld()
    const root = tracer.startSpan('root')
    tracer.startSpan('ended', { childOf: root }).finish()
    const open = tracer.startSpan('open', { childOf: root })
    root.setTag('sampling.priority', 0)
    assert.ok(!isSampled(tracer, tracer.startSpan('after', { childOf: root })))
    open.finish()
    root.finish()
    await tracer.close()
    assert.deepEqual(
      spans.map(({ name }) => name),
      ['ended'],
    )
    const { finished, exported } = tracer.stats()
    assert.deepEqual([finished, exported], [1, 1])
  })

  it('that is no priority changes nothing', () => {
    for (const nonsense of ['1', '0', null, Number.NaN, -1, {}, undefined]) {
      assert.equal(decides(tracerWith(neverSampler()), 'any', start(nonsense)), false)
      assert.equal(decides(tracerWith(alwaysSampler()), 'any', start(nonsense)), true)
    }
  })

  it('after the end changes nothing about that span', async () => {
    const { tracer, spans } = newWorld({ sampler: neverSampler() })
    const span = tracer.startSpan('any')
    span.finish()
    span.setTag('sampling.priority', 1)
    await tracer.close()
    assert.equal(spans.length, 0)
  })
})

describe('a span that is not sampled', () => {
  it('F011 goes on in every format as not sampled, with baggage', () => {
    const tracer = createTracer({
      serviceName: 'orders',
      exporter,
      sampler: neverSampler(),
      propagation: { inject: ['tracecontext', 'baggage', 'uber-trace-id', 'b3', 'b3multi'] },
    })
    const span = tracer.startSpan('any').setBaggageItem('user', 'ada')
    const [traceId, spanId] = [span.context().toTraceId(), span.context().toSpanId()]
    const headers = headersOf(tracer, span)
    assert.match(String(headers.traceparent), new RegExp(`^00-${traceId}-${spanId}-0[02]$`))
    assert.match(String(headers['uber-trace-id']), new RegExp(`^${traceId}:${spanId}:0:0$`))
    assert.equal(headers.b3, `${traceId}-${spanId}-0`)
    assert.equal(headers['x-b3-sampled'], '0')
    assert.equal(headers.baggage, 'user=ada')
  })

  it('F011 b3: 0 from a client: the request is handled, and the next service is told', async () => {
    const { tracer, spans } = newWorld({ propagation: { inject: ['b3'] } })
    let sent: Record<string, string> = {}
    const app = await plainServer(
      () => {
        sent = headersOf(tracer, tracer.startSpan('call', { childOf: activeSpan() as Span }))
        return 'ok'
      },
      { tracer },
    )
    const answer = await fetch(`http://127.0.0.1:${app.port}/`, { headers: { b3: '0' } })
    assert.equal(await answer.text(), 'ok')
    await app.close()
    await tracer.close()
    assert.match(String(sent.b3), /^[0-9a-f]{32}-[0-9a-f]{16}-0/)
    assert.deepEqual(spans, [])
  })

  it('keeps nothing of what it is told, and does not even read it', () => {
    const tracer = tracerWith(neverSampler())
    let reads = 0
    const told = {
      get value() {
        return ++reads
      },
    }
    const span = tracer.startSpan('any', { tags: { early: 1 } })
    span.setTag('a', told).addTags(told).log(told)
    span.finish()
    span.setTag('late', 1)
    const { tags, logs } = span as unknown as FinishedSpan
    assert.deepEqual([Object.keys(tags), logs, reads], [[], [], 0])
    const { started, sampled, finished, queued, waiting } = tracer.stats()
    assert.deepEqual([started, sampled, finished, queued, waiting], [1, 0, 0, 0, 0])
  })

  it('is not remembered while it is open', async () => {
    const { tracer, spans } = newWorld({ sampler: neverSampler() })
    for (let i = 0; i < 100; i++) tracer.startSpan('forgotten')
    await tracer.close()
    assert.equal(spans.length, 0)
  })
})

describe("a sampler of the user's", () => {
  it('sees name, tags, trace id and its randomness, and decides', async () => {
    const seen: unknown[] = []
    const { tracer, spans } = newWorld({
      sampler: {
        sample({ operationName, tags, traceId, randomness }) {
          seen.push([operationName, tags.plan, traceId.length, randomness >= 0 && randomness < 1])
          return tags.plan === 'gold'
        },
      },
    })
    for (const plan of ['gold', 'free']) tracer.startSpan('buy', { tags: { plan } }).finish()
    tracer.startSpan('bare').finish()
    await tracer.close()
    assert.deepEqual(seen, [
      ['buy', 'gold', 32, true],
      ['buy', 'free', 32, true],
      ['bare', undefined, 32, true],
    ])
    assert.equal(spans.length, 1)
  })

  it("sees the caller's trace id", () => {
    let seen: unknown
    const tracer = tracerWith({
      sample({ traceId, randomness }) {
        seen = { traceId, randomness }
        return true
      },
    })
    tracer.startSpan('any', below(tracer, { b3: `${TRACE}-${SPAN}` }))
    assert.deepEqual(seen, { traceId: TRACE, randomness: Number(0x48eb211c80319cn >> 3n) / 2 ** 53 })
  })

  const faulty: [title: string, sample: () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('of the sampler')
      },
    ],
    ['rejects', () => Promise.reject(new Error('of the sampler'))],
    ['answers a promise', () => Promise.resolve(true)],
    ['answers nothing', () => undefined],
    ['answers a text', () => 'yes'],
    ['answers a number', () => 1],
    ["answers as OpenTelemetry's do", () => ({ decision: 2 })],
  ]
  for (const [title, sample] of faulty) {
    it(`F046 that ${title}: not recorded, reported once, nothing thrown`, async () => {
      const { tracer, spans, failures } = newWorld({ sampler: { sample: sample as () => boolean } })
      for (let i = 0; i < 100; i++) assert.equal(decides(tracer), false)
      await tracer.close()
      assert.deepEqual(spans, [])
      assert.deepEqual(
        failures.map(({ place }) => place),
        ['sampler'],
      )
    })
  }

  it('F041 whose close throws takes no span with it', async () => {
    const { tracer, spans, failures } = newWorld({
      sampler: {
        sample: () => true,
        close() {
          throw new Error('of the sampler')
        },
      },
    })
    tracer.startSpan('any').finish()
    await tracer.close()
    assert.equal(spans.length, 1)
    assert.deepEqual(
      failures.map(({ message }) => message),
      ['of the sampler'],
    )
  })
})

describe('a request that nobody will see', () => {
  /** What its span is told at the close of the response, and the phases that decorateSpan hears of. */
  async function closing(
    sampler: Sampler,
    isDecorated: boolean,
  ): Promise<{ told: string[]; heard: string[] }> {
    const tracer = tracerWith(sampler)
    const told: string[] = []
    const heard: string[] = []
    const startSpan = tracer.startSpan.bind(tracer)
    tracer.startSpan = (...given) => {
      const span = startSpan(...given)
      const addTags = span.addTags.bind(span)
      span.addTags = tags => {
        told.push(...Object.keys(tags))
        return addTags(tags)
      }
      return span
    }
    const decorateSpan = ({ phase }: { phase: string }) => {
      heard.push(phase)
    }
    const app = await plainServer(() => 'ok', isDecorated ? { tracer, decorateSpan } : { tracer })
    await fetch(`http://127.0.0.1:${app.port}/`, { headers: { connection: 'close' } })
    await app.close()
    return { told, heard }
  }

  it('is told nothing: its route and its tags are not worked out', async () => {
    assert.deepEqual((await closing(neverSampler(), false)).told, [])
    assert.deepEqual((await closing(alwaysSampler(), false)).told, ['http.status_code'])
  })

  it('starts without tags when its caller has decided, and with all that somebody may want to see otherwise', async () => {
    const traceparent = `00-${TRACE}-${SPAN}-00`
    const tags = { 'sampling.priority': 1 }
    const byMethod = rulesSampler([{ method: 'GET', sampler: alwaysSampler() }], neverSampler())
    const cases: [string, number, Parameters<typeof createTracer>[0], Parameters<typeof plainServer>[1]][] = [
      ['nobody asks for them', 0, {}, {}],
      ['samplingPriority may ask for it', 1, {}, { samplingPriority: () => 1 }],
      ['tags may ask for it', 1, {}, { tags }],
      ['a public endpoint: our sampler is asked', 1, { sampler: byMethod }, { publicEndpoint: true }],
      ['our sampler is always asked', 1, { sampler: byMethod, parentBased: false }, {}],
      ['keep is asked', 1, { keep: ({ root }) => root.tags['http.method'] === 'GET' }, {}],
    ]
    for (const [why, kept, tracerOptions, options] of cases) {
      const spans: FinishedSpan[] = []
      const given: Record<string, unknown>[] = []
      const exporter = { export: (batch: readonly FinishedSpan[]) => void spans.push(...batch) }
      const tracer = createTracer({ serviceName: 'orders', exporter, ...tracerOptions })
      const startSpan = tracer.startSpan.bind(tracer)
      tracer.startSpan = (name, options) => {
        given.push({ ...options?.tags })
        return startSpan(name, options)
      }
      const app = await plainServer(() => 'ok', { tracer, ...(options as object) })
      await fetch(`http://127.0.0.1:${app.port}/`, { headers: { connection: 'close', traceparent } })
      await app.close()
      await tracer.close()
      assert.equal(spans.length, kept, why)
      assert.equal('http.url' in (given[0] ?? {}), kept === 1, why)
    }
  })

  it('still has decorateSpan asked at its end', async () => {
    assert.deepEqual((await closing(neverSampler(), true)).heard, ['start', 'end'])
  })
})
