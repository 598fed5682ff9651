import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { createPropagation, type FormatName, type TraceContext } from '../../src/propagation/index.ts'

interface Row {
  id: string
  carrier: Record<string, string | string[]>
  expect: unknown
  note?: string
}

interface JaegerExpect {
  valid?: boolean
  traceId?: string
  spanId?: string
  parentId?: string | null
  sampled?: boolean
  debug?: boolean
  debugId?: string
  baggage?: Record<string, string>
}

const cases = (name: string) =>
  JSON.parse(readFileSync(new URL(`../cases/${name}.json`, import.meta.url), 'utf8'))
const w3c = cases('w3c')
const b3 = cases('b3')
const jaeger = cases('jaeger')

const ID = '12345678901234567890123456789012'
const SPAN = '1234567890123456'
const EMPTY: TraceContext = {
  traceId: '',
  spanId: '',
  parentId: undefined,
  sampled: undefined,
  debug: false,
  random: false,
  tracestate: undefined,
  debugId: undefined,
  baggage: undefined,
  baggageProperties: undefined,
}
const TRACE: TraceContext = { ...EMPTY, traceId: ID, spanId: SPAN, sampled: true }

const propagation = createPropagation()

function written(context: TraceContext, ...inject: FormatName[]): Record<string, unknown> {
  const carrier = {}
  createPropagation({ inject }).inject(context, carrier)
  return carrier
}

/** Every vector, whatever it says of itself: no throw, and what comes out keeps the promises of TraceContext. */
function extract(row: Row): TraceContext | undefined {
  const context = propagation.extract(row.carrier)
  assertSound(context)
  for (const only of ['tracecontext', 'baggage', 'uber-trace-id', 'b3', 'b3multi'] as const) {
    assertSound(createPropagation({ extract: [only] }).extract(row.carrier))
  }
  assert.equal(Object.keys(Object.prototype).length, 0)
  return context
}

function assertSound(context: TraceContext | undefined): void {
  if (context === undefined) return
  assert.match(context.traceId, /^([0-9a-f]{32})?$/)
  assert.match(context.spanId, /^([0-9a-f]{16})?$/)
  assert.equal(context.traceId === '', context.spanId === '')
  assert.doesNotMatch(context.traceId, /^0+$/)
  assert.doesNotMatch(context.spanId, /^0+$/)
  assert.match(context.parentId ?? SPAN, /^[0-9a-f]{16}$/)
  if (context.debug) assert.equal(context.sampled, true)
}

/** `vvv… (8192 bytes)` and `'a' x 65536` stand for values that are too long to print. */
function unabridged(row: Row): Row {
  const entries = Object.entries(row.carrier).map(([key, value]) => {
    const bytes = /… \((\d+) bytes\)$/.exec(String(value))?.[1]
    const times = /^'(.)' x (\d+)$/.exec(String(value))
    if (bytes !== undefined) return [key, `k=${'v'.repeat(Number(bytes) - 2)}`]
    return [key, times === null ? value : (times[1] as string).repeat(Number(times[2]))]
  })
  return { ...row, carrier: Object.fromEntries(entries) }
}

describe('a carrier with one header of ours', () => {
  const carriers = [w3c.traceContext, w3c.baggage, b3.extract, jaeger.extract]
    .flat()
    .map(row => unabridged(row).carrier)
    .flatMap(carrier => Object.entries(carrier).map(([key, value]) => ({ [key]: value })))

  it('is read in a shorter way, and to the same end as beside others', () => {
    const [short, long] = [createPropagation(), createPropagation()]
    for (const carrier of carriers) {
      const beside = { ...carrier, 'x-b3-none': 'it looks like one of ours' }
      assert.deepEqual(short.extract(carrier, 'me'), long.extract(beside, 'me'), JSON.stringify(carrier))
    }
    const counts = (propagation: typeof short) => ({ ...propagation.meter.read(), since: 0 })
    assert.deepEqual(counts(short), counts(long))
    assert.ok(carriers.length > 100, String(carriers.length))
  })
})

describe('traceparent and tracestate (w3c.json; F001-F005, F020, F021)', () => {
  for (const row of w3c.traceContext.map(unabridged) as Row[]) {
    it(`${row.id}: ${row.note ?? ''} ${String(row.expect)}`, () => {
      const context = extract(row)
      const wanted = String(row.expect)
      const header = String(row.carrier.traceparent).trim()
      const tracestate = String(row.carrier.tracestate)
      if (/^continue or restart/.test(wanted)) return
      if (/^restart|no traceparent/.test(wanted)) return assert.equal(context, undefined)
      assert.deepEqual([context?.traceId, context?.spanId], [header.slice(3, 35), header.slice(36, 52)])
      assert.equal(context?.sampled, (Number.parseInt(header.slice(53, 55), 16) & 1) === 1)
      const out = written(context, 'tracecontext')
      assert.match(String(out.traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$/)
      if (!row.id.startsWith('S')) return
      if (/^(all |whole tracestate )?dropped|no tracestate/.test(wanted))
        return assert.equal('tracestate' in out, false)
      assert.match(wanted, /kept/)
      const members = tracestate.split(',').filter(member => member.trim() !== '')
      assert.equal(out.tracestate, members.join(','))
    })
  }

  const outgoing: Record<string, () => void> = {
    'exactly one traceparent header': () => {
      const carrier = { traceparent: 'other' }
      propagation.inject(TRACE, carrier)
      assert.equal(carrier.traceparent, `00-${ID}-${SPAN}-01`)
    },
    'version is always 00': () => {
      const context = propagation.extract({ traceparent: `cc-${ID}-${SPAN}-01-more` })
      assert.equal(written(context as TraceContext, 'tracecontext').traceparent, `00-${ID}-${SPAN}-01`)
    },
    'trace-id and parent-id lower-case hex, never all zero': () => {
      const context = propagation.extract({ 'uber-trace-id': 'ABC:DEF:0:1' })
      assert.equal(
        written(context as TraceContext, 'tracecontext').traceparent,
        '00-00000000000000000000000000000abc-0000000000000def-01',
      )
    },
    'a restarted trace drops the incoming tracestate': () => {
      const context = propagation.extract({ traceparent: 'bad', tracestate: 'foo=1', baggage: 'k=v' })
      assert.deepEqual([context?.traceId, context?.tracestate], ['', undefined])
    },
    'a root trace made with random 7 low bytes sets the random flag 0x02 (Level 2 SHOULD)': () => {
      assert.equal(written({ ...TRACE, random: true }, 'tracecontext').traceparent, `00-${ID}-${SPAN}-03`)
      assert.equal(propagation.extract({ traceparent: `00-${ID}-${SPAN}-02` })?.random, true)
    },
    'tracestate MUST NOT be sent without traceparent': () => {
      assert.deepEqual(
        written({ ...EMPTY, tracestate: 'foo=1', debug: true, sampled: true }, 'tracecontext'),
        {},
      )
    },
  }
  for (const sentence of w3c.outgoing as string[])
    it(`outgoing: ${sentence}`, () => outgoing[sentence]?.() ?? assert.ok(outgoing[sentence]))

  it('writes a debug trace as our member of tracestate, first, and reads it back', () => {
    const debug = { ...TRACE, debug: true, tracestate: 'foo=1' }
    const carrier = written(debug, 'tracecontext')
    assert.equal(carrier.tracestate, 'tracing-middleware=d,foo=1')
    assert.deepEqual(propagation.extract(carrier), debug)
    // A vendor between us that does not sample cannot take the debug request back.
    assert.deepEqual(propagation.extract({ ...carrier, traceparent: `00-${ID}-${SPAN}-00` }), debug)
    const full = { ...debug, tracestate: Array.from({ length: 32 }, (_, i) => `k${i}=v`).join(',') }
    const members = String(written(full, 'tracecontext').tracestate).split(',')
    assert.deepEqual([members.length, members[0], members[31]], [32, 'tracing-middleware=d', 'k30=v'])
    assert.equal(written({ ...full, debug: false }, 'tracecontext').tracestate, full.tracestate)
  })

  it('F020: takes nothing of ours from a tracestate that is dropped', () => {
    const traceparent = `00-${ID}-${SPAN}-00`
    assert.equal(propagation.extract({ traceparent, tracestate: 'tracing-middleware=d,Bad=1' })?.debug, false)
    assert.equal(
      propagation.extract({ traceparent, tracestate: 'tracing-middleware=x,foo=1' })?.tracestate,
      'foo=1',
    )
  })

  it('combines several tracestate headers', () => {
    const context = propagation.extract({
      traceparent: `00-${ID}-${SPAN}-01`,
      tracestate: ['a=1', '', 'b=2'],
    })
    assert.equal(context?.tracestate, 'a=1,b=2')
  })
})

describe('baggage (w3c.json; F022, F023, F029)', () => {
  assert.deepEqual(
    [w3c.baggageLimits.mustPropagateAtLeastMembers, w3c.baggageLimits.mustPropagateAtLeastBytes],
    [64, 8192],
  )
  for (const row of w3c.baggage.map(unabridged) as Row[]) {
    it(`${row.id}: ${row.note ?? (typeof row.expect === 'string' ? row.expect : row.carrier.baggage)}`, () => {
      const context = extract(row)
      const items = context?.baggage
      if (typeof row.expect === 'object') {
        return assert.deepEqual(Object.fromEntries(items ?? []), row.expect)
      }
      const header = String(row.carrier.baggage)
      const out = written(context ?? EMPTY, 'baggage').baggage
      if (/MUST/.test(String(row.expect))) assert.equal(out, header)
      else if (/may be dropped/.test(String(row.expect)))
        assert.ok(out === undefined || header.split(',').includes(String(out)))
      else assert.match(String(row.expect), /no throw/)
    })
  }

  const over = createPropagation({ extract: ['baggage'], inject: ['baggage'] })
  const members = (count: number, size = 0) =>
    Array.from({ length: count }, (_, i) => `k${i}=${'v'.repeat(size)}`).join(',')

  it('F022: passes 64 members and 8192 bytes on, byte for byte', () => {
    for (const header of [
      members(64),
      `k=${'v'.repeat(8190)}`,
      `${members(63, 100)},z=${'~'.repeat(1585)}`,
    ]) {
      const carrier: Record<string, unknown> = {}
      over.inject(over.extract({ baggage: header }) as TraceContext, carrier)
      assert.equal(carrier.baggage, header)
    }
    assert.equal(`${members(63, 100)},z=${'~'.repeat(1585)}`.length, 8192)
    assert.equal(over.meter.read().incoming.formats.baggage?.dropped, 0)
    assert.equal(over.meter.read().outgoing.formats.baggage?.dropped, 0)
  })

  it('F023: drops whole members over the limits on the way in, and counts them', () => {
    over.meter.reset()
    assert.equal(over.extract({ baggage: members(70) })?.baggage?.size, 64)
    assert.equal(over.meter.read().incoming.formats.baggage?.dropped, 6)
    const big = over.extract({ baggage: `a=1,b=${'v'.repeat(8190)},c=3` })?.baggage
    assert.deepEqual(
      [...(big ?? [])],
      [
        ['a', '1'],
        ['c', '3'],
      ],
    )
    assert.equal(over.meter.read().incoming.formats.baggage?.dropped, 7)
    assert.equal(over.extract({ baggage: `k=${'v'.repeat(8191)}` }), undefined)
  })

  it('F023: drops whole members over the limits on the way out, and counts them', () => {
    over.meter.reset()
    const baggage = new Map([
      ['a', '1'],
      ['b', '中'.repeat(911)],
      ['c', '3'],
    ])
    const carrier: Record<string, unknown> = {}
    over.inject({ ...EMPTY, baggage }, carrier)
    assert.equal(carrier.baggage, 'a=1,c=3')
    for (let i = 0; i < 70; i++) baggage.set(`k${i}`, '')
    over.inject({ ...EMPTY, baggage }, carrier)
    assert.equal(String(carrier.baggage).split(',').length, 64)
    assert.equal(over.meter.read().outgoing.formats.baggage?.dropped, 1 + 9)
  })

  it('F023: keeps the same limits for uberctx-*', () => {
    const many: Record<string, string> = { 'uber-trace-id': '1:1:0:1' }
    for (let i = 0; i < 70; i++) many[`uberctx-k${i}`] = 'v'
    const context = propagation.extract(many) as TraceContext
    assert.equal(context.baggage?.size, 64)
    const baggage = new Map(
      [...Array(70).keys()].map(i => [`k${i}`, i === 0 ? 'v'.repeat(8192) : 'v'] as const),
    )
    const names = Object.keys(written({ ...TRACE, baggage }, 'uber-trace-id'))
    assert.deepEqual([names.length, names.includes('uberctx-k0')], [65, false])
  })

  it('F029: keeps the members beside a malformed one', () => {
    const context = propagation.extract({ baggage: 'a=1,b=%zz,c d=2,=3,noequals,e="q",f=%FF,g=é,h=ok' })
    assert.deepEqual(Object.fromEntries(context?.baggage ?? []), { a: '1', b: '%zz', f: '\ufffd', h: 'ok' })
  })

  it('F030: combines several baggage headers, joined by node or as an array', () => {
    for (const baggage of [['a=1', 'b=2'], 'a=1, b=2']) {
      assert.deepEqual(Object.fromEntries(propagation.extract({ baggage })?.baggage ?? []), {
        a: '1',
        b: '2',
      })
    }
  })

  it('passes the properties of a member on with it', () => {
    const header = 'key1=value1;property1;property2,key2=value2,key3=value3;propertyKey=propertyValue'
    const context = propagation.extract({ baggage: header.replaceAll(',', ' , ').replace(';', ' ; ') })
    assert.equal(written(context as TraceContext, 'baggage').baggage, header)
  })
})

describe('uber-trace-id (jaeger.json; F006-F009)', () => {
  const padded = (id: string, width: number) => id.padStart(width, '0')
  for (const row of jaeger.extract.map(unabridged) as Row[]) {
    it(`${row.id}: ${row.note ?? JSON.stringify(row.carrier).slice(0, 90)}`, () => {
      const context = extract(row)
      const wanted = row.expect
      if (typeof wanted === 'string') return assertJaegerWords(row, context)
      const { valid, traceId, spanId, parentId, sampled, debug, debugId, baggage } = wanted as JaegerExpect
      if (valid !== undefined) assert.equal(context !== undefined && context.traceId !== '', valid)
      if (traceId !== undefined) {
        assert.deepEqual(
          [context?.traceId, context?.spanId, context?.parentId, context?.sampled, context?.debug],
          [padded(traceId, 32), padded(spanId ?? '', 16), parentId ?? undefined, sampled, debug],
        )
      }
      if (debugId !== undefined) assert.equal(context?.debugId, 'a b')
      if (baggage !== undefined) assert.deepEqual(Object.fromEntries(context?.baggage ?? []), baggage)
    })
  }

  function assertJaegerWords(row: Row, context: TraceContext | undefined): void {
    const wanted = String(row.expect)
    if (/^context of uber-trace-id/.test(wanted)) {
      assert.deepEqual(
        [context?.spanId, context?.sampled, context?.debugId],
        ['6e0c63257de34c92', false, 'x'],
      )
    } else assert.match(wanted, /no throw/)
  }

  const inject: Record<string, () => void> = {
    // Padded, as the row's source recommends: 16 digits for a trace that a 64-bit tracer began.
    JI1: () => assert.equal(uber('100', '7f', undefined, true), '0000000000000100:000000000000007f:0:1'),
    JI2: () =>
      assert.equal(uber('ff0', '7f', '100', false), '0000000000000ff0:000000000000007f:0000000000000100:0'),
    JI4: () =>
      assert.equal(
        uber('d4cda95b652f4a1592b449d5929fda1b', '6e0c63257de34c92', undefined, true),
        'd4cda95b652f4a1592b449d5929fda1b:6e0c63257de34c92:0:1',
      ),
    JI5: () => assert.deepEqual(written(EMPTY, 'uber-trace-id'), {}),
    JI7: () => {
      const context = propagation.extract({ 'uber-trace-id': 'ac1f3dc3c2c0b06e:1:0:1' }) as TraceContext
      assert.match(String(written(context, 'uber-trace-id')['uber-trace-id']), /^ac1f3dc3c2c0b06e:/)
    },
    JI8: () => {
      const carrier = written({ ...TRACE, baggage: new Map([['Some_KEY', 'v']]) }, 'uber-trace-id')
      assert.equal(carrier['uberctx-some-key'], 'v')
    },
  }
  const uber = (traceId: string, spanId: string, parentId: string | undefined, sampled: boolean) =>
    written(
      {
        ...EMPTY,
        traceId: padded(traceId, 32),
        spanId: padded(spanId, 16),
        parentId: parentId && padded(parentId, 16),
        sampled,
      },
      'uber-trace-id',
    )['uber-trace-id']
  for (const row of jaeger.inject)
    it(`${row.id}: ${row.ctx}`, () => inject[row.id]?.() ?? assert.ok(inject[row.id]))

  it('writes debug as bits 1 and 2, with sampled', () => {
    const carrier = written({ ...TRACE, debug: true }, 'uber-trace-id')
    assert.equal(carrier['uber-trace-id'], `${ID}:${SPAN}:0:3`)
    assert.equal(propagation.extract({ 'uber-trace-id': '1:1:0:2' })?.sampled, true)
  })

  it('F006: takes the first valid text of an array', () => {
    const extracted = (value: unknown) => propagation.extract({ 'uber-trace-id': value })?.traceId
    assert.equal(extracted(['a', 'b']), undefined)
    assert.equal(extracted(['a', `${ID}:${SPAN}:0:1`, '1:1:0:1']), ID)
    assert.equal(extracted([null, 5, {}, `${ID}:${SPAN}:0:1`]), ID)
  })

  it('refuses flags of more than a byte, and takes upper-case ones', () => {
    assert.equal(propagation.extract({ 'uber-trace-id': '1:1:0:001' }), undefined)
    assert.equal(propagation.extract({ 'uber-trace-id': '1:1:0:' }), undefined)
    assert.equal(propagation.extract({ 'uber-trace-id': '1:1:0:0F' })?.debug, true)
    assert.equal(
      propagation.extract({ 'uber-trace-id': `${ID}:${SPAN}:${'0'.repeat(16)}:1` })?.parentId,
      undefined,
    )
  })
})

describe('B3 (b3.json; F010-F013)', () => {
  const STATES: Record<string, Pick<TraceContext, 'sampled' | 'debug'>> = {
    accept: { sampled: true, debug: false },
    deny: { sampled: false, debug: false },
    debug: { sampled: true, debug: true },
    defer: { sampled: undefined, debug: false },
  }
  for (const row of b3.extract as Row[]) {
    it(`${row.id}: ${row.note ?? JSON.stringify(row.carrier).slice(0, 90)}`, () => {
      const context = extract(row)
      const wanted = row.expect
      if (typeof wanted === 'string') return assertWords(row, context)
      const { valid, traceId, spanId, parentId, state } = wanted as Record<string, never>
      assert.equal(context !== undefined && context.traceId !== '', valid)
      if (valid) {
        assert.deepEqual(
          [context?.traceId, context?.spanId, context?.parentId],
          [String(traceId).padStart(32, '0'), spanId, parentId ?? undefined],
        )
      }
      if (state === undefined) assert.equal(context, undefined)
      else assert.deepEqual({ sampled: context?.sampled, debug: context?.debug }, STATES[state])
    })
  }

  function assertWords(row: Row, context: TraceContext | undefined): void {
    const wanted = String(row.expect)
    const [traceId] = [row.carrier['x-b3-traceid'] ?? row.carrier['X-B3-TraceId']].flat()
    if (/refuse$/.test(wanted)) assert.equal(context, undefined)
    else if (/malformed -> defer/.test(wanted))
      assert.deepEqual([context?.traceId, context?.sampled], [traceId, undefined])
    else if (/ids kept or refused/.test(wanted)) assert.equal(context, undefined)
    else if (/first value wins|case-insensitive/.test(wanted))
      assert.deepEqual([context?.traceId, context?.sampled], [traceId, true])
    else assert.match(wanted, /Either, no throw/)
  }

  const ids = { traceId: '80f198ee56343ba864fe8b2a57d3eff7', spanId: 'e457b5a2e4d86bd1' }
  const both = (context: TraceContext) => written(context, 'b3', 'b3multi')
  const vector = (id: string) => b3.inject.find((row: { id: string }) => row.id === id)
  const inject: Record<string, () => void> = {
    BI1: () => {
      const { single, multi } = vector('BI1')
      assert.deepEqual(both({ ...EMPTY, ...ids, sampled: true }), { b3: single, ...multi })
    },
    BI2: () => {
      const { single, multi } = vector('BI2')
      assert.deepEqual(both({ ...EMPTY, ...ids, sampled: false }), { b3: single, ...multi })
    },
    BI4: () => {
      assert.equal('x-b3-parentspanid' in both({ ...EMPTY, ...ids, sampled: true }), false)
      const child = both({ ...EMPTY, ...ids, sampled: true, parentId: '05e3ac9a4f6e3b90' })
      assert.equal(child['x-b3-parentspanid'], '05e3ac9a4f6e3b90')
      assert.equal(child.b3, `${ids.traceId}-${ids.spanId}-1-05e3ac9a4f6e3b90`)
    },
    BI5: () => assert.deepEqual(both(EMPTY), {}),
    BI7: () => assert.deepEqual(Object.keys(written({ ...TRACE, tracestate: 'foo=1' }, 'b3')), ['b3']),
    BI8: () => {
      const denied = propagation.extract({ b3: '0' }) as TraceContext
      assert.deepEqual(both(denied), { b3: '0', 'x-b3-sampled': '0' })
      assert.equal(both({ ...denied, ...ids }).b3, `${ids.traceId}-${ids.spanId}-0`)
    },
    BI10: () => {
      // Decided: the span id that came is the caller's span, our span is its child (docs/propagation.md).
      assert.equal(propagation.extract({ b3: `${ids.traceId}-${ids.spanId}-1` })?.spanId, ids.spanId)
    },
  }
  for (const row of b3.inject)
    it(`${row.id}: ${row.ctx}`, () => inject[row.id]?.() ?? assert.ok(inject[row.id]))

  it('F013: writes debug without sampled, as b3 "d" and x-b3-flags, and alone', () => {
    assert.deepEqual(both({ ...EMPTY, ...ids, sampled: true, debug: true }), {
      b3: `${ids.traceId}-${ids.spanId}-d`,
      'x-b3-traceid': ids.traceId,
      'x-b3-spanid': ids.spanId,
      'x-b3-flags': '1',
    })
    assert.deepEqual(both(propagation.extract({ 'x-b3-flags': '1' }) as TraceContext), {
      b3: 'd',
      'x-b3-flags': '1',
    })
  })

  it('reads and writes a deferred decision', () => {
    const deferred = propagation.extract({ b3: `${ids.traceId}-${ids.spanId}` }) as TraceContext
    assert.equal(deferred.sampled, undefined)
    assert.deepEqual(both(deferred), {
      b3: `${ids.traceId}-${ids.spanId}`,
      'x-b3-traceid': ids.traceId,
      'x-b3-spanid': ids.spanId,
    })
  })

  it('keeps a 64-bit trace id at 16 digits where the format knows it', () => {
    const context = propagation.extract({ b3: '64fe8b2a57d3eff7-e457b5a2e4d86bd1-1' }) as TraceContext
    assert.equal(context.traceId, '000000000000000064fe8b2a57d3eff7')
    assert.equal(both(context).b3, '64fe8b2a57d3eff7-e457b5a2e4d86bd1-1')
    assert.equal(
      written(context, 'tracecontext').traceparent,
      '00-000000000000000064fe8b2a57d3eff7-e457b5a2e4d86bd1-01',
    )
  })
})
