// Which context jaeger-client makes of the headers that come, and which headers go out.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import opentracing, { type Span } from 'opentracing'
import type { JaegerTracer } from '../../src/jaeger/index.ts'
import {
  type Decoded,
  idsOf,
  only,
  over,
  padded,
  start,
  startCollector,
  until,
} from '../support/jaeger-backends.ts'

describe('headers', () => {
  const HEADERS = opentracing.FORMAT_HTTP_HEADERS
  const TRACE = 'd4cda95b652f4a1592b449d5929fda1b'
  const SPAN = '6e0c63257de34c92'
  const uber = `${TRACE}:${SPAN}:0:1`

  interface Seen {
    isSampled(): boolean
    isDebug(): boolean
  }
  const seen = (span: Span) => span.context() as unknown as Seen

  /** A span below what `carrier` says, as core starts one, and the headers that it sends on. */
  function serve(
    tracer: JaegerTracer,
    carrier: Record<string, unknown>,
  ): { span: Span; sent: Record<string, string> } {
    const parent = tracer.extract(HEADERS, carrier)
    const span = tracer.startSpan('GET', parent === null ? {} : { childOf: parent })
    const sent: Record<string, string> = {}
    tracer.inject(span, HEADERS, sent)
    return { span, sent }
  }

  it('by default reads every format and writes tracecontext, baggage and uber-trace-id with the same ids', () => {
    const tracer = start()
    for (const [format, carrier] of [
      ['uber-trace-id', { 'uber-trace-id': uber, 'uberctx-k': 'v%20w' }],
      ['tracecontext', { traceparent: `00-${TRACE}-${SPAN}-01`, baggage: 'k=v%20w' }],
      ['b3', { b3: `${TRACE}-${SPAN}-1`, 'jaeger-baggage': 'k=v w' }],
      ['b3multi', { 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN, 'X-B3-Sampled': '1', baggage: 'k=v%20w' }],
    ] as [string, Record<string, string>][]) {
      const { span, sent } = serve(tracer, carrier)
      const { traceId, spanId } = idsOf(span)
      assert.equal(traceId, TRACE, format)
      assert.deepEqual(
        sent,
        {
          traceparent: `00-${TRACE}-${spanId}-01`,
          baggage: 'k=v%20w',
          'uber-trace-id': `${TRACE}:${spanId}:${SPAN}:1`,
          'uberctx-k': 'v%20w',
        },
        format,
      )
    }
  })

  it('the option propagation chooses, in a text map too', () => {
    const tracer = start({ propagation: { extract: ['b3'], inject: ['b3multi'] } })
    assert.equal(tracer.extract(HEADERS, { 'uber-trace-id': uber }), null)
    const parent = tracer.extract(opentracing.FORMAT_TEXT_MAP, { b3: `${TRACE}-${SPAN}-1` })
    const span = tracer.startSpan('s', parent === null ? {} : { childOf: parent })
    const sent: Record<string, string> = {}
    tracer.inject(span, opentracing.FORMAT_TEXT_MAP, sent)
    assert.deepEqual(sent, {
      'x-b3-traceid': TRACE,
      'x-b3-spanid': idsOf(span).spanId,
      'x-b3-parentspanid': SPAN,
      'x-b3-sampled': '1',
    })
  })

  const vectors: { id: string; carrier: Record<string, string>; expect: { valid?: boolean } }[] = JSON.parse(
    readFileSync(new URL('../cases/jaeger.json', import.meta.url), 'utf8'),
  ).extract.map((vector: { carrier: Record<string, string> }) => ({
    ...vector,
    carrier: Object.fromEntries(
      Object.entries(vector.carrier).map(([key, value]) => [
        key,
        value === "'a' x 65536" ? 'a'.repeat(65536) : value,
      ]),
    ),
  }))

  it('F006, F007, F008, F009, F018: J05-J53, no bad id reaches the agent or an outgoing header', async () => {
    const { backend, reporter } = await over.udp()
    const tracer = start({ reporter })
    const bad = vectors.filter(({ expect }) => expect.valid === false)
    assert.ok(bad.length > 15)
    const carriers: Record<string, unknown>[] = vectors.map(({ carrier }) => carrier)
    carriers.push(
      { 'uber-trace-id': [uber, '1zz:1:0:1'] },
      { 'uber-trace-id': ['x'] },
      { 'uber-trace-id': 7 },
    )
    for (const carrier of carriers) {
      const { span, sent } = serve(tracer, carrier)
      assert.match(String(sent.traceparent), /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/)
      assert.match(String(sent['uber-trace-id']), /^[0-9a-f]{16,32}:[0-9a-f]{16}:(0|[0-9a-f]{16}):[013]$/)
      span.finish()
    }
    for (const { id, carrier } of bad) assert.notEqual(idsOf(serve(tracer, carrier).span).traceId, TRACE, id)
    await tracer.close()
    const unsampled = vectors.filter(({ id }) => id === 'J10' || id === 'J44').length
    await until(() => backend.spans().length === carriers.length - unsampled)
    for (const { traceId, spanId } of backend.spans()) {
      assert.match(traceId, /^(?!0{32})[0-9a-f]{32}$/)
      assert.match(spanId, /^(?!0{16})[0-9a-f]{16}$/)
    }
    assert.equal(({} as Record<string, unknown>).x, undefined)
  })

  it('JI7, J07: a 64-bit id stays one, from header to header and at the agent', async () => {
    const { backend, reporter } = await over.udp()
    const tracer = start({ reporter })
    const { span, sent } = serve(tracer, { 'uber-trace-id': '100:7f:5:1' })
    span.finish()
    await tracer.close()
    await until(() => backend.spans().length === 1)
    const { traceId, spanId, parentId } = only(backend.spans())
    assert.deepEqual([traceId, parentId], [padded('100'), padded('7f', 16)])
    assert.equal(span.context().toTraceId(), padded('100', 16))
    assert.equal(sent['uber-trace-id'], `${padded('100', 16)}:${spanId}:${padded('7f', 16)}:1`)
    assert.equal(sent.traceparent, `00-${padded('100')}-${spanId}-01`)
  })

  it('jaeger-debug-id makes a debug trace that can be found by it, whatever the sampler', () => {
    const tracer = start({ sampler: { type: 'const', param: 0 } })
    const { span, sent } = serve(tracer, { 'jaeger-debug-id': 'find-me', 'jaeger-baggage': 'k=v' })
    assert.deepEqual([seen(span).isSampled(), seen(span).isDebug()], [true, true])
    assert.match(String(sent['uber-trace-id']), /:3$/)
    assert.equal(sent['jaeger-debug-id'], undefined)
    assert.equal(span.getBaggageItem('k'), 'v')
  })

  it('F011, F012, F013: a decision without ids holds for the trace that starts here', () => {
    for (const [carrier, param, sampled, debug] of [
      [{ b3: '0' }, 1, false, false],
      [{ b3: '1' }, 0, true, false],
      [{ b3: 'd' }, 0, true, true],
      [{ 'x-b3-sampled': '0' }, 1, false, false],
      [{ 'x-b3-flags': '1' }, 0, true, true],
    ] as [Record<string, string>, number, boolean, boolean][]) {
      const tracer = start({ sampler: { type: 'const', param }, propagation: { inject: ['b3'] } })
      const { span, sent } = serve(tracer, carrier)
      const child = tracer.startSpan('child', { childOf: span })
      assert.deepEqual(
        [seen(span).isSampled(), seen(span).isDebug()],
        [sampled, debug],
        JSON.stringify(carrier),
      )
      assert.deepEqual([seen(child).isSampled(), seen(child).isDebug()], [sampled, debug])
      assert.match(String(sent.b3), debug ? /-d$/ : sampled ? /-1$/ : /-0$/)
      // A caller's decision that is passed on before any span starts stays what it was.
      const relayed: Record<string, string> = {}
      tracer.inject(tracer.extract(HEADERS, carrier) as never, HEADERS, relayed)
      assert.equal(relayed.b3, debug ? 'd' : sampled ? '1' : '0')
    }
  })

  it('B3 deferred: the decision is ours, and a span is a child all the same', async () => {
    const deferred = { b3: `${TRACE}-${SPAN}` }
    for (const param of [0, 1]) {
      const { span } = serve(start({ sampler: { type: 'const', param } }), deferred)
      assert.deepEqual([idsOf(span).traceId, seen(span).isSampled()], [TRACE, param === 1])
    }
    const perOperation = {
      operationSampling: {
        defaultSamplingProbability: 1,
        defaultLowerBoundTracesPerSecond: 0,
        perOperationStrategies: [],
      },
    }
    const server = await startCollector(response => response.end(JSON.stringify(perOperation)))
    const tracer = start({
      sampler: { param: 0, hostPort: `127.0.0.1:${server.port}`, refreshIntervalMs: 20 },
    })
    await until(() => server.requests.length === 2)
    assert.equal(seen(serve(tracer, deferred).span).isSampled(), true)
  })

  it("others' tracestate and the random flag go on through every span of the trace", () => {
    const tracer = start({ propagation: { inject: ['tracecontext'] } })
    const parent = tracer.extract(HEADERS, { traceparent: `00-${TRACE}-${SPAN}-03`, tracestate: 'a=1,b=2' })
    assert.ok(parent)
    const span = tracer.startSpan('a', { childOf: parent })
    const child = tracer.startSpan('b', { childOf: tracer.startSpan('c', { childOf: span }) })
    child.setBaggageItem('k', 'v')
    const sent: Record<string, string> = {}
    tracer.inject(child, HEADERS, sent)
    assert.match(String(sent.traceparent), new RegExp(`^00-${TRACE}-${idsOf(child).spanId}-03$`))
    assert.match(String(sent.tracestate), /(^|,)a=1,b=2$/)
  })

  it('F031: baggage in the spelling of its sender is found, changed and sent on in it; siblings do not see it', () => {
    const tracer = start({ propagation: { inject: ['baggage', 'uber-trace-id'] } })
    const { span, sent } = serve(tracer, { 'uber-trace-id': uber, baggage: 'User_Id=5;ttl=30,plain=1' })
    assert.deepEqual([span.getBaggageItem('User_Id'), span.getBaggageItem('plain')], ['5', '1'])
    assert.equal(sent.baggage, 'User_Id=5;ttl=30,plain=1')
    const child = tracer.startSpan('child', { childOf: span })
    child.setBaggageItem('User_Id', '6')
    const later: Record<string, string> = {}
    tracer.inject(child, HEADERS, later)
    assert.match(String(later.baggage), /^User_Id=6/)
    assert.deepEqual([later['uberctx-user-id'], span.getBaggageItem('User_Id')], ['6', '5'])
  })

  it('F024, F025: baggage keys of Object.prototype pollute nothing and are not found by accident', () => {
    const tracer = start()
    const carrier = JSON.parse(
      '{"uberctx-__proto__": "x", "uberctx-constructor": "y", "jaeger-baggage": "__proto__=z"}',
    )
    const { span } = serve(tracer, carrier)
    assert.equal(span.getBaggageItem('toString'), undefined)
    span.setBaggageItem('k', 'v')
    assert.equal(Object.keys(Object.prototype).length, 0)
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
  })

  it('spans and contexts of other tracers count by their ids; those without ids start a new trace', async () => {
    const { backend, reporter } = await over.udp()
    const tracer = start({ reporter })
    const other = start({ serviceName: 'other' }).startSpan('other')
    const foreign = {
      toTraceId: () => TRACE.toUpperCase(),
      toSpanId: () => '7f',
    } as opentracing.SpanContext
    const nobody = new opentracing.SpanContext()
    const spans = [
      tracer.startSpan('a', { childOf: other }),
      tracer.startSpan('b', { references: [opentracing.childOf(other)] }),
      tracer.startSpan('c', { childOf: foreign }),
      tracer.startSpan('d', { references: [opentracing.followsFrom(foreign)] }),
      tracer.startSpan('e', { childOf: nobody }),
      tracer.startSpan('f', { childOf: new opentracing.Tracer().startSpan('noop') }),
      tracer.startSpan('g', { references: [opentracing.childOf(nobody), opentracing.followsFrom(foreign)] }),
    ]
    for (const span of spans) span.finish()
    await tracer.close()
    await until(() => backend.spans().length === spans.length)
    const { traceId, spanId } = idsOf(other)
    const [a, b, c, d, e, f, g] = backend.spans() as [
      Decoded,
      Decoded,
      Decoded,
      Decoded,
      Decoded,
      Decoded,
      Decoded,
    ]
    for (const span of [a, b]) assert.deepEqual([span.traceId, span.parentId], [traceId, spanId])
    for (const span of [c, d]) assert.deepEqual([span.traceId, span.parentId], [TRACE, padded('7f', 16)])
    for (const span of [e, f, g])
      assert.deepEqual([span.traceId === TRACE, span.parentId], [false, padded('', 16)])
    const followsFrom = [{ type: 'FOLLOWS_FROM', traceId: TRACE, spanId: padded('7f', 16) }]
    assert.deepEqual([d.references, g.references, e.references], [followsFrom, followsFrom, []])
  })

  it('counts on the migration meter', () => {
    const tracer = start()
    serve(tracer, { 'uber-trace-id': uber })
    const { incoming, outgoing } = tracer.meter.read()
    assert.equal(incoming.formats['uber-trace-id']?.needed, 1)
    assert.equal(outgoing.formats.tracecontext?.used, 1)
  })
})
