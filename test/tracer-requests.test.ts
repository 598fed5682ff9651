// A request's span is put together from parts that were written before. What arrives is what its tags would have said.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import opentracing, { type Span } from 'opentracing'
import { type Peer, RequestFacts } from '../src/core/index.ts'
import type { SemanticConventions, TracerOptions } from '../src/tracer/index.ts'
import { createTracer, neverSampler, otlpExporter } from '../src/tracer/index.ts'
import { eventually } from './client.ts'
import { closeCollectors, type DecodedSpan, startCollector } from './otlp-collector.ts'
import { arrivalsFrom } from './tracer-world.ts'

const originOf = (host: string, scheme = 'http') => ({
  scheme,
  host,
  text: host === '' ? '' : `${scheme}://${host}`,
  isHarmless: true,
})
const peerOf = (peer: Partial<Peer> = { ipv4: '192.0.2.7', port: 51_234 }): Peer => ({
  ipv4: undefined,
  ipv6: undefined,
  hostname: undefined,
  service: undefined,
  port: undefined,
  written: undefined,
  ...peer,
})

interface Asked {
  kind?: 'server' | 'client'
  component?: string
  method?: string
  host?: string
  scheme?: string
  path?: string
  peer?: Peer
  name?: string
  status?: number
  route?: string
  /** What the app does with the span meanwhile. */
  and?: (span: Span) => void
}

function factsOf(asked: Asked): RequestFacts {
  const {
    kind = 'server',
    component = 'express',
    method = 'GET',
    host = 'shop',
    scheme,
    path = '/',
    peer,
  } = asked
  return new RequestFacts(kind, component, method, originOf(host, scheme), path, peer ?? peerOf())
}

const calleeOf = (hostname: string, port: number, service?: string): Peer =>
  peerOf({ hostname, port, service })
const call = (path: string, peer: Peer, more: Asked = {}): Asked => ({
  kind: 'client',
  component: 'fetch',
  host: '',
  name: 'GET',
  path,
  peer,
  ...more,
})
const shop = calleeOf('shop', 80)

type Completable = Span & { completeFacts(status: number | undefined, route: string | undefined): boolean }

const NAME = 'GET /any'

function asFacts(tracer: opentracing.Tracer, asked: Asked): void {
  const { name = NAME, status = 200, route, and } = asked
  const span = tracer.startSpan(name, { facts: factsOf(asked) } as never) as Completable
  and?.(span)
  if (!span.completeFacts(status, route)) span.addTags(endOf(status, route))
  span.finish()
}

function asTags(tracer: opentracing.Tracer, asked: Asked): void {
  const { name = NAME, status = 200, route, and } = asked
  const span = tracer.startSpan(name, { tags: factsOf(asked).toTags() })
  and?.(span)
  span.addTags(endOf(status, route)).finish()
}

const endOf = (status: number, route: string | undefined) => ({
  'http.status_code': status,
  ...(route !== undefined && { 'http.route': route }),
})

async function arrived(
  make: typeof asFacts,
  asked: readonly Asked[],
  options: TracerOptions,
): Promise<object[]> {
  const spans = await sent(tracer => {
    for (const each of asked) make(tracer, each)
  }, options)
  return spans.map(whatItSays)
}

/** What has arrived at a collector. */
async function sent(
  make: (tracer: opentracing.Tracer) => void,
  options: TracerOptions = {},
): Promise<DecodedSpan[]> {
  const arrived = await arrivalsFrom(make, options)
  return arrived.flatMap(({ request }) => request.spans)
}

function whatItSays({ name, kind, attributes, keys, events, status, dropped }: DecodedSpan): object {
  assert.equal(new Set(keys).size, keys.length, 'an attribute came twice')
  return { name, kind, attributes, events: events.length, status, dropped }
}

async function checkSame(asked: readonly Asked[], options: TracerOptions = {}): Promise<void> {
  const facts = await arrived(asFacts, asked, options)
  const tags = await arrived(asTags, asked, options)
  assert.equal(facts.length, asked.length)
  const sorted = (spans: object[]) => spans.map(span => JSON.stringify(span, sortedKeys)).sort()
  assert.deepEqual(sorted(facts), sorted(tags))
}

function sortedKeys(_: string, value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value
}

const CASES: Record<string, readonly Asked[]> = {
  'the same again and again': [{ route: '/any' }, { route: '/any' }, { route: '/any' }],
  'paths and queries': ['/', '', '/a/b', '/a?x', '/?', '/a?q=1&q=2', `/${'x'.repeat(1500)}`, '/grün/✓'].map(
    path => ({
      path,
    }),
  ),
  'outcomes of a route, its name, and none': [
    { status: 200, route: '/any' },
    { status: 404, route: '/any' },
    { status: 200 },
    { status: 304, route: '/other' },
    { status: 200, route: '/any', name: 'mine' },
    { status: 499, route: '/any' },
  ],
  'schemes and hosts': [
    { host: 'shop:8080' },
    { host: 'shop:8080', scheme: 'https' },
    { host: '[::1]:3000' },
    { host: 'a/b' },
    { host: 'a?b#c' },
    { host: '' },
    { host: 'x'.repeat(1000) },
  ],
  'methods and components': [
    { method: 'BREW' },
    { method: 'HTTP' },
    { method: 'POST', component: 'koa' },
    { method: 'POST', component: 'mine' },
    { method: 'M'.repeat(3000) },
  ],
  peers: [
    { peer: peerOf({ ipv6: '2001:db8::1', port: 1 }) },
    { peer: peerOf({}) },
    { peer: peerOf({ ipv4: '192.0.2.1' }) },
  ],
  'what the app adds': [
    { and: span => span.setTag('user', 'ada') },
    { and: span => span.setTag('http.method', 'HEAD').setTag('http.url', 'mine') },
    { and: span => span.log({ event: 'cache', hit: true }) },
    { and: span => span.setTag('error', true) },
    { and: span => span.setOperationName('renamed') },
    { and: span => span.setTag('peer.hostname', 'proxy') },
  ],
  calls: [
    call('http://shop/', shop),
    call('http://shop/a?q=1', shop),
    call('http://shop/a?q=1', shop, { status: 204, method: 'DELETE' }),
    call('https://[2001:db8::1]/', calleeOf('2001:db8::1', 443)),
    call('https://pay:8443/', calleeOf('pay', 8443, 'payments')),
    call('http://REDACTED:REDACTED@shop/', shop),
    call(`http://shop/${'x'.repeat(1500)}`, shop, { method: 'BREW' }),
    call('http://shop/', shop, { and: span => span.setTag('error', true) }),
    call('http://shop/', shop, {
      and: span => span.setTag('peer.hostname', 'proxy').setTag('url.full', 'mine'),
    }),
  ],
  'calls and requests of one name': [
    { name: 'GET' },
    call('http://shop/', shop),
    { name: 'GET', path: '/a' },
  ],
  'more outcomes and hosts than are remembered': Array.from({ length: 60 }, (_, i) => ({
    status: 200 + (i % 20),
    host: `host-${i % 15}`,
    route: '/any',
  })),
}

describe("a request's span, put together from parts, says what its tags would have said", () => {
  for (const semanticConventions of [
    'opentelemetry',
    'opentracing',
    'both',
  ] satisfies SemanticConventions[]) {
    for (const [what, asked] of Object.entries(CASES)) {
      it(`${semanticConventions}: ${what}`, () => checkSame(asked, { semanticConventions }))
    }
  }

  it('more names than are remembered', () =>
    checkSame(Array.from({ length: 1500 }, (_, i) => ({ name: `GET /${i % 1200}`, path: `/${i}` }))))

  it('within limits that it would not keep to', async () => {
    await checkSame([{ path: '/a' }], { limits: { tags: 3 } })
    await checkSame([{ path: `/${'x'.repeat(200)}` }], { limits: { valueLength: 100 } })
  })

  it('within limits, as `keep` sees it', async () => {
    const seen: unknown[] = []
    const [span] = await sent(tracer => asFacts(tracer, { path: '/a' }), {
      limits: { tags: 2, valueLength: 5 },
      keep: ({ root }) => {
        seen.push({ ...root.tags })
        return true
      },
    })
    assert.deepEqual(seen, [{ 'span.kind': 'serv…', component: 'expr…' }])
    assert.equal(span?.dropped.attributes, 5)
  })

  it('not sampled: it has none, also when it is raised', async () => {
    const and = (span: Span) => span.setTag('sampling.priority', 1)
    const [span] = await sent(tracer => asFacts(tracer, { and }), { sampler: neverSampler() })
    assert.deepEqual(span?.attributes, { 'sampling.priority': 1, 'http.response.status_code': 200 })
  })

  it('gives way to what the app has set', async () => {
    const and = (span: Span) => span.setTag('http.method', 'HEAD').setTag('http.status_code', 201)
    const [span] = await sent(tracer => asFacts(tracer, { and }))
    assert.equal(span?.attributes['http.request.method'], 'HEAD')
    assert.equal(span?.attributes['http.response.status_code'], 200)
    assert.equal(new Set(span?.keys).size, span?.keys.length)
  })

  it('gives way to what the app sets when it is complete', async () => {
    const [span] = await sent(tracer => {
      const made = tracer.startSpan(NAME, { facts: factsOf({}) } as never) as Completable
      made.completeFacts(200, '/any')
      made.setTag('http.status_code', 201).finish()
    })
    assert.equal(span?.attributes['http.response.status_code'], 201)
    assert.equal(span?.attributes['http.route'], '/any')
    assert.equal(new Set(span?.keys).size, span?.keys.length)
  })

  it('a connection that is shared by two tracers, each in its own words', async () => {
    const peer = peerOf()
    for (let i = 0; i < 3; i++) {
      for (const semanticConventions of ['opentelemetry', 'opentracing'] as const) {
        const [span] = await arrived(asFacts, [{ peer }], { semanticConventions })
        const key = semanticConventions === 'opentelemetry' ? 'network.peer.address' : 'peer.ipv4'
        const { attributes } = span as DecodedSpan
        assert.equal(attributes[key], '192.0.2.7')
      }
    }
  })

  it('is part of the trace that the caller began, with its state', async () => {
    const spans = await sent(tracer => {
      for (const tracestate of [undefined, 'a=1']) {
        const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
        const headers = { traceparent, ...(tracestate && { tracestate }) }
        const childOf = tracer.extract(opentracing.FORMAT_HTTP_HEADERS, headers)
        const span = tracer.startSpan(NAME, { childOf, facts: factsOf({}) } as never) as Completable
        span.completeFacts(200, '/any')
        span.finish()
        span.setTag('too', 'late')
      }
    })
    // Those that can be written at once stand in front.
    assert.deepEqual(spans.map(({ traceState }) => traceState).sort(), ['', 'a=1'])
    for (const { traceId, parentSpanId, start, end, attributes } of spans) {
      assert.equal(traceId, '0af7651916cd43dd8448eb211c80319c')
      assert.equal(parentSpanId, 'b7ad6b7169203331')
      assert.ok(start <= end)
      assert.equal(attributes.too, undefined)
    }
  })

  it('is seen by `keep` with its tags', async () => {
    const seen: unknown[] = []
    await sent(tracer => asFacts(tracer, { route: '/any', status: 204 }), {
      keep({ statusCode, route }) {
        seen.push({ statusCode, route })
        return true
      },
    })
    assert.deepEqual(seen, [{ statusCode: 204, route: '/any' }])
  })
})

describe('spans of requests that have just ended', () => {
  it('are counted, and go when they have waited, however few they are', async () => {
    const collector = await startCollector()
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: otlpExporter({ url: collector.url }),
      batch: { delay: 50 },
    })
    for (let i = 0; i < 3; i++) asFacts(tracer, { name: `GET /${i}` })
    const { finished, queued } = tracer.stats()
    assert.deepEqual([finished, queued], [3, 3])
    await eventually(() => tracer.stats().exported === 3, 'three spans arrive')
    for (let i = 3; i < 40; i++) asFacts(tracer, { name: `GET /${i}` })
    assert.equal(tracer.stats().queued, 37)
    await tracer.flush()
    assert.equal(tracer.stats().exported, 40)
    await tracer.close()
    const names = collector.arrived.flatMap(({ request }) => request.spans.map(({ name }) => name))
    assert.deepEqual(
      names,
      Array.from({ length: 40 }, (_, i) => `GET /${i}`),
    )
    await closeCollectors()
  })

  it('fill a queue that is bounded in bytes by what they hold', async () => {
    const tracer = createTracer({
      serviceName: 'orders',
      onError: () => {},
      batch: { queueBytes: 100_000, spans: 1000 },
    })
    for (let i = 0; i < 208; i++) asFacts(tracer, { path: `/${'x'.repeat(2000)}` })
    const { queued, dropped } = tracer.stats()
    assert.ok(queued > 30 && queued < 50, `${queued} wait`)
    assert.equal(dropped.queueFull, 208 - queued)
    await tracer.close()
  })

  it('fill a batch that holds less than are packed at once, and a queue that does', async () => {
    const sizes: number[] = []
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: {
        async export(spans) {
          sizes.push(spans.length)
        },
      },
      batch: { spans: 5, queueSpans: 10 },
    })
    for (let i = 0; i < 17; i++) asFacts(tracer, { name: `GET /${i}` })
    await tracer.flush()
    const { finished, exported, dropped, queued } = tracer.stats()
    assert.deepEqual([finished, exported, dropped.queueFull, queued], [17, 10, 7, 0])
    assert.deepEqual(sizes, [5, 5])
    await tracer.close()
  })
})

describe('a span that cannot be written', () => {
  it('is counted, told, and costs no other', async () => {
    const collector = await startCollector()
    const failures: string[] = []
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: otlpExporter({ url: collector.url }),
      onError: (_, place) => failures.push(place),
    })
    asFacts(tracer, { name: 'one' })
    asFacts(tracer, { name: 'broken', path: Object.create(null, { length: { value: 3 } }) })
    asFacts(tracer, { name: 'two' })
    await tracer.close()
    assert.deepEqual(
      collector.arrived[0]?.request.spans.map(({ name }) => name),
      ['one', 'two'],
    )
    assert.deepEqual(failures, ['export'])
    const { finished, exported, dropped } = tracer.stats()
    assert.deepEqual([finished, exported, dropped.failed], [3, 2, 1])
    await closeCollectors()
  })
})

describe('a span that is dropped when it is packed', () => {
  it('leaves nothing that flush() would wait for', async () => {
    const dropped = async (asked: Asked, batch: NonNullable<TracerOptions['batch']>) => {
      const tracer = createTracer({ serviceName: 'orders', batch, onError: () => {} })
      asFacts(tracer, asked)
      await tracer.flush()
      const { queued, dropped } = tracer.stats()
      await tracer.close()
      assert.equal(queued, 0)
      return dropped
    }
    const long = await dropped({ path: `/${'x'.repeat(1500)}` }, { queueBytes: 1024 })
    assert.equal(long.queueFull, 1)
    const broken = await dropped({ path: Object.create(null, { length: { value: 3 } }) }, {})
    assert.equal(broken.failed, 1)
  })
})

describe('an exporter that somebody stands in front of', () => {
  it('a copy with an `export` of its own, or a new `export`, gets the spans', async () => {
    for (const wrap of [copied, replaced, replacedLater]) {
      const collector = await startCollector()
      const names: string[] = []
      const exporter = wrap(otlpExporter({ url: collector.url }), names)
      const tracer = createTracer({ serviceName: 'orders', exporter })
      await undefined
      asFacts(tracer, { name: 'one' })
      asFacts(tracer, { name: 'two' })
      await tracer.close()
      assert.deepEqual(names, ['one', 'two'], wrap.name)
      assert.deepEqual(
        collector.arrived[0]?.request.spans.map(({ name }) => name),
        ['one', 'two'],
      )
    }
    await closeCollectors()
  })
})

type Otlp = ReturnType<typeof otlpExporter>

function copied(otlp: Otlp, names: string[]): Otlp {
  return {
    ...otlp,
    export(spans, job) {
      names.push(...spans.map(({ operationName }) => operationName))
      return otlp.export(spans, job)
    },
  }
}

function replacedLater(otlp: Otlp, names: string[]): Otlp {
  queueMicrotask(() => replaced(otlp, names))
  return otlp
}

function replaced(otlp: Otlp, names: string[]): Otlp {
  const { export: before } = otlp
  otlp.export = (spans, job) => {
    names.push(...spans.map(({ operationName }) => operationName))
    return before(spans, job)
  }
  return otlp
}
