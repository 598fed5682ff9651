// Spans of requests on their way to a collector: what the queue does with them, and what arrives.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import opentracing, { type Span } from 'opentracing'
import type { Exporter, FinishedSpan, SemanticConventions, TracerOptions } from '../../src/tracer/index.ts'
import { createTracer, neverSampler, otlpExporter } from '../../src/tracer/index.ts'
import { eventually } from '../support/client.ts'
import { closeCollectors, type DecodedSpan, startCollector } from '../support/otlp-collector.ts'
import { arrivalsFrom } from '../support/tracer-world.ts'

interface Request {
  name?: string
  tags?: Record<string, unknown>
  status?: number
  route?: string
  /** What the app does with the span meanwhile. */
  and?: (span: Span) => void
}

/** A request's span, as the middleware makes it. */
function request(
  tracer: opentracing.Tracer,
  { name = 'GET /any', tags, status = 200, route, and }: Request,
): void {
  const span = tracer.startSpan(name, {
    tags: {
      'span.kind': 'server',
      component: 'express',
      'http.method': 'GET',
      'http.url': 'http://shop/',
      'peer.ipv4': '192.0.2.7',
      'peer.port': 51_234,
      ...tags,
    },
  })
  and?.(span)
  span.addTags({ 'http.status_code': status, ...(route !== undefined && { 'http.route': route }) }).finish()
}

const url = (path: string): Request => ({ tags: { 'http.url': `http://shop${path}` } })

/** What has arrived at a collector. */
async function sent(
  make: (tracer: opentracing.Tracer) => void,
  options: TracerOptions = {},
): Promise<DecodedSpan[]> {
  const arrived = await arrivalsFrom(make, options)
  return arrived.flatMap(({ request }) => request.spans)
}

after(closeCollectors)

describe("a request's span", () => {
  it('within limits, as `keep` sees it', async () => {
    const seen: unknown[] = []
    const [span] = await sent(tracer => request(tracer, url('/a')), {
      limits: { tags: 2, valueLength: 5 },
      keep: ({ root }) => {
        seen.push({ ...root.tags })
        return true
      },
    })
    assert.deepEqual(seen, [{ 'span.kind': 'serv…', component: 'expr…' }])
    assert.equal(span?.dropped.attributes, 5)
  })

  it('not sampled: it has no tags, also when it is raised', async () => {
    const and = (span: Span) => span.setTag('sampling.priority', 1)
    const [span] = await sent(tracer => request(tracer, { and }), { sampler: neverSampler() })
    assert.deepEqual(span?.attributes, { 'sampling.priority': 1, 'http.response.status_code': 200 })
  })

  it('gives way to what the app has set, each attribute once', async () => {
    const and = (span: Span) => span.setTag('http.method', 'HEAD').setTag('http.status_code', 201)
    const [span] = await sent(tracer => request(tracer, { and }))
    assert.equal(span?.attributes['http.request.method'], 'HEAD')
    assert.equal(span?.attributes['http.response.status_code'], 200)
    assert.equal(new Set(span?.keys).size, span?.keys.length)
  })

  it('is part of the trace that the caller began, with its state', async () => {
    const spans = await sent(tracer => {
      for (const tracestate of [undefined, 'a=1']) {
        const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
        const headers = { traceparent, ...(tracestate && { tracestate }) }
        const childOf = tracer.extract(opentracing.FORMAT_HTTP_HEADERS, headers)
        const span = tracer.startSpan('GET', { ...(childOf && { childOf }) })
        span.finish()
        span.setTag('too', 'late')
      }
    })
    assert.deepEqual(
      spans.map(({ traceState }) => traceState),
      ['', 'a=1'],
    )
    for (const { traceId, parentSpanId, start, end, attributes } of spans) {
      assert.equal(traceId, '0af7651916cd43dd8448eb211c80319c')
      assert.equal(parentSpanId, 'b7ad6b7169203331')
      assert.ok(start <= end)
      assert.equal(attributes.too, undefined)
    }
  })

  it('is seen by `keep` with its tags', async () => {
    const seen: unknown[] = []
    await sent(tracer => request(tracer, { route: '/any', status: 204 }), {
      keep({ statusCode, route }) {
        seen.push({ statusCode, route })
        return true
      },
    })
    assert.deepEqual(seen, [{ statusCode: 204, route: '/any' }])
  })
})

describe('the export queue', () => {
  it('sends spans when they have waited, however few they are, in the order of their end', async () => {
    const collector = await startCollector()
    const exporter = otlpExporter({ url: collector.url })
    const tracer = createTracer({ serviceName: 'orders', exporter, batch: { delay: 50 } })
    for (let i = 0; i < 3; i++) request(tracer, { name: `GET /${i}` })
    const { finished, queued } = tracer.stats()
    assert.deepEqual([finished, queued], [3, 3])
    await eventually(() => tracer.stats().exported === 3, 'three spans arrive')
    for (let i = 3; i < 40; i++) request(tracer, { name: `GET /${i}` })
    assert.equal(tracer.stats().queued, 37)
    await tracer.flush()
    assert.equal(tracer.stats().exported, 40)
    await tracer.close()
    const names = collector.arrived.flatMap(({ request }) => request.spans.map(({ name }) => name))
    assert.deepEqual(
      names,
      Array.from({ length: 40 }, (_, i) => `GET /${i}`),
    )
  })

  it('is bounded in bytes by what its spans hold', async () => {
    const tracer = createTracer({
      serviceName: 'orders',
      onError: () => {},
      batch: { queueBytes: 100_000, spans: 1000 },
    })
    for (let i = 0; i < 208; i++) request(tracer, url(`/${'x'.repeat(2000)}`))
    const { queued, dropped } = tracer.stats()
    assert.ok(queued > 30 && queued < 50, `${queued} wait`)
    assert.equal(dropped.queueFull, 208 - queued)
    await tracer.close()
  })

  it('drops what is over its bound in spans, and counts it', async () => {
    const sizes: number[] = []
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: {
        async export(spans) {
          sizes.push(spans.length)
        },
      },
      onError: () => {},
      batch: { spans: 5, queueSpans: 10 },
    })
    for (let i = 0; i < 17; i++) request(tracer, { name: `GET /${i}` })
    await tracer.flush()
    const { finished, exported, dropped, queued } = tracer.stats()
    assert.deepEqual([finished, exported, dropped.queueFull, queued], [17, 10, 7, 0])
    assert.deepEqual(sizes, [5, 5])
    await tracer.close()
  })

  it('has nothing that flush() would wait for when the only span was dropped', async () => {
    const batch = { queueBytes: 1024 }
    const tracer = createTracer({ serviceName: 'orders', batch, onError: () => {} })
    request(tracer, url(`/${'x'.repeat(1500)}`))
    await tracer.flush()
    const { queued, dropped } = tracer.stats()
    await tracer.close()
    assert.deepEqual([queued, dropped.queueFull], [0, 1])
  })
})

describe('an exporter of ours gets spans that are not the tracer’s own', () => {
  const conventions: SemanticConventions[] = ['opentelemetry', 'opentracing', 'both']
  const requests: Request[] = [
    {},
    { route: '/any', status: 404 },
    { status: 503, and: span => span.log({ event: 'error', message: 'no' }) },
    url('/grün/✓?q=1'),
    { tags: { list: ['a', 'b'], ratio: 0.5, ok: true } },
  ]
  for (const semanticConventions of conventions) {
    it(`${semanticConventions}: copies say what the spans themselves say`, async () => {
      const arrived = async (wrap: (exporter: Exporter) => Exporter) => {
        const collector = await startCollector()
        const exporter = wrap(otlpExporter({ url: collector.url }))
        const tracer = createTracer({ serviceName: 'orders', exporter, semanticConventions })
        for (const each of requests) request(tracer, each)
        await tracer.close()
        return collector.arrived.flatMap(({ request }) => request.spans).map(whatItSays)
      }
      assert.deepEqual(await arrived(copying), await arrived(exporter => exporter))
    })
  }

  it('one that cannot be encoded is counted and reported, and costs no other', async () => {
    const collector = await startCollector()
    const failures: string[] = []
    const otlp = otlpExporter({ url: collector.url })
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: {
        ...otlp,
        export: ([one, two, three], job) =>
          otlp.export([one, { ...copy(two), tags: null }, three] as never, job),
      },
      onError: (error, place) => failures.push(`${place}: ${(error as Error).message}`),
    })
    for (const name of ['one', 'broken', 'two']) request(tracer, { name })
    await tracer.close()
    assert.deepEqual(
      collector.arrived[0]?.request.spans.map(({ name }) => name),
      ['one', 'two'],
    )
    assert.match(failures.join(), /^export: .*a span cannot be encoded/)
    const { finished, exported, dropped } = tracer.stats()
    assert.deepEqual([finished, exported, dropped.rejected], [3, 2, 1])
  })
})

function copying(exporter: Exporter): Exporter {
  return { ...exporter, export: (spans, job) => exporter.export(spans.map(copy), job) }
}

function copy(span: FinishedSpan | undefined): FinishedSpan {
  const { traceId, spanId, parentId, operationName, startTime, duration, tags } = span as FinishedSpan
  const { logs, references, droppedTags, droppedLogs, tracestate } = span as FinishedSpan
  const { traceFlags, isParentRemote, debug } = span as FinishedSpan
  return {
    ...{ traceId, spanId, parentId, operationName, startTime, duration, tags: { ...tags } },
    ...{ logs: structuredClone(logs), references: structuredClone(references) },
    ...{ droppedTags, droppedLogs, tracestate, traceFlags, isParentRemote, debug },
  }
}

function whatItSays({ name, kind, attributes, keys, events, status, dropped, flags }: DecodedSpan): object {
  assert.equal(new Set(keys).size, keys.length, 'an attribute came twice')
  return { name, kind, attributes, events: events.map(({ name }) => name), status, dropped, flags }
}

describe('an exporter in front of ours', () => {
  it('a copy with an `export` of its own, or a new `export`, gets the spans', async () => {
    for (const wrap of [copied, replaced, replacedLater]) {
      const collector = await startCollector()
      const names: string[] = []
      const exporter = wrap(otlpExporter({ url: collector.url }), names)
      const tracer = createTracer({ serviceName: 'orders', exporter })
      await undefined
      request(tracer, { name: 'one' })
      request(tracer, { name: 'two' })
      await tracer.close()
      assert.deepEqual(names, ['one', 'two'], wrap.name)
      assert.deepEqual(
        collector.arrived[0]?.request.spans.map(({ name }) => name),
        ['one', 'two'],
      )
    }
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
