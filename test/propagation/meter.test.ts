import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import jaeger from 'jaeger-client'
import opentracing from 'opentracing'
import {
  createPropagation,
  FORMAT_NAMES,
  type PropagationOptions,
  type TraceContext,
  toId,
  uberctxKey,
} from '../../src/propagation/index.ts'

const ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const traceparent = `00-${ID}-${SPAN}-01`
const uber = { 'uber-trace-id': `${ID}:${SPAN}:0:1` }
const other = { 'uber-trace-id': `${'b'.repeat(32)}:${SPAN}:0:1` }
const b3 = { b3: `${ID}-${SPAN}-1` }
const CONTEXT: TraceContext = {
  traceId: ID,
  spanId: SPAN,
  parentId: undefined,
  sampled: true,
  debug: false,
  random: false,
  tracestate: undefined,
  debugId: undefined,
  baggage: undefined,
}
const ZERO = { seen: 0, used: 0, needed: 0, conflict: 0, rejected: 0, dropped: 0 }

function counted(...carriers: object[]) {
  const propagation = createPropagation()
  for (const carrier of carriers) propagation.extract(carrier)
  return propagation.meter.read().incoming
}

describe('the migration meter, incoming', () => {
  const rows: [what: string, carrier: object, counts: Record<string, Partial<typeof ZERO>>][] = [
    ['one format', { traceparent }, { tracecontext: { seen: 1, used: 1, needed: 1 } }],
    [
      'two that agree: neither is needed',
      { traceparent, ...uber },
      { tracecontext: { seen: 1, used: 1 }, 'uber-trace-id': { seen: 1 } },
    ],
    [
      'two that name different traces',
      { traceparent, ...other },
      { tracecontext: { seen: 1, used: 1, conflict: 1 }, 'uber-trace-id': { seen: 1, conflict: 1 } },
    ],
    [
      'a malformed one before a valid one',
      { traceparent: 'bad', ...uber },
      { tracecontext: { seen: 1, rejected: 1 }, 'uber-trace-id': { seen: 1, used: 1, needed: 1 } },
    ],
    [
      'three of them, one of which conflicts',
      { traceparent, ...other, ...b3 },
      {
        tracecontext: { seen: 1, used: 1, conflict: 1 },
        'uber-trace-id': { seen: 1, conflict: 1 },
        b3: { seen: 1 },
      },
    ],
    ['a decision alone', { b3: '0' }, { b3: { seen: 1, used: 1, needed: 1 } }],
    [
      'a decision that the winner overrules',
      { b3: '0', traceparent },
      { tracecontext: { seen: 1, used: 1, needed: 1 }, b3: { seen: 1 } },
    ],
    [
      'a debug flag that only one format tells',
      { traceparent, 'x-b3-flags': '1' },
      { tracecontext: { seen: 1, used: 1, needed: 1 }, b3multi: { seen: 1, used: 1, needed: 1 } },
    ],
    [
      'a debug id',
      { traceparent, 'jaeger-debug-id': 'x' },
      { tracecontext: { seen: 1, used: 1, needed: 1 }, 'uber-trace-id': { seen: 1, used: 1, needed: 1 } },
    ],
    [
      'the same baggage twice',
      { traceparent, ...uber, baggage: 'userId=a', 'uberctx-userid': 'a' },
      { tracecontext: { seen: 1, used: 1 }, baggage: { seen: 1, used: 1 }, 'uber-trace-id': { seen: 1 } },
    ],
    [
      'the same key with different values',
      { baggage: 'user_id=a', 'uberctx-user-id': 'b' },
      { baggage: { seen: 1, used: 1, conflict: 1 }, 'uber-trace-id': { seen: 1 } },
    ],
    [
      'baggage that each has for itself',
      { baggage: 'a=1', 'uberctx-b': '2' },
      { baggage: { seen: 1, used: 1, needed: 1 }, 'uber-trace-id': { seen: 1, used: 1, needed: 1 } },
    ],
    ['W3C baggage alone', { baggage: 'a=1' }, { baggage: { seen: 1, used: 1, needed: 1 } }],
    [
      'baggage that is not valid',
      { baggage: 'a b=1,é=2' },
      { baggage: { seen: 1, rejected: 1, dropped: 2 } },
    ],
    [
      'jaeger-baggage with items that are none',
      { 'jaeger-baggage': 'a=1,b,c=d=e' },
      { 'uber-trace-id': { seen: 1, used: 1, needed: 1, dropped: 2 } },
    ],
    ['nothing', { host: 'a' }, {}],
  ]
  for (const [what, carrier, counts] of rows) {
    it(what, () => {
      const wanted = Object.fromEntries(FORMAT_NAMES.map(name => [name, { ...ZERO, ...counts[name] }]))
      assert.deepEqual(counted(carrier).formats, wanted)
    })
  }

  it('counts carriers, and those without a trace', () => {
    const { carriers, withoutTrace } = counted({ traceparent }, {}, { b3: '0' }, { traceparent: 'bad' }, uber)
    assert.deepEqual([carriers, withoutTrace], [5, 3])
  })

  it('is the same whatever the order of precedence', () => {
    for (const extract of [FORMAT_NAMES, [...FORMAT_NAMES].reverse()]) {
      const propagation = createPropagation({ extract })
      for (const carrier of [{ traceparent }, { traceparent, ...uber }, uber]) propagation.extract(carrier)
      const { formats } = propagation.meter.read().incoming
      assert.deepEqual([formats.tracecontext?.needed, formats['uber-trace-id']?.needed], [1, 1])
    }
  })

  it('counts only what is listed', () => {
    const propagation = createPropagation({ extract: ['b3'], inject: [] })
    propagation.extract({ traceparent, ...b3 })
    const reading = propagation.meter.read()
    assert.deepEqual(Object.keys(reading.incoming.formats), ['b3'])
    assert.deepEqual(reading.outgoing.formats, {})
  })
})

describe('the migration meter, outgoing', () => {
  it('counts what is written, and what was there before', () => {
    const propagation = createPropagation()
    const counts = (name: 'tracecontext' | 'uber-trace-id' | 'baggage') => {
      const { seen, used, conflict, rejected, dropped } =
        propagation.meter.read().outgoing.formats[name] ?? ZERO
      return [seen, used, conflict, rejected, dropped]
    }
    propagation.inject(CONTEXT, {})
    assert.deepEqual(
      [counts('tracecontext'), counts('uber-trace-id'), counts('baggage')],
      [
        [0, 1, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0],
      ],
    )
    propagation.inject(CONTEXT, { traceparent, ...other, baggage: 'k=v' })
    propagation.inject(CONTEXT, { traceparent: 'bad', 'uber-trace-id': '' })
    assert.deepEqual(
      [counts('tracecontext'), counts('uber-trace-id'), counts('baggage')],
      [
        [2, 3, 0, 1, 0],
        [2, 3, 1, 0, 0],
        [1, 0, 0, 0, 0],
      ],
    )
    propagation.inject({ ...CONTEXT, traceId: '', spanId: '' }, {})
    propagation.inject(
      {
        ...CONTEXT,
        baggage: new Map([
          ['a b', '1'],
          ['c', '2'],
        ]),
      },
      {},
    )
    assert.deepEqual(
      [counts('tracecontext'), counts('uber-trace-id'), counts('baggage')],
      [
        [2, 4, 0, 1, 0],
        [2, 4, 1, 0, 1],
        [1, 1, 0, 0, 1],
      ],
    )
    assert.equal(propagation.meter.read().outgoing.carriers, 5)
  })
})

describe('the migration meter, callers', () => {
  it('tells callers apart by a header or by the peer, and counts those beyond a hundred together', () => {
    const propagation = createPropagation({ callerHeader: 'X-Caller' })
    propagation.extract({ traceparent, 'x-caller': 'new-orders' })
    propagation.extract({ ...uber, 'x-caller': 'old-orders' }, '10.0.0.1')
    propagation.extract({ traceparent, ...uber }, '10.0.0.2')
    propagation.extract({ traceparent, 'x-caller': 'x'.repeat(101) })
    for (let i = 0; i < 200; i++) propagation.extract(uber, `peer ${i}`)
    propagation.extract(uber, 'peer 0')
    const { callers, otherCallers } = propagation.meter.read()
    assert.equal(callers.length, 100)
    assert.equal(otherCallers, 1 + 103)
    const zero = { seen: 0, needed: 0 }
    const none = Object.fromEntries(FORMAT_NAMES.map(name => [name, zero]))
    assert.deepEqual(callers.slice(0, 4), [
      { caller: 'new-orders', carriers: 1, formats: { ...none, tracecontext: { seen: 1, needed: 1 } } },
      { caller: 'old-orders', carriers: 1, formats: { ...none, 'uber-trace-id': { seen: 1, needed: 1 } } },
      {
        caller: '10.0.0.2',
        carriers: 1,
        formats: { ...none, tracecontext: { seen: 1, needed: 0 }, 'uber-trace-id': { seen: 1, needed: 0 } },
      },
      { caller: 'peer 0', carriers: 2, formats: { ...none, 'uber-trace-id': { seen: 2, needed: 2 } } },
    ])
  })

  it('takes a caller named __proto__ for what it is', () => {
    const propagation = createPropagation()
    propagation.extract(uber, '__proto__')
    assert.equal(propagation.meter.read().callers[0]?.caller, '__proto__')
  })
})

describe('the report', () => {
  it('answers whether a format may be switched off, and who still sends it', () => {
    const propagation = createPropagation({ callerHeader: 'x-caller' })
    assert.match(propagation.meter.report(), /uber-trace-id: not known, nothing came in yet/)
    propagation.extract({ traceparent })
    assert.match(propagation.meter.report(), /uber-trace-id: yes, nobody sent it/)
    assert.match(propagation.meter.report(), /callerHeader/)
    propagation.extract({ traceparent, ...uber, 'x-caller': 'both' })
    assert.match(
      propagation.meter.report(),
      /uber-trace-id: yes, nothing was told in it alone; sent by both \(1\)/,
    )
    for (let i = 0; i < 1998; i++)
      propagation.extract({ ...uber, 'x-caller': i % 3 === 0 ? 'old\u001b[31m' : 'older' })
    const report = propagation.meter.report()
    assert.match(
      report,
      /uber-trace-id: NOT YET, 1,998 carriers \(99\.9 %\) told something in it alone, sent by older \(1,332\), old\?\[31m \(666\)/,
    )
    assert.match(report, /^Incoming: 2,000 carriers, 0 without a valid trace$/m)
    assert.match(report, /^ {2}uber-trace-id {8}1,999 {7}1,998 {7}1,998 {11}0 {11}0 {11}0$/m)
    assert.match(report, /^[\n\x20-\x7e]*$/)
    assert.ok(report.split('\n').length < 40)
  })

  it('is one page however many callers there are', () => {
    const propagation = createPropagation()
    for (let i = 0; i < 150; i++) propagation.extract(uber, `peer ${i}`)
    const report = propagation.meter.report()
    assert.match(report, /and 95 more/)
    assert.match(report, /50 carriers of further callers are not told apart/)
    assert.ok(report.split('\n').length < 40)
  })

  it('reads as an object that JSON can carry, as a copy; and starts again from zero', () => {
    const propagation = createPropagation()
    propagation.extract(uber, 'a')
    propagation.inject(CONTEXT, {})
    const reading = propagation.meter.read()
    assert.deepEqual(JSON.parse(JSON.stringify(reading)), reading)
    const counts = reading.incoming.formats['uber-trace-id']
    assert.equal(counts?.seen, 1)
    propagation.extract(uber, 'a')
    assert.equal(counts?.seen, 1)
    assert.equal(reading.callers[0]?.formats['uber-trace-id']?.seen, 1)
    propagation.meter.reset()
    const fresh = createPropagation().meter.read()
    assert.deepEqual({ ...propagation.meter.read(), since: 0 }, { ...fresh, since: 0 })
    assert.ok(propagation.meter.read().since >= reading.since)
    propagation.extract(uber)
    assert.equal(propagation.meter.read().incoming.formats['uber-trace-id']?.seen, 1)
  })
})

describe('options', () => {
  const wrong: [options: unknown, message: RegExp][] = [
    [{ extract: ['B3'] }, /propagation\.extract\[0\]: 'B3' is no format; use 'b3'$/],
    [
      { inject: ['tracecontext', 'uberTraceId'] },
      /propagation\.inject\[1\]: 'uberTraceId' is no format; use 'uber-trace-id'$/,
    ],
    [
      { inject: ['w3c'] },
      /'w3c' is no format; use 'tracecontext', 'baggage', 'uber-trace-id', 'b3', 'b3multi'$/,
    ],
    [{ inject: [undefined] }, /propagation\.inject\[0\]: undefined is no format/],
    [
      { extract: ['b3', 'baggage', 'b3'] },
      /propagation\.extract\[2\]: 'b3' is listed twice; leave one of them out/,
    ],
    [{ extract: 'b3' }, /propagation\.extract must be an array of format names, such as .*, not 'b3'/],
    [{ extract: null }, /propagation\.extract must be an array/],
    [{ Extract: [] }, /unknown option 'Extract'; use 'extract'$/],
    [{ callerheader: 'x' }, /unknown option 'callerheader'; use 'callerHeader'$/],
    [{ meter: true }, /unknown option 'meter'; use 'extract', 'inject', 'callerHeader'$/],
    [
      { callerHeader: 'x caller' },
      /propagation\.callerHeader must be a header's name, such as 'x-caller', not 'x caller'/,
    ],
    [{ callerHeader: '' }, /propagation\.callerHeader/],
    [null, /propagation must be an object/],
    ['b3', /propagation must be an object, such as .*, not 'b3'/],
    [['b3'], /propagation must be an object, such as .*, not an array/],
  ]
  for (const [options, message] of wrong) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => createPropagation(options as PropagationOptions), { name: 'TypeError', message })
    })
  }

  it('has the documented defaults, and tells them', () => {
    const wanted = {
      extract: ['tracecontext', 'baggage', 'uber-trace-id', 'b3', 'b3multi'],
      inject: ['tracecontext', 'baggage', 'uber-trace-id'],
    }
    assert.deepEqual(createPropagation().names, wanted)
    assert.deepEqual(createPropagation({ extract: undefined } as unknown as PropagationOptions).names, wanted)
  })

  it('keeps its own copy of a list', () => {
    const inject: ('b3' | 'baggage')[] = ['b3']
    const propagation = createPropagation({ inject })
    inject.push('baggage')
    assert.deepEqual(propagation.names.inject, ['b3'])
  })
})

describe('ids and keys', () => {
  it('F007: makes an id of ours out of hex alone', () => {
    assert.equal(toId('7F', 16), '000000000000007f')
    assert.equal(toId(ID.toUpperCase(), 32), ID)
    for (const text of ['', '0', '0'.repeat(16), 'x', '1g', '-1', '1'.repeat(17), '١', 'ｆ', 'ı'])
      assert.equal(toId(text, 16), '')
  })

  it('spells baggage keys as jaeger-client does', () => {
    assert.deepEqual(['User_Id', 'user-id', 'a.b', ''].map(uberctxKey), ['user-id', 'user-id', 'a.b', ''])
  })
})

describe('beside jaeger-client', () => {
  const tracer = jaeger.initTracer(
    {
      serviceName: 'old',
      sampler: { type: 'const', param: 1 },
      reporter: { agentHost: '127.0.0.1', agentPort: 1 },
    },
    {
      reporter: {
        report: () => undefined,
        close: (done?: () => void) => done?.(),
        setProcess: () => undefined,
      } as never,
    },
  )
  const propagation = createPropagation({ inject: ['uber-trace-id'] })
  const formats = [
    [opentracing.FORMAT_HTTP_HEADERS, propagation.extract, propagation.inject],
    [opentracing.FORMAT_TEXT_MAP, propagation.extractText, propagation.injectText],
  ] as const

  for (const [format, extract, inject] of formats) {
    it(`reads what it writes, and the other way round: ${format}`, () => {
      const root = tracer.startSpan('root')
      root.setBaggageItem('Some_KEY', 'ü,;=%20')
      const span = tracer.startSpan('child', { childOf: root })
      const carrier: Record<string, string> = {}
      tracer.inject(span, format, carrier)
      const context = extract(carrier) as TraceContext
      const padded = (text: string | null | undefined, width: number) => String(text).padStart(width, '0')
      assert.equal(context.traceId, padded(span.context().toTraceId(), 32))
      assert.equal(context.spanId, padded(span.context().toSpanId(), 16))
      assert.equal(context.parentId, padded(root.context().toSpanId(), 16))
      assert.equal(context.sampled, true)
      assert.deepEqual([...(context.baggage ?? [])], [['some-key', 'ü,;=%20']])

      const back: Record<string, string> = {}
      inject({ ...context, baggage: new Map([['Some_KEY', 'ü,;=%20']]) }, back)
      const theirs = tracer.extract(format, back) as opentracing.SpanContext
      assert.equal(padded(theirs.toTraceId(), 32), context.traceId)
      assert.equal(padded(theirs.toSpanId(), 16), context.spanId)
      assert.equal(tracer.startSpan('next', { childOf: theirs }).getBaggageItem('Some_KEY'), 'ü,;=%20')
    })
  }
  it('closes', (_, done) => tracer.close(() => done()))
})
