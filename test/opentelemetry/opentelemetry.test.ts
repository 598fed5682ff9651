// The bridge to OpenTelemetry, on a real SDK: what its spans hold, who is whose parent, what goes in and out of headers;
// at the end whole requests, through Express and OTLP into the viewer.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'
import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { suppressTracing } from '@opentelemetry/core'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  SimpleSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
  type TracerConfig,
} from '@opentelemetry/sdk-trace-base'
import express from 'express'
import opentracing, { type Span, type SpanContext, type Tracer } from 'opentracing'
import { startViewer, type Viewer, type ViewerSpan } from 'tracing-viewer'
import { activeSpan, bindSpan } from '../../src/core/scope.ts'
import { getSpan } from '../../src/core/server/index.ts'
import type { OnError } from '../../src/core/settings/report.ts'
import { withSpan } from '../../src/core/with-span.ts'
import { tracingErrorMiddleware, tracingMiddleware } from '../../src/express/index.ts'
import { initJaegerTracer } from '../../src/jaeger/index.ts'
import {
  contextOfSpan,
  type OpenTelemetryTracer,
  type OpenTelemetryTracerOptions,
  openTelemetryTracer,
} from '../../src/opentelemetry/index.ts'
import { createTracer, otlpExporter } from '../../src/tracer/index.ts'
import { ask, eventually, leave } from '../support/client.ts'
import { CONTRACT, type TracerHost } from '../support/tracer-contract.ts'

const { childOf, followsFrom, FORMAT_BINARY, FORMAT_HTTP_HEADERS, FORMAT_TEXT_MAP } = opentracing

interface Bench {
  tracer: OpenTelemetryTracer
  /** The finished spans. */
  spans(): ReadableSpan[]
  /** The one finished span of that name. */
  span(name: string): ReadableSpan
  reports: string[]
}

function bench(options: OpenTelemetryTracerOptions & TracerConfig = {}): Bench {
  const { sampler, spanLimits, ...rest } = options
  const exporter = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({
    ...(sampler && { sampler }),
    ...(spanLimits && { spanLimits }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  })
  const reports: string[] = []
  const onError: OnError = (error, place) => reports.push(`${place}: ${(error as Error).message}`)
  return {
    tracer: openTelemetryTracer({ tracerProvider, onError, ...rest }),
    spans: () => exporter.getFinishedSpans(),
    span(name) {
      const found = exporter.getFinishedSpans().filter(span => span.name === name)
      assert.equal(found.length, 1, `one span ${name}`)
      return found[0] as ReadableSpan
    },
    reports,
  }
}

function headersOf(tracer: Tracer, span: Span, format = FORMAT_HTTP_HEADERS): Record<string, string> {
  const carrier = {}
  tracer.inject(span, format, carrier)
  return carrier
}

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const CALLER_ID = 'b7ad6b7169203331'
const OTHER_ID = '00f067aa0ba902b7'
const traceparent = `00-${TRACE_ID}-${CALLER_ID}-01`

describe('the tracer contract', () => {
  const milliseconds = ([seconds, nanoseconds]: readonly [number, number]) =>
    seconds * 1000 + nanoseconds / 1e6
  const host: TracerHost = {
    name: 'OpenTelemetry',
    make(sampling) {
      const { tracer, spans } = bench(sampling === 'never' ? { sampler: new AlwaysOffSampler() } : {})
      return {
        tracer,
        seen: async () =>
          spans().map(span => ({
            name: span.name,
            ...span.spanContext(),
            parentId: span.parentSpanContext?.spanId,
            tags: span.attributes,
            logs: span.events.map(({ name, attributes, time }) => ({
              fields: { event: name, ...attributes },
              timestamp: milliseconds(time),
            })),
            startTime: milliseconds(span.startTime),
            duration: milliseconds(span.duration),
          })),
      }
    },
    lacks: {
      'T-PRIORITY': 'where a trace starts, the api has no way round a sampler that does not look',
      'T-PRIORITY-LATE': 'the api has no way back from a sampling decision',
    },
  }
  for (const { id, title, run } of CONTRACT) {
    const lack = host.lacks[id]
    test(lack === undefined ? `${id} ${title}` : `${id} is not fulfilled: ${lack}`, async () => {
      if (lack === undefined) await run(host)
      else await assert.rejects(async () => run(host), `${id} is fulfilled: take it out of lacks`)
    })
  }
})

describe('parents and links', () => {
  const { tracer, span } = bench()
  const first = tracer.startSpan('first')
  const second = tracer.startSpan('second')
  const nobody = new opentracing.SpanContext()

  interface Case {
    title: string
    fields: opentracing.SpanOptions
    parent: Span | undefined
    links: [Span, string][]
  }
  const rows: Case[] = [
    { title: 'childOf: a span', fields: { childOf: first }, parent: first, links: [] },
    { title: 'childOf: a context', fields: { childOf: first.context() }, parent: first, links: [] },
    {
      title: 'references [childOf]',
      fields: { references: [childOf(first.context())] },
      parent: first,
      links: [],
    },
    {
      title: 'references [childOf of a span itself]',
      fields: { references: [childOf(first)] },
      parent: first,
      links: [],
    },
    {
      title: 'references [followsFrom]: the same trace, and a link that tells how',
      fields: { references: [followsFrom(first)] },
      parent: first,
      links: [[first, 'follows_from']],
    },
    {
      title: 'the first childOf is the parent, wherever it stands',
      fields: { references: [followsFrom(second), childOf(first)] },
      parent: first,
      links: [[second, 'follows_from']],
    },
    {
      title: 'a second childOf is a link',
      fields: { references: [childOf(first), childOf(second)] },
      parent: first,
      links: [[second, 'child_of']],
    },
    {
      title: 'childOf beside references: it is the parent',
      fields: { childOf: first, references: [childOf(second)] },
      parent: first,
      links: [[second, 'child_of']],
    },
    {
      title: 'a parent without ids: a new trace, the caller is a link (publicEndpoint)',
      fields: { references: [childOf(nobody), followsFrom(first)] },
      parent: undefined,
      links: [[first, 'follows_from']],
    },
    { title: 'no references', fields: { references: [] }, parent: undefined, links: [] },
    { title: 'nothing', fields: {}, parent: undefined, links: [] },
  ]
  rows.forEach(({ title, fields, parent, links }, i) => {
    test(title, () => {
      const made = tracer.startSpan(`child ${i}`, fields)
      made.finish()
      const { parentSpanContext, links: found } = span(`child ${i}`)
      assert.equal(parentSpanContext?.spanId, parent?.context().toSpanId())
      const others = [first.context().toTraceId(), second.context().toTraceId()]
      if (parent) assert.equal(made.context().toTraceId(), parent.context().toTraceId())
      else assert.ok(!others.includes(made.context().toTraceId()))
      assert.deepEqual(
        found.map(link => [link.context.spanId, link.attributes?.['opentracing.ref_type']]),
        links.map(([to, type]) => [to.context().toSpanId(), type]),
      )
    })
  })

  test("another tracer's contexts count by their ids, as parent and as link", async () => {
    const jaeger = initJaegerTracer({
      serviceName: 'other',
      sampler: { type: 'const', param: 1 },
      traceId128bit: false,
    })
    const ours = createTracer({ serviceName: 'other', exporter: { export: async () => {} } })
    const foreign = jaeger.startSpan('foreign')
    const linked = ours.startSpan('linked')
    const references = [childOf(foreign.context()), followsFrom(linked.context())]
    tracer.startSpan('below', { references }).finish()
    const { parentSpanContext, links } = span('below')
    assert.equal(parentSpanContext?.traceId, foreign.context().toTraceId().padStart(32, '0'))
    assert.equal(parentSpanContext?.spanId, foreign.context().toSpanId().padStart(16, '0'))
    assert.deepEqual(
      links.map(link => link.context.spanId),
      [linked.context().toSpanId()],
    )
    assert.match(headersOf(tracer, foreign).traceparent as string, /^00-0{16}[0-9a-f]{16}-[0-9a-f]{16}-01$/)
    const unsampled = tracer.startSpan('unsampled', { tags: { 'sampling.priority': 0 } })
    const back = (parent: Span) => headersOf(ours, ours.startSpan('back', { childOf: parent })).traceparent
    assert.match(String(back(first)), new RegExp(`^00-${first.context().toTraceId()}-.*-01$`))
    assert.match(String(back(unsampled)), /-00$/)
    await Promise.all([jaeger.close(), ours.close()])
  })

  test("a foreign context's refusal to be sampled is respected", () => {
    const { tracer, spans } = bench()
    const unsampled = { toTraceId: () => TRACE_ID, toSpanId: () => CALLER_ID, isSampled: () => false }
    const made = tracer.startSpan('below', { childOf: unsampled })
    made.finish()
    assert.equal(made.context().toTraceId(), TRACE_ID)
    assert.deepEqual(spans(), [])
  })

  test('a context that throws costs the parent, and is reported once', () => {
    const { tracer, span, reports } = bench()
    const broken = {
      toTraceId() {
        throw new Error('no id')
      },
      toSpanId: () => CALLER_ID,
    }
    for (const name of ['a', 'b']) tracer.startSpan(name, { childOf: broken as never }).finish()
    assert.equal(span('a').parentSpanContext, undefined)
    assert.deepEqual(reports, ['span context: no id'])
  })
})

describe('kind and status', () => {
  const kinds: [unknown, SpanKind][] = [
    ['server', SpanKind.SERVER],
    ['client', SpanKind.CLIENT],
    ['producer', SpanKind.PRODUCER],
    ['consumer', SpanKind.CONSUMER],
    ['internal', SpanKind.INTERNAL],
    [undefined, SpanKind.INTERNAL],
    [{ odd: true }, SpanKind.INTERNAL],
  ]
  for (const [given, kind] of kinds) {
    test(`span.kind ${JSON.stringify(given)} is SpanKind.${SpanKind[kind]}`, () => {
      const { tracer, span } = bench()
      tracer.startSpan('work', { tags: { 'span.kind': given } }).finish()
      assert.equal(span('work').kind, kind)
      assert.equal('span.kind' in span('work').attributes, false)
    })
  }

  test('a kind that is set late is an attribute, since OpenTelemetry takes it at the start alone', () => {
    const { tracer, span } = bench()
    tracer.startSpan('work').setTag('span.kind', 'client').finish()
    assert.equal(span('work').kind, SpanKind.INTERNAL)
    assert.equal(span('work').attributes['span.kind'], 'client')
  })

  const { UNSET, ERROR } = SpanStatusCode
  const rows: [title: string, start: object, late: object[], status: SpanStatusCode, errorType?: string][] = [
    ['nothing', {}, [], UNSET],
    ['error: true at the start', { error: true }, [], ERROR, '_OTHER'],
    ['error: "true" at the start', { error: 'true' }, [], ERROR, '_OTHER'],
    ['error: false at the start', { error: false }, [], UNSET],
    ['error: true late', {}, [{ error: true }], ERROR, '_OTHER'],
    ['error: false, then true', { error: false }, [{ error: true }], ERROR, '_OTHER'],
    ['error: true, then false', { error: true }, [{ error: false }], UNSET],
    ['error: true, false, true', { error: true }, [{ error: false }, { error: true }], ERROR, '_OTHER'],
    ['a server, 500', { 'span.kind': 'server' }, [{ 'http.status_code': 500 }], ERROR, '500'],
    ['a server, 404', { 'span.kind': 'server' }, [{ 'http.status_code': 404 }], UNSET],
    ['a client, 404', { 'span.kind': 'client' }, [{ 'http.status_code': 404 }], ERROR, '404'],
    [
      'a client, 404 and error: false',
      { 'span.kind': 'client' },
      [{ 'http.status_code': 404, error: false }],
      UNSET,
    ],
    [
      'a client that left',
      { 'span.kind': 'server' },
      [{ aborted: 'before response' }],
      UNSET,
      'client_disconnected',
    ],
  ]
  for (const [title, start, late, status, errorType] of rows) {
    test(`status: ${title}`, () => {
      const { tracer, span } = bench()
      const made = tracer.startSpan('work', { tags: { ...start } })
      for (const tags of late) made.addTags({ ...tags })
      made.finish()
      assert.equal(span('work').status.code, status)
      assert.equal(span('work').attributes['error.type'], errorType)
    })
  }

  test('a message tells why, where a status code does not', () => {
    const { tracer, span } = bench()
    const made = tracer.startSpan('work')
    made.setTag('error', true).log({ event: 'error', 'error.kind': 'TypeError', message: 'no such user' })
    made.finish()
    assert.deepEqual(span('work').status, { code: ERROR, message: 'no such user' })
    assert.equal(span('work').attributes['error.type'], 'TypeError')
  })
})

describe('logs', () => {
  test('an error that core logs is an exception event, cleaned', async () => {
    const { tracer, span } = bench()
    const parent = tracer.startSpan('parent')
    const error = Object.assign(new TypeError('no access with ?token=s3cret'), {
      config: { password: 'hidden' },
    })
    const fail = async () => {
      throw error
    }
    await assert.rejects(bindSpan(() => withSpan('fail', fail), parent)(), error)
    const { events, status } = span('fail')
    const attributes = events[0]?.attributes ?? {}
    assert.deepEqual([events.length, events[0]?.name], [1, 'exception'])
    assert.equal(attributes['exception.type'], 'TypeError')
    assert.equal(attributes['exception.message'], 'no access with ?token=REDACTED')
    assert.match(String(attributes['exception.stacktrace']), /^TypeError: no access[\s\S]+ at /)
    assert.doesNotMatch(JSON.stringify(events), /s3cret|hidden/)
    assert.deepEqual(status, { code: SpanStatusCode.ERROR, message: attributes['exception.message'] })
    assert.equal(span('fail').attributes['error.type'], 'TypeError')
  })

  test('an Error object alone tells its kind, message and stack', () => {
    const { tracer, span } = bench()
    tracer
      .startSpan('work')
      .log({ 'error.object': new RangeError('too far, password=abc') })
      .finish()
    const [event] = span('work').events
    assert.equal(event?.name, 'exception')
    assert.equal(event?.attributes?.['exception.type'], 'RangeError')
    assert.match(event?.attributes?.['exception.message'] as string, /^too far/)
    assert.match(event?.attributes?.['exception.stacktrace'] as string, /opentelemetry\.test/)
  })

  test('any other log is an event with its fields, at its time', () => {
    const { tracer, span } = bench()
    const made = tracer.startSpan('work', { startTime: 1_700_000_000_000 })
    made.log(
      { event: 'cache miss', key: 'a', size: 3, list: ['a', 1], nothing: undefined },
      1_700_000_000_123.5,
    )
    made.log({ message: 'no name' })
    made.logEvent('old', { form: true })
    made.finish(1_700_000_001_000.25)
    const { events, startTime, endTime } = span('work')
    assert.deepEqual(
      events.map(({ name, attributes }) => ({ name, attributes: { ...attributes } })),
      [
        { name: 'cache miss', attributes: { key: 'a', size: 3, list: ['a', '1'] } },
        { name: 'log', attributes: { message: 'no name' } },
        { name: 'old', attributes: { payload: '{"form":true}' } },
      ],
    )
    assert.deepEqual(events[0]?.time, [1_700_000_000, 123_500_000])
    assert.deepEqual(startTime, [1_700_000_000, 0])
    assert.deepEqual(endTime, [1_700_000_001, 250_000])
  })
})

describe('attributes', () => {
  const tags = {
    'span.kind': 'server',
    component: 'express',
    'http.method': 'GET',
    'http.url': 'http://localhost:3000/users/42?page=2',
    'peer.ipv4': '127.0.0.1',
    'peer.port': 51234,
    'user.plan': 'gold',
  }
  const inOpenTelemetry = {
    component: 'express',
    'http.request.method': 'GET',
    'server.address': 'localhost',
    'server.port': 3000,
    'url.scheme': 'http',
    'url.path': '/users/42',
    'url.query': 'page=2',
    'network.peer.address': '127.0.0.1',
    'client.address': '127.0.0.1',
    'network.peer.port': 51234,
    'user.plan': 'gold',
  }
  const { 'span.kind': _, ...inOpenTracing } = tags

  for (const [conventions, expected] of [
    [undefined, inOpenTelemetry],
    ['opentelemetry', inOpenTelemetry],
    ['opentracing', inOpenTracing],
    ['both', { ...inOpenTracing, ...inOpenTelemetry }],
  ] as const) {
    test(`semanticConventions ${conventions}: what samplers see is what arrives`, () => {
      let seen: Attributes = {}
      const sampler: Sampler = {
        shouldSample(_context, _traceId, _name, _kind, attributes) {
          seen = { ...attributes }
          return { decision: SamplingDecision.RECORD_AND_SAMPLED }
        },
        toString: () => 'looks',
      }
      const options = conventions === undefined ? {} : { semanticConventions: conventions }
      const { tracer, span } = bench({ sampler, ...options })
      tracer.startSpan('GET', { tags }).finish()
      assert.deepEqual(seen, expected)
      assert.deepEqual({ ...span('GET').attributes }, expected)
    })
  }

  test('late tags win, and are translated with the early ones', () => {
    const { tracer, span } = bench()
    const made = tracer.startSpan('GET', { tags })
    made.setTag('http.status_code', 200).addTags({ 'user.plan': 'free', 'peer.hostname': 'edge' })
    made.finish()
    assert.deepEqual(
      { ...span('GET').attributes },
      {
        ...inOpenTelemetry,
        'user.plan': 'free',
        'http.response.status_code': 200,
        'client.address': 'edge',
      },
    )
  })

  test('F056: odd values are written as far as they can be, and none throws', () => {
    const { tracer, span, reports } = bench()
    const cyclic: { self?: unknown } = {}
    cyclic.self = cyclic
    const trap = new Proxy({}, { ownKeys: () => assert.fail('looked at') })
    const made = tracer.startSpan('odd', { tags: { big: 10n ** 30n, cyclic, nothing: undefined } })
    const odd = {
      fn() {},
      symbol: Symbol('s'),
      nan: Number.NaN,
      nul: null,
      trap,
      mixed: [1, 'a', true],
      texts: ['a', 'b'],
      error: false,
      thrown: new Error('no'),
      long: 'x'.repeat(100_000),
      '': 'no name',
      ['__proto__']: 'polluted',
    }
    made
      .addTags(odd)
      .setTag(Symbol('key') as never, 1)
      .log(odd)
      .log(null as never)
    const getter = Object.defineProperty({ first: 1 }, 'second', {
      enumerable: true,
      get() {
        throw new Error('not readable')
      },
    })
    made.addTags(getter).log(getter).finish()
    const { attributes } = span('odd')
    assert.equal(attributes.big, String(10n ** 30n))
    assert.match(String(attributes.cyclic), /^\{"self":/)
    assert.deepEqual(attributes.mixed, ['1', 'a', 'true'])
    assert.deepEqual(attributes.texts, ['a', 'b'])
    assert.equal(attributes.thrown, 'Error: no')
    assert.equal(String(attributes.long).length, 8192)
    assert.ok(Number.isNaN(attributes.nan))
    assert.equal(attributes['Symbol(key)'], 1)
    assert.equal(attributes.first, 1)
    for (const absent of ['fn', 'symbol', 'nul', 'nothing', 'second', '', 'error'])
      assert.ok(!(absent in attributes), absent)
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
    assert.deepEqual(reports, ['tags: not readable', 'log: not readable'])
  })

  test('F047: an odd operation name', () => {
    const { tracer, spans } = bench()
    tracer.startSpan(undefined as never).finish()
    tracer.startSpan('first').setOperationName('x'.repeat(100_000)).finish()
    assert.deepEqual(
      spans().map(({ name }) => name.length),
      [9, 256],
    )
  })

  test('F098: more tags than we translate are left to the SDK, which counts what it drops', () => {
    const { tracer, span } = bench({ spanLimits: { attributeCountLimit: 200 } })
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`tag ${i}`, i]))
    tracer.startSpan('at the start', { tags: many }).finish()
    tracer
      .startSpan('late')
      .addTags({ 'http.method': 'GET', ...many })
      .setTag('http.url', '/a')
      .finish()
    assert.equal(span('at the start').droppedAttributesCount, 100)
    assert.equal(span('late').droppedAttributesCount, 102)
    assert.equal(span('late').attributes['http.request.method'], 'GET')
    tracer
      .startSpan('just over')
      .addTags(Object.fromEntries(Object.entries(many).slice(0, 128)))
      .setTag('http.method', 'GET')
      .finish()
    assert.equal(span('just over').attributes['http.method'], 'GET')
  })
})

describe('life of a span', () => {
  test('F102: a second finish is harmless and reported once; what comes after the first changes nothing', () => {
    const { tracer, spans, reports } = bench()
    const made = tracer.startSpan('work')
    made.finish()
    made.setTag('late', 1).addTags({ late: 2 }).log({ event: 'late' }).setOperationName('late').finish()
    made.finish()
    assert.deepEqual(
      spans().map(({ name, attributes, events }) => [name, { ...attributes }, events]),
      [['work', {}, []]],
    )
    assert.deepEqual(reports, ['finish: a span was finished twice; the first time counts'])
  })

  test('times that are none are now', () => {
    const { tracer, span } = bench()
    const before = Math.floor(Date.now() / 1000)
    for (const time of [Number.NaN, -1, 'noon', new Date(0), Number.POSITIVE_INFINITY] as never[])
      tracer.startSpan(`from ${time}`, { startTime: time }).log({ event: 'x' }, time).finish(time)
    const { startTime, endTime, events } = span('from NaN')
    for (const [seconds] of [startTime, endTime, events[0]?.time ?? [0]]) assert.ok(seconds >= before)
  })

  test('F099: the wall clock jumps back by an hour, the duration stays', t => {
    const { tracer, span } = bench()
    const made = tracer.startSpan('work')
    const now = Date.now()
    t.mock.method(Date, 'now', () => now - 3_600_000)
    made.finish()
    const [seconds, nanoseconds] = span('work').duration
    assert.ok(seconds === 0 && nanoseconds >= 0)
  })

  test("passes the checks that come with the package 'opentracing'", () => {
    const checks = createRequire(import.meta.url)('opentracing/lib/test/api_compatibility.js')
    const cases: [string, () => void][] = []
    const each: (() => void)[] = []
    const found = {
      describe: (_: string, body: () => void) => body(),
      it: (title: string, body: () => void) => cases.push([title, body]),
      beforeEach: (body: () => void) => each.push(body),
    }
    const real = Object.fromEntries(Object.keys(found).map(key => [key, Reflect.get(globalThis, key)]))
    Object.assign(globalThis, found)
    checks.default(() => bench().tracer, { skipBaggageChecks: false, skipInjectExtractChecks: false })
    Object.assign(globalThis, real)
    assert.ok(cases.length >= 9, `${cases.length} checks`)
    for (const [, body] of cases) {
      for (const prepare of each) prepare()
      body()
    }
  })
})

describe('headers', () => {
  const extract = (tracer: Tracer, headers: object) => tracer.extract(FORMAT_HTTP_HEADERS, headers)

  test("F015: the first valid format wins; OpenTelemetry's propagators are not asked", () => {
    const { tracer, span } = bench()
    const caller = extract(tracer, { traceparent, 'uber-trace-id': 'zz:yy:0:1', b3: 'garbage' })
    tracer.startSpan('GET', { childOf: caller as SpanContext }).finish()
    const { parentSpanContext } = span('GET')
    assert.deepEqual(
      [parentSpanContext?.traceId, parentSpanContext?.spanId, parentSpanContext?.isRemote],
      [TRACE_ID, CALLER_ID, true],
    )
    assert.equal(tracer.meter.read().incoming.formats['uber-trace-id']?.rejected, 1)
  })

  test('the same ids go out in every format that is asked for', () => {
    const { tracer } = bench({ propagation: { inject: ['tracecontext', 'uber-trace-id', 'b3', 'b3multi'] } })
    const parent = tracer.startSpan('parent')
    const made = tracer.startSpan('child', { childOf: parent })
    const [traceId, spanId] = [made.context().toTraceId(), made.context().toSpanId()]
    const above = parent.context().toSpanId()
    assert.match(traceId, /^[0-9a-f]{32}$/)
    assert.deepEqual(headersOf(tracer, made), {
      traceparent: `00-${traceId}-${spanId}-01`,
      'uber-trace-id': `${traceId}:${spanId}:${above}:1`,
      b3: `${traceId}-${spanId}-1-${above}`,
      'x-b3-traceid': traceId,
      'x-b3-spanid': spanId,
      'x-b3-parentspanid': above,
      'x-b3-sampled': '1',
    })
    assert.equal(tracer.meter.read().outgoing.formats.b3?.used, 1)
  })

  test('text map and binary carry the same', () => {
    const { tracer } = bench()
    const made = tracer.startSpan('work').setBaggageItem('who', 'Zoë & co')
    for (const format of [FORMAT_TEXT_MAP, FORMAT_BINARY]) {
      const back = tracer.extract(format, headersOf(tracer, made, format))
      assert.equal(back?.toSpanId(), made.context().toSpanId(), format)
      const below = tracer.startSpan('below', { childOf: back as SpanContext })
      assert.equal(below.getBaggageItem('who'), 'Zoë & co')
    }
  })

  test('carriers and formats that are none are reported, and nothing throws', () => {
    const { tracer, reports } = bench()
    const made = tracer.startSpan('work')
    tracer.inject(made, FORMAT_HTTP_HEADERS, null)
    tracer.inject(made, 'smoke', {})
    tracer.inject(null as never, FORMAT_HTTP_HEADERS, {})
    assert.equal(tracer.extract(FORMAT_HTTP_HEADERS, null), null)
    assert.equal(tracer.extract('smoke', {}), null)
    assert.equal(tracer.extract(FORMAT_BINARY, { buffer: 'garbage' }), null)
    assert.deepEqual(
      reports.map(report => report.split(':')[0]),
      ['inject', 'extract'],
    )
  })

  test('a context of baggage alone survives: into a new trace, and through without a span', () => {
    const { tracer, span } = bench()
    const caller = extract(tracer, { baggage: 'tenant=acme;secret' }) as SpanContext
    assert.equal(caller.toTraceId(), '')
    const made = tracer.startSpan('GET', { childOf: caller })
    made.finish()
    assert.equal(span('GET').parentSpanContext, undefined)
    assert.equal(made.getBaggageItem('tenant'), 'acme')
    assert.equal(headersOf(tracer, made).baggage, 'tenant=acme;secret')
    made.setBaggageItem('tenant', 'other')
    assert.equal(headersOf(tracer, made).baggage, 'tenant=other')
    const through = {}
    tracer.inject(caller, FORMAT_HTTP_HEADERS, through)
    assert.deepEqual(through, { baggage: 'tenant=acme;secret', 'uberctx-tenant': 'acme' })
  })

  test('baggage goes down, not up; keys of strangers are only keys', () => {
    const { tracer } = bench()
    const parent = tracer.startSpan('parent')
    const before = parent.context()
    parent.setBaggageItem('a', '1').setBaggageItem('__proto__', 'x')
    const child = tracer.startSpan('child', { childOf: parent }).setBaggageItem('b', '2')
    assert.deepEqual(
      [child.getBaggageItem('a'), child.getBaggageItem('b'), child.getBaggageItem('__proto__')],
      ['1', '2', 'x'],
    )
    assert.equal(parent.getBaggageItem('b'), undefined)
    const early = tracer.startSpan('of the early context', { childOf: before })
    assert.equal(early.getBaggageItem('a'), undefined)
  })

  test("others' tracestate is seen by OpenTelemetry and goes on, also when it is longer than the api keeps", () => {
    const { tracer, span } = bench()
    for (const tracestate of [
      'vendor=1,other=2',
      `vendor=${'x'.repeat(250)},a=${'y'.repeat(250)},b=${'z'.repeat(99)}`,
    ]) {
      const caller = extract(tracer, { traceparent, tracestate }) as SpanContext
      const made = tracer.startSpan(`with ${tracestate.length}`, { childOf: caller })
      const below = tracer.startSpan('below', { childOf: made })
      made.finish()
      assert.equal(headersOf(tracer, below).tracestate, tracestate)
    }
    assert.equal(span('with 16').spanContext().traceState?.get('other'), '2')
  })

  test("a sampler's own tracestate goes out", () => {
    const sampler: Sampler = {
      shouldSample: context => ({
        decision: SamplingDecision.RECORD_AND_SAMPLED,
        traceState: trace.getSpanContext(context)?.traceState?.set('ours', 'new') as never,
      }),
      toString: () => 'marks',
    }
    const { tracer } = bench({ sampler })
    const caller = extract(tracer, { traceparent, tracestate: 'vendor=1' }) as SpanContext
    assert.equal(
      headersOf(tracer, tracer.startSpan('GET', { childOf: caller })).tracestate,
      'ours=new,vendor=1',
    )
  })

  test('the random flag of level 2 is kept', () => {
    const { tracer } = bench()
    const caller = extract(tracer, {
      traceparent: `00-${TRACE_ID}-${CALLER_ID}-03`,
    }) as SpanContext
    const below = tracer.startSpan('below', { childOf: tracer.startSpan('GET', { childOf: caller }) })
    assert.match(headersOf(tracer, below).traceparent as string, /-03$/)
    assert.equal(trace.getSpanContext(contextOfSpan(caller))?.traceFlags, 3)
  })

  test('without an SDK, what came in goes out: ids, an open decision, baggage', () => {
    const tracer = openTelemetryTracer({ propagation: { inject: ['b3', 'tracecontext', 'baggage'] } })
    const headers = { b3: `${TRACE_ID}-${CALLER_ID}`, baggage: 'tenant=acme' }
    const made = tracer.startSpan('GET', { childOf: extract(tracer, headers) as SpanContext })
    const below = tracer.startSpan('below', { childOf: made })
    below.setTag('a', 1).log({ event: 'b' }).finish()
    assert.deepEqual(headersOf(tracer, below), { ...headers, traceparent: `00-${TRACE_ID}-${CALLER_ID}-00` })
    const root = tracer.startSpan('root').setBaggageItem('a', '1')
    assert.equal(root.context().toTraceId(), '')
    assert.deepEqual(headersOf(tracer, root), { baggage: 'a=1' })
  })
})

describe('sampling', () => {
  const ratio = { sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }) }
  const start = (
    { tracer }: Bench,
    headers: Record<string, string>,
    tags: Record<string, unknown> = {},
  ): Span => {
    const caller = tracer.extract(FORMAT_HTTP_HEADERS, headers)
    return tracer.startSpan('GET', { tags, ...(caller && { childOf: caller }) })
  }
  const flags = ({ tracer }: Bench, span: Span) => headersOf(tracer, span)['uber-trace-id']?.split(':')[3]

  interface Case {
    id: string
    headers?: Record<string, string>
    tags?: Record<string, unknown>
    /** Under a sampler that samples no trace of its own. */
    sampled: boolean
    flags?: string
    attributes?: Attributes
  }
  const b3 = `${TRACE_ID}-${CALLER_ID}`
  const rows: Case[] = [
    { id: 'a new trace: the sampler decides', sampled: false },
    { id: 'sampled by the caller', headers: { traceparent }, sampled: true },
    { id: 'not sampled by the caller', headers: { b3: `${b3}-0` }, sampled: false },
    { id: 'left open by the caller (B3 deferred): sampled', headers: { b3 }, sampled: true },
    {
      id: 'F013 debug',
      headers: { b3: `${b3}-d` },
      sampled: true,
      flags: '3',
      attributes: { 'sampling.priority': 1 },
    },
    {
      id: 'a debug id beside an unsampled trace',
      headers: { 'uber-trace-id': `${TRACE_ID}:${CALLER_ID}:0:0`, 'jaeger-debug-id': 'ticket 7' },
      sampled: true,
      flags: '3',
      attributes: { 'jaeger-debug-id': 'ticket 7', 'sampling.priority': 1 },
    },
    {
      id: 'sampling.priority above 0 below an unsampled caller',
      headers: { b3: `${b3}-0` },
      tags: { 'sampling.priority': 1 },
      sampled: true,
      flags: '3',
      attributes: { 'sampling.priority': 1 },
    },
    {
      id: 'sampling.priority 0 below a sampled caller',
      headers: { traceparent },
      tags: { 'sampling.priority': 0 },
      sampled: false,
      flags: '0',
    },
  ]
  for (const { id, headers = {}, tags = {}, sampled, flags: expected, attributes = {} } of rows) {
    test(id, () => {
      const own = bench(ratio)
      const made = start(own, headers, tags)
      const below = own.tracer.startSpan('below', { childOf: made })
      // What nobody will see is not even read.
      if (!sampled)
        below.addTags({
          get unseen() {
            throw new Error('read')
          },
        })
      below.finish()
      made.finish()
      assert.equal(own.spans().length, sampled ? 2 : 0)
      assert.equal(flags(own, below), expected ?? (sampled ? '1' : '0'))
      if (Object.keys(headers).length > 0) assert.equal(below.context().toTraceId(), TRACE_ID)
      assert.deepEqual(own.reports, [])
      if (!sampled) return
      assert.deepEqual({ ...own.span('GET').attributes }, attributes)
      assert.deepEqual({ ...own.span('below').attributes }, {})
    })
  }

  test('F011: b3 0 alone: not sampled, and said so downstream, under a sampler that samples everything', () => {
    const own = bench({ sampler: new AlwaysOnSampler() })
    const made = start(own, { b3: '0' })
    made.setTag('a', 1).finish()
    assert.deepEqual(own.spans(), [])
    assert.equal(flags(own, made), '0')
    assert.match(made.context().toTraceId(), /^(?!0{32})[0-9a-f]{32}$/)
  })

  test('a debug flag does not go on below a sampler that said no', () => {
    const own = bench({ sampler: new AlwaysOffSampler() })
    assert.equal(flags(own, start(own, { b3: `${b3}-d` })), '0')
  })

  test('sampling.priority 0 at a root: the same', () => {
    const own = bench()
    const made = start(own, {}, { 'sampling.priority': 0 })
    own.tracer.startSpan('below', { childOf: made }).finish()
    made.finish()
    assert.deepEqual(own.spans(), [])
  })

  test('what should be kept and starts here is told to the sampler, the one that may decide it', () => {
    const sampler: Sampler = {
      shouldSample: (_context, _traceId, _name, _kind, attributes) => ({
        decision:
          Number(attributes['sampling.priority']) > 0
            ? SamplingDecision.RECORD_AND_SAMPLED
            : SamplingDecision.NOT_RECORD,
      }),
      toString: () => 'priority',
    }
    for (const [headers, tags, expected] of [
      [{}, {}, undefined],
      [{}, { 'sampling.priority': 1 }, '3'],
      [{ 'jaeger-debug-id': 'ticket 7' }, {}, '3'],
      [{ 'x-b3-flags': '1' }, {}, '3'],
      [{ 'x-b3-sampled': '1' }, {}, '1'],
    ] as [Record<string, string>, object, string | undefined][]) {
      const own = bench({ sampler })
      const made = start(own, headers, { ...tags })
      made.finish()
      assert.equal(own.spans().length, expected === undefined ? 0 : 1, JSON.stringify([headers, tags]))
      assert.equal(flags(own, made), expected ?? '0')
    }
  })
})

describe("OpenTelemetry's own context", () => {
  const manager = new AsyncLocalStorageContextManager()
  before(() => context.setGlobalContextManager(manager.enable()))
  after(() => {
    context.disable()
    trace.disable()
  })

  test('contextOfSpan: what an instrumentation starts inside is a child of our span, and sees its baggage', async () => {
    const exporter = new InMemorySpanExporter()
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    const tracer = openTelemetryTracer({ tracerProvider: provider })
    const driver = provider.getTracer('some-database-driver')
    const made = tracer.startSpan('GET /users/:id', { tags: { plan: 'ours' } })
    made.setBaggageItem('tenant', 'acme').setBaggageItem('__proto__', 'a key')
    await context.with(contextOfSpan(made), async () => {
      await new Promise(resolve => setTimeout(resolve, 1))
      driver.startSpan('SELECT').end()
      trace.getActiveSpan()?.setAttributes({ by: 'OpenTelemetry', plan: 'theirs' })
      assert.deepEqual(
        propagation
          .getActiveBaggage()
          ?.getAllEntries()
          .map(([key, { value }]) => [key, value]),
        [
          ['tenant', 'acme'],
          ['__proto__', 'a key'],
        ],
      )
    })
    made.finish()
    const [select, request] = exporter.getFinishedSpans()
    assert.equal(select?.parentSpanContext?.spanId, made.context().toSpanId())
    assert.deepEqual({ ...request?.attributes }, { by: 'OpenTelemetry', plan: 'theirs' })
  })

  test("contextOfSpan of a context, of another tracer's span, of none", () => {
    const { tracer } = bench()
    const made = tracer.startSpan('work')
    assert.equal(trace.getSpanContext(contextOfSpan(made.context()))?.spanId, made.context().toSpanId())
    const foreign = { toTraceId: () => TRACE_ID, toSpanId: () => CALLER_ID }
    assert.equal(trace.getSpanContext(contextOfSpan(foreign))?.traceId, TRACE_ID)
    const base = context.active().setValue(createContextKey('key'), 'value')
    assert.equal(contextOfSpan(undefined, base), base)
    assert.equal(contextOfSpan(new opentracing.Tracer().startSpan('noop'), base), base)
  })

  test('an active OpenTelemetry span is no parent by itself; told, it is', () => {
    const { tracer, span } = bench()
    const { spanId, traceId } = { spanId: OTHER_ID, traceId: TRACE_ID }
    const active = trace.setSpanContext(context.active(), { spanId, traceId, traceFlags: 1 })
    context.with(active, () => {
      tracer.startSpan('by itself').finish()
      const consumer = { toTraceId: () => traceId, toSpanId: () => spanId }
      tracer.startSpan('told', { childOf: consumer }).finish()
    })
    assert.equal(span('by itself').parentSpanContext, undefined)
    assert.equal(span('told').parentSpanContext?.spanId, spanId)
  })

  test('processors and samplers find parent and baggage, with properties, in the context at the start', () => {
    const seen: (string | undefined)[] = []
    const processor: SpanProcessor = {
      onStart(_span, parentContext: Context) {
        const entry = propagation.getBaggage(parentContext)?.getEntry('tenant')
        seen.push(trace.getSpanContext(parentContext)?.spanId, entry?.value, entry?.metadata?.toString())
      },
      onEnd() {},
      forceFlush: async () => {},
      shutdown: async () => {},
    }
    const tracer = openTelemetryTracer({
      tracerProvider: new BasicTracerProvider({ spanProcessors: [processor] }),
    })
    const caller = tracer.extract(FORMAT_HTTP_HEADERS, { traceparent, baggage: 'tenant=acme;ttl=30' })
    tracer.startSpan('GET', { childOf: caller as SpanContext })
    assert.deepEqual(seen, [CALLER_ID, 'acme', 'ttl=30'])
  })

  test('F054: where OpenTelemetry suppresses tracing, we start no span either', () => {
    const { tracer, spans } = bench()
    context.with(suppressTracing(context.active()), () => tracer.startSpan('export').finish())
    assert.deepEqual(spans(), [])
  })

  test('the global provider is used, also when it is registered after the tracer was made', () => {
    const tracer = openTelemetryTracer({ name: 'my-service', version: '1.2.3' })
    tracer.startSpan('too early').finish()
    const exporter = new InMemorySpanExporter()
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
    )
    tracer.startSpan('in time').finish()
    const [span, ...more] = exporter.getFinishedSpans()
    assert.equal(span?.name, 'in time')
    assert.deepEqual(
      { ...span?.instrumentationScope },
      { name: 'my-service', version: '1.2.3', schemaUrl: undefined },
    )
    assert.equal(more.length, 0)
  })
})

describe('options', () => {
  test('left out: the scope is ours', () => {
    const { tracer, span } = bench()
    tracer.startSpan('work').finish()
    assert.deepEqual(
      { ...span('work').instrumentationScope, schemaUrl: 0 },
      { name: 'tracing-middleware', version: undefined, schemaUrl: 0 },
    )
  })

  for (const [options, message] of [
    [null, /takes an object of options, not null/],
    [{ Name: 'x' }, /unknown option 'Name'; did you mean 'name'\?/],
    [{ sampler: {} }, /unknown option 'sampler'; the options are tracerProvider, name, version,/],
    [{ tracerProvider: {} }, /tracerProvider must be a TracerProvider of OpenTelemetry, .*not \{\}/],
    [{ name: '' }, /name must be a text that is not empty, not ""/],
    [{ version: 2 }, /version must be a text .*not 2/],
    [{ semanticConventions: 'http' }, /must be one of "opentelemetry", "opentracing", "both", not "http"/],
    [{ onError: true }, /onError must be a function, not true/],
    [{ propagation: { inject: ['w3c'] } }, /propagation\.inject\[0\]/],
  ] as [never, RegExp][]) {
    test(`F135: ${JSON.stringify(options)}`, () => {
      assert.throws(() => openTelemetryTracer(options), { name: 'TypeError', message })
    })
  }
})

describe('into a collector, over OTLP', () => {
  let viewer: Viewer
  const running: { close(): unknown }[] = []

  before(async () => {
    viewer = await startViewer({
      ports: { otlp: 0, jaeger: false, jaegerCompact: false, jaegerBinary: false, zipkin: false, page: 0 },
    })
  })
  after(async () => {
    const closed = await Promise.allSettled(running.map(async one => one.close()))
    await viewer.close()
    assert.deepEqual([...new Set(closed.map(({ status }) => status))], ['fulfilled'])
  })

  const url = () => `http://127.0.0.1:${viewer.ports.otlp}/v1/traces`

  /** A provider as a service has it: spans go in batches to the collector. */
  function service(name: string, exporter: SpanExporter = new ProtobufExporter({ url: url() })): Tracer {
    const tracerProvider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': name }),
      spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 20 })],
    })
    running.push({ close: () => tracerProvider.shutdown() })
    return openTelemetryTracer({ tracerProvider })
  }

  async function arrived(name: string, count: number): Promise<ViewerSpan[]> {
    const spans = () => viewer.traces().flatMap(trace => trace.spans.filter(span => span.service === name))
    await eventually(() => spans().length >= count, `${count} spans of ${name}`, 5000)
    return spans()
  }

  test('the words are those of our own tracer, span by span', async () => {
    const play = (tracer: Tracer): void => {
      const server = tracer.startSpan('GET', {
        tags: {
          'span.kind': 'server',
          'http.method': 'BREW',
          'http.url': 'https://shop.example:8443/a?b=1',
          'peer.ipv6': '::1',
          'peer.port': 51234,
        },
      })
      const client = tracer.startSpan('POST', {
        childOf: server,
        tags: {
          'span.kind': 'client',
          'http.url': 'http://[::1]/x',
          'peer.hostname': 'db',
          'peer.service': 'db',
        },
      })
      client.addTags({ 'http.status_code': 404, 'db.statement': 'SELECT 1' }).finish()
      const failed = tracer.startSpan('fail', { references: [followsFrom(server)], tags: { error: true } })
      failed.log({ event: 'error', 'error.kind': 'TypeError', message: 'no', stack: 'at x', code: 7 })
      failed.log({ event: 'retry', attempt: 2, odd: [1, 2] })
      failed.finish()
      server.setOperationName('GET /a').addTags({ aborted: 'before response', 'url.path': '/own' }).finish()
    }
    const ours = createTracer({ serviceName: 'ours', exporter: otlpExporter({ url: url() }) })
    play(ours)
    await ours.close()
    play(service('bridged'))
    const shown = async (name: string) => {
      const spans = await arrived(name, 3)
      const sorted = (tags: ViewerSpan['tags']) => tags.map(({ key, value }) => `${key}=${value}`).sort()
      const label = (id: string | undefined) => spans.find(span => span.spanId === id)?.operation
      return spans
        .map(({ operation, kind, error, aborted, tags, logs, references, parentId }) => ({
          operation,
          kind,
          error,
          aborted,
          parent: label(parentId),
          references: references.map(({ kind, spanId }) => [kind, label(spanId)]),
          tags: sorted(tags).filter(tag => !/^(otel\.|internal)/.test(tag)),
          logs: logs.map(({ fields }) => sorted(fields)),
        }))
        .sort((a, b) => a.operation.localeCompare(b.operation))
    }
    const bridged = await shown('bridged')
    assert.deepEqual(bridged, await shown('ours'))
    assert.deepEqual(bridged[0]?.references, [['followsFrom', 'GET /a']])
    assert.ok(bridged[0]?.tags.includes('error.type=TypeError'))
  })

  for (const [encoding, Exporter] of [
    ['protobuf', ProtobufExporter],
    ['JSON', JsonExporter],
  ] as const) {
    test(`F056: odd values as ${encoding}: the spans before and after arrive with theirs`, async () => {
      const name = `odd ${encoding}`
      const tracer = service(name, new Exporter({ url: url() }))
      tracer.startSpan('before').finish()
      const half = '\ud83d'
      const cyclic: unknown[] = [1]
      cyclic.push(cyclic)
      const tags = { nan: Number.NaN, big: 2n ** 70n, cyclic, half, mixed: [1, half, true], far: 1.5e-7 }
      tracer.startSpan(`odd ${half}`, { tags }).log(tags).finish()
      tracer.startSpan('after').finish()
      const spans = await arrived(name, 3)
      const odd = spans.find(span => span.operation.startsWith('odd'))
      assert.equal(odd?.tags.find(({ key }) => key === 'far')?.value, 1.5e-7)
    })
  }

  /** An Express app in front of the tracer, with what `routes` adds. */
  async function app(tracer: Tracer, routes: (app: express.Express) => void, options = {}): Promise<number> {
    const app = express()
    app.set('env', 'test')
    app.use(tracingMiddleware({ tracer, ...options }))
    routes(app)
    app.use(tracingErrorMiddleware())
    const server = app.listen(0, '127.0.0.1')
    running.push({
      close: () => {
        server.closeAllConnections()
        return new Promise(resolve => server.close(resolve))
      },
    })
    await new Promise(resolve => server.once('listening', resolve))
    return (server.address() as { port: number }).port
  }

  const tagOf = (span: ViewerSpan | undefined, key: string) => span?.tags.find(tag => tag.key === key)?.value

  test('a request through Express: one server span below its caller, named by its route, work inside', async () => {
    const tracer = service('shop')
    const port = await app(tracer, app => {
      app.get('/users/:id', async (req, res) => {
        activeSpan()?.setTag('user.id', req.params.id)
        res.json(await withSpan('load user', async () => ({ id: req.params.id })))
      })
    })
    const headers = { traceparent, baggage: 'tenant=acme' }
    assert.equal((await ask(port, '/users/42?token=s3cret', { headers })).status, 200)
    const spans = await arrived('shop', 2)
    const server = spans.find(({ operation }) => operation === 'GET /users/:id')
    const work = spans.find(({ operation }) => operation === 'load user')
    assert.deepEqual([server?.traceId, server?.parentId, server?.kind], [TRACE_ID, CALLER_ID, 'server'])
    assert.deepEqual([work?.traceId, work?.parentId], [TRACE_ID, server?.spanId])
    assert.equal(tagOf(server, 'http.response.status_code'), 200)
    assert.equal(tagOf(server, 'url.query'), 'token=REDACTED')
    assert.equal(tagOf(server, 'user.id'), '42')
    assert.equal(server?.error, false)
  })

  test('F062 a thrown error, F059 a client that leaves', async () => {
    const port = await app(service('failing'), app => {
      app.get('/boom', () => {
        throw new TypeError('boom')
      })
      app.get('/slow', () => {})
    })
    assert.equal((await ask(port, '/boom')).status, 500)
    await leave(port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n', { afterMs: 40 })
    const spans = await arrived('failing', 2)
    const boom = spans.find(({ operation }) => operation === 'GET /boom')
    assert.equal(boom?.error, true)
    assert.equal(tagOf(boom, 'error.type'), '500')
    assert.ok(boom?.logs[0]?.fields.some(({ key, value }) => key === 'exception.message' && value === 'boom'))
    const slow = spans.find(({ operation }) => operation === 'GET /slow')
    assert.deepEqual([slow?.aborted, slow?.error], [true, false])
    assert.equal(tagOf(slow, 'error.type'), 'client_disconnected')
  })

  test('F111 publicEndpoint: a new trace that links to the caller, without its baggage and debug flag', async () => {
    const tracer = service('public')
    let baggage: unknown = 'not asked'
    const route = (app: express.Express) => {
      app.get('/', (_req, res) => {
        baggage = activeSpan()?.getBaggageItem('tenant')
        res.json(headersOf(tracer, activeSpan() as Span))
      })
    }
    const port = await app(tracer, route, { publicEndpoint: true })
    const headers = { b3: `${TRACE_ID}-${CALLER_ID}-d`, baggage: 'tenant=acme' }
    const sent = JSON.parse((await ask(port, '/', { headers })).body)
    const [server] = await arrived('public', 1)
    assert.notEqual(server?.traceId, TRACE_ID)
    assert.equal(server?.parentId, undefined)
    assert.deepEqual(server?.references, [{ kind: 'followsFrom', traceId: TRACE_ID, spanId: CALLER_ID }])
    assert.equal(baggage, undefined)
    assert.match(sent['uber-trace-id'], /:1$/)
    assert.equal(sent.tracestate, undefined)
  })

  test('contextOfSpan for a whole request: one line behind the middleware', async () => {
    const manager = new AsyncLocalStorageContextManager()
    context.setGlobalContextManager(manager.enable())
    try {
      const exporter = new ProtobufExporter({ url: url() })
      const tracerProvider = new BasicTracerProvider({
        resource: resourceFromAttributes({ 'service.name': 'with a driver' }),
        spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 20 })],
      })
      running.push({ close: () => tracerProvider.shutdown() })
      const driver = tracerProvider.getTracer('driver')
      const port = await app(openTelemetryTracer({ tracerProvider }), app => {
        app.use((req, _res, next) => context.with(contextOfSpan(getSpan(req)), next))
        app.get('/users/:id', async (_req, res) => {
          await new Promise(resolve => setTimeout(resolve, 2))
          driver.startSpan('SELECT').end()
          await withSpan('load user', span =>
            context.with(contextOfSpan(span), async () => driver.startSpan('SELECT details').end()),
          )
          res.end()
        })
      })
      await Promise.all(Array.from({ length: 20 }, (_, i) => ask(port, `/users/${i}`)))
      const spans = await arrived('with a driver', 80)
      const parentOf = ({ traceId, parentId }: ViewerSpan) =>
        spans.find(span => span.spanId === parentId && span.traceId === traceId)?.operation
      for (const [operation, parent] of [
        ['SELECT', 'GET /users/:id'],
        ['SELECT details', 'load user'],
      ]) {
        const found = spans.filter(span => span.operation === operation)
        assert.deepEqual(found.map(parentOf), Array(20).fill(parent))
      }
      assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 20)
    } finally {
      context.disable()
    }
  })
})
