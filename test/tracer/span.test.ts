// A span of ours: ids, times, limits, baggage, parents from elsewhere.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import opentracing, { type SpanContext } from 'opentracing'
import { alwaysSampler, createTracer, neverSampler } from '../../src/tracer/index.ts'
import { runProgram, source } from '../support/children.ts'
import { countedBatches, exported, newWorld } from '../support/tracer-world.ts'

const { FORMAT_HTTP_HEADERS, FORMAT_TEXT_MAP, FORMAT_BINARY } = opentracing
const quiet = { serviceName: 'orders', exporter: { export() {} } }
const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

describe('ids', () => {
  it('are 32 and 16 lower-case hex digits, never zero, never the same, with every bit in use', () => {
    const tracer = createTracer({ ...quiet, sampler: neverSampler() })
    const seen = new Set<string>()
    const ones = new Array(192).fill(0)
    const count = 20_000
    for (let i = 0; i < count; i++) {
      const context = tracer.startSpan('any').context()
      const id = context.toTraceId() + context.toSpanId()
      assert.match(id, /^[0-9a-f]{48}$/)
      seen.add(context.toTraceId()).add(context.toSpanId())
      for (let digit = 0; digit < 48; digit++) {
        const value = Number.parseInt(id[digit] as string, 16)
        for (let bit = 0; bit < 4; bit++) ones[digit * 4 + bit] += (value >> bit) & 1
      }
    }
    assert.equal(seen.size, 2 * count)
    // Six standard deviations: once in five hundred million bits.
    for (const [bit, number] of ones.entries()) {
      assert.ok(
        Math.abs(number - count / 2) < 6 * Math.sqrt(count / 4),
        `bit ${bit} is set in ${number} of ${count}`,
      )
    }
  })

  it('differ between processes', async () => {
    const program = `
      import { createTracer } from '${source}/tracer/index.ts'
      const id = createTracer({ exporter: { export() {} } }).startSpan('any').context().toTraceId()
      console.log(id)`
    const ends = await Promise.all([runProgram(program), runProgram(program), runProgram(program)])
    const ids = ends.map(({ stdout }) => stdout.trim())
    for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/)
    assert.equal(new Set(ids).size, 3)
  })
})

describe('times', () => {
  it('F099 a clock that is set an hour back shortens no span, and the next trace is right', async () => {
    const { tracer, finished } = newWorld()
    const realNow = Date.now
    try {
      const parent = tracer.startSpan('parent')
      Date.now = () => realNow() - 3_600_000
      await wait(30)
      const child = tracer.startSpan('child', { childOf: parent })
      child.log({ event: 'here' })
      child.finish()
      parent.finish()
      await wait(1100)
      tracer.startSpan('next').finish()
      await tracer.flush()
      const [below, above, next] = finished
      assert.ok(below && above && next, 'three spans')
      assert.ok(above.duration >= 29 && above.duration < 1000, `${above.duration} ms`)
      assert.ok(below.startTime >= above.startTime, 'the child starts within its parent')
      const [log] = below.logs
      assert.ok(log && log.timestamp >= below.startTime, 'the log lies behind the start')
      assert.ok(log && log.timestamp <= below.startTime + below.duration, 'and before the end')
      assert.ok(Math.abs(above.startTime - realNow()) < 5000, 'the first trace keeps its hour')
      assert.ok(Math.abs(next.startTime - Date.now()) < 50, 'the next trace has the new one')
    } finally {
      Date.now = realNow
    }
    // The clock is looked at again when a second has passed.
    await wait(1100)
    tracer.startSpan('after').finish()
  })

  it('have microseconds, in order', async () => {
    const { tracer, spans } = newWorld()
    const root = tracer.startSpan('root')
    for (let i = 0; i < 100; i++) tracer.startSpan(`child ${i}`, { childOf: root }).finish()
    root.finish()
    await tracer.flush()
    const starts = spans.slice(0, 100).map(({ start }) => start)
    assert.deepEqual(
      starts,
      [...starts].sort((a, b) => Number(a - b)),
    )
    assert.ok(new Set(starts.map(start => start / 1000n)).size > 20, 'microseconds tell them apart')
    const last = spans.at(-1)
    for (const { end } of spans) assert.ok(last && end <= last.end, 'the root ends last')
  })

  it('that make no sense are taken for now', async () => {
    for (const time of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300, 'soon' as unknown as number]) {
      const { tracer, finished } = newWorld()
      tracer.startSpan('any', { startTime: time }).finish(time)
      await tracer.flush()
      const [span] = finished
      assert.ok(span && Math.abs(span.startTime - Date.now()) < 2000, String(time))
      assert.ok(span.duration >= 0 && span.duration < 2000, String(time))
    }
  })

  it('of a span that finishes before it starts: no duration', async () => {
    const span = await exported(tracer =>
      tracer.startSpan('any', { startTime: Date.now() + 60_000 }).finish(),
    )
    assert.equal(span.end - span.start, 0n)
  })
})

describe('limits', () => {
  it('F098 ten thousand children in one trace: all are exported, in batches', async () => {
    const { tracer, sizes } = countedBatches({ queueSpans: 20_000 })
    const root = tracer.startSpan('root')
    for (let i = 0; i < 10_000; i++) tracer.startSpan('child', { childOf: root }).finish()
    root.finish()
    await tracer.close()
    assert.equal(
      sizes.reduce((sum, size) => sum + size),
      10_001,
    )
    assert.ok(Math.max(...sizes) <= 512, `${Math.max(...sizes)} in one batch`)
  })

  it('F098 a log of a megabyte is cut, and ten thousand logs and tags are counted', async () => {
    const span = await exported(tracer => {
      const made = tracer.startSpan('large')
      made.log({ event: 'huge', payload: 'x'.repeat(1_000_000) })
      for (let i = 0; i < 1000; i++) made.log({ event: 'again', i }).setTag(`tag${i}`, i)
      made.setTag('tag0', 'overwritten')
      made.finish()
    })
    assert.equal(String(span.events[0]?.attributes.payload).length, 8192)
    assert.equal(span.events.length, 128)
    assert.equal(span.dropped.events, 1001 - 128)
    assert.equal(span.keys.length, 128)
    assert.equal(span.dropped.attributes, 1000 - 128)
    assert.equal(span.attributes.tag0, 'overwritten')
  })

  it('are what the options say', async () => {
    const span = await exported(
      tracer => {
        const made = tracer.startSpan('small', { tags: { a: 'abcdefgh', b: 2, c: 3 } })
        made.log({ event: 'x', one: 1, two: 2 }).log({ event: 'y' })
        made.finish()
      },
      { limits: { tags: 2, logs: 1, fields: 2, valueLength: 5 } },
    )
    assert.deepEqual(span.attributes, { a: 'abcd…', b: 2 })
    assert.deepEqual(
      span.events.map(({ name, attributes }) => [name, attributes]),
      [['x', { one: 1 }]],
    )
    assert.deepEqual(span.dropped, { attributes: 1, events: 1 })
  })

  it('of the queue in bytes: by the tags that spans hold, of the start and of later, and of any name', async () => {
    const tags = { 'http.url': 'x'.repeat(2000) }
    const [early, late] = [{ 'peer.hostname': 'x'.repeat(1000) }, { 'http.final_url': 'x'.repeat(1000) }]
    for (const [start, end] of [
      [tags, {}],
      [early, late],
    ] as const) {
      const tracer = createTracer({ ...quiet, onError() {}, batch: { queueBytes: 100_000, spans: 1000 } })
      for (let i = 0; i < 200; i++) tracer.startSpan('GET', { tags: start }).addTags(end).finish()
      const { queued, dropped } = tracer.stats()
      assert.ok(queued > 30 && queued < 50, `${queued} wait`)
      assert.equal(dropped.queueFull, 200 - queued)
      await tracer.close()
    }
  })

  it('hold for all logs of a span together', async () => {
    const span = await exported(tracer => {
      const made = tracer.startSpan('chatty')
      for (let i = 0; i < 100; i++) made.log({ event: 'x', text: 'y'.repeat(8000) })
      made.finish()
    })
    assert.equal(span.events.length, 17)
    assert.equal(span.dropped.events, 83)
  })

  it('F047 a name that is none, or too long', async () => {
    const names: [unknown, string][] = [
      ['a\r\nb', 'a\r\nb'],
      ['', ''],
      ['n'.repeat(100_000), `${'n'.repeat(255)}…`],
      [undefined, 'undefined'],
      [Symbol('x'), 'Symbol(x)'],
      [Object.create(null), '[unreadable]'],
    ]
    for (const [given, name] of names) {
      assert.equal((await exported(tracer => tracer.startSpan(given as string).finish())).name, name)
    }
  })

  it('a tag whose name is no text', async () => {
    const { attributes } = await exported(tracer => {
      const span = tracer.startSpan('any').setTag(7 as unknown as string, 'seven')
      span.setTag('7', 'sieben').setTag('k'.repeat(300), 1).setTag('k'.repeat(300), 2).finish()
    })
    assert.deepEqual(attributes, { 7: 'sieben', [`${'k'.repeat(255)}…`]: 2 })
  })

  it('tags that throw when they are read cost themselves alone, and are reported', async () => {
    const { tracer, spans, failures } = newWorld()
    const tags = Object.defineProperty({ good: 1 }, 'bad', {
      enumerable: true,
      get() {
        throw new Error('trap')
      },
    })
    tracer.startSpan('any', { tags }).addTags(tags).log(tags).finish()
    await tracer.close()
    assert.equal(spans[0]?.attributes.good, 1)
    assert.deepEqual(failures, [
      { place: 'tags', message: 'trap' },
      { place: 'log', message: 'trap' },
    ])
  })
})

describe('parents', () => {
  it('several references: the first child-of is the parent, the others are links', async () => {
    const { tracer, spans } = newWorld()
    const [a, b, c] = ['a', 'b', 'c'].map(name => tracer.startSpan(name)) as [
      opentracing.Span,
      opentracing.Span,
      opentracing.Span,
    ]
    const references = [opentracing.followsFrom(a.context()), opentracing.childOf(b), opentracing.childOf(c)]
    tracer.startSpan('work', { references }).finish()
    await tracer.flush()
    const [work] = spans
    assert.equal(work?.parentSpanId, b.context().toSpanId())
    assert.deepEqual(
      work?.links.map(({ spanId, attributes }) => [spanId, attributes['opentracing.ref_type']]),
      [
        [a.context().toSpanId(), 'follows_from'],
        [c.context().toSpanId(), 'child_of'],
      ],
    )
  })

  it('follows-from alone: the same trace, and told as what it is', async () => {
    const { tracer, spans } = newWorld()
    const earlier = tracer.startSpan('earlier')
    tracer.startSpan('later', { references: [opentracing.followsFrom(earlier.context())] }).finish()
    await tracer.flush()
    assert.equal(spans[0]?.traceId, earlier.context().toTraceId())
    assert.equal(spans[0]?.parentSpanId, earlier.context().toSpanId())
    assert.deepEqual(spans[0]?.links[0]?.attributes, { 'opentracing.ref_type': 'follows_from' })
  })

  it('a public endpoint begins a trace that is linked to the caller, without its baggage and decision', async () => {
    const { tracer, spans } = newWorld({ sampler: alwaysSampler() })
    const caller = tracer.extract(FORMAT_HTTP_HEADERS, {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
      baggage: 'user=mallory',
    }) as SpanContext
    const references = [opentracing.childOf(new opentracing.SpanContext()), opentracing.followsFrom(caller)]
    const span = tracer.startSpan('GET', { references })
    assert.equal(span.getBaggageItem('user'), undefined)
    span.finish()
    await tracer.flush()
    assert.notEqual(spans[0]?.traceId, caller.toTraceId())
    assert.equal(spans[0]?.parentSpanId, '')
    assert.equal(spans[0]?.links[0]?.traceId, caller.toTraceId())
  })

  it('that are strange begin a trace, and throw nothing', () => {
    const { tracer } = newWorld()
    const thrower = {
      toTraceId() {
        throw new Error('no')
      },
      toSpanId: () => '1',
    }
    const strange = [
      null,
      undefined,
      {},
      'x',
      7,
      thrower,
      { toTraceId: () => 'zz', toSpanId: () => '1' },
      { toTraceId: () => '0'.repeat(32), toSpanId: () => '1' },
    ]
    for (const childOf of strange) {
      assert.match(
        tracer
          .startSpan('any', { childOf: childOf as never })
          .context()
          .toTraceId(),
        /^[0-9a-f]{32}$/,
      )
    }
    assert.ok(tracer.startSpan('any', null as never), 'no options at all')
  })

  it("another tracer's ids are padded", () => {
    const { tracer } = newWorld()
    const foreign = { toTraceId: () => 'ABC', toSpanId: () => '1f' } as SpanContext
    const headers: Record<string, string> = {}
    const span = tracer.startSpan('any', { childOf: foreign })
    tracer.inject(span, FORMAT_HTTP_HEADERS, headers)
    assert.equal(span.context().toTraceId(), 'abc'.padStart(32, '0'))
    assert.match(String(headers['uber-trace-id']), /^0*abc:[0-9a-f]{16}:0*1f:1$/)
  })

  it('two spans from the same headers are two local parts of one trace', async () => {
    const { tracer, spans } = newWorld()
    const context = tracer.extract(FORMAT_HTTP_HEADERS, {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    }) as SpanContext
    const [first, second] = [
      tracer.startSpan('first', { childOf: context }),
      tracer.startSpan('second', { childOf: context }),
    ]
    first.setTag('sampling.priority', 0)
    first.finish()
    second.finish()
    await tracer.flush()
    assert.deepEqual(
      spans.map(({ name, traceId }) => [name, traceId]),
      [['second', context.toTraceId()]],
    )
  })
})

describe('what travels', () => {
  it('a foreign tracestate, debug and baggage go on below an unsampled span too', () => {
    const { tracer } = newWorld({ sampler: neverSampler() })
    const incoming = {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
      tracestate: 'vendor=1',
      baggage: 'user=ada;ttl=30,plan=gold;paid',
    }
    const span = tracer.startSpan('any', {
      childOf: tracer.extract(FORMAT_HTTP_HEADERS, incoming) as SpanContext,
    })
    span.setBaggageItem('plan', 'silver')
    const headers: Record<string, string> = {}
    tracer.inject(span, FORMAT_HTTP_HEADERS, headers)
    assert.equal(headers.tracestate, 'vendor=1')
    assert.match(String(headers.traceparent), /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/)
    assert.notEqual(span.context().toSpanId(), 'b7ad6b7169203331')
    assert.deepEqual(String(headers.baggage).split(',').sort(), ['plan=silver', 'user=ada;ttl=30'])
  })

  it('a decision alone (b3: 0) holds for the trace that begins here', () => {
    const { tracer } = newWorld()
    const span = tracer.startSpan('any', {
      childOf: tracer.extract(FORMAT_HTTP_HEADERS, { b3: '0' }) as SpanContext,
    })
    const headers: Record<string, string> = {}
    tracer.inject(span, FORMAT_HTTP_HEADERS, headers)
    assert.match(String(headers.traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[02]$/)
  })

  it('F013 debug is sampled under a never-sampler, and goes on as debug', async () => {
    const { tracer, spans } = newWorld({
      sampler: neverSampler(),
      propagation: { inject: ['b3', 'uber-trace-id'] },
    })
    const b3 = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-d'
    const span = tracer.startSpan('any', {
      childOf: tracer.extract(FORMAT_HTTP_HEADERS, { b3 }) as SpanContext,
    })
    const headers: Record<string, string> = {}
    tracer.inject(span, FORMAT_HTTP_HEADERS, headers)
    assert.match(String(headers.b3), /-d-/)
    assert.match(String(headers['uber-trace-id']), /:3$/)
    span.finish()
    await tracer.flush()
    assert.equal(spans.length, 1)
  })

  it('jaeger-debug-id begins a trace that is kept and can be found by it', async () => {
    const { tracer, spans } = newWorld({ sampler: neverSampler() })
    const context = tracer.extract(FORMAT_HTTP_HEADERS, { 'jaeger-debug-id': 'ticket-7' }) as SpanContext
    tracer.startSpan('any', { childOf: context }).finish()
    await tracer.flush()
    assert.equal(spans[0]?.attributes['jaeger-debug-id'], 'ticket-7')
  })

  it('F111 nothing of the sort where callers are not trusted', async () => {
    const { tracer, spans } = newWorld({ sampler: neverSampler(), parentBased: false })
    for (const headers of [
      { 'jaeger-debug-id': 'ticket-7' },
      { b3: '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-d' },
      { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
    ]) {
      tracer
        .startSpan('any', { childOf: tracer.extract(FORMAT_HTTP_HEADERS, headers) as SpanContext })
        .finish()
    }
    await tracer.flush()
    assert.deepEqual(spans, [])
  })

  it('F031 baggage of siblings stays apart', () => {
    const { tracer } = newWorld()
    const context = tracer.extract(FORMAT_HTTP_HEADERS, {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      baggage: 'k=0',
    }) as SpanContext
    const spans = [1, 2].map(i =>
      tracer.startSpan('any', { childOf: context }).setBaggageItem('k', String(i)),
    )
    const sent = spans.map(span => {
      const headers: Record<string, string> = {}
      tracer.inject(span, FORMAT_HTTP_HEADERS, headers)
      return headers.baggage
    })
    assert.deepEqual(sent, ['k=1', 'k=2'])
  })

  it('F026 F027 F028 baggage that no header can carry breaks no call', () => {
    const { tracer } = newWorld()
    const span = tracer.startSpan('any')
    span
      .setBaggageItem('k', 'a\r\nX-Evil: 1')
      .setBaggageItem('中', '文')
      .setBaggageItem('a b', 'x')
      .setBaggageItem('', 'y')
    span.setBaggageItem('n', 7 as unknown as string)
    const headers: Record<string, string> = {}
    tracer.inject(span, FORMAT_HTTP_HEADERS, headers)
    for (const [name, value] of Object.entries(headers)) {
      assert.match(name, /^[!#$%&'*+.^_`|~0-9a-z-]+$/i)
      assert.match(value, /^[\x20-\x7e]*$/)
    }
  })

  it('carriers that are none are reported, and nothing else', () => {
    const { tracer, failures } = newWorld()
    const span = tracer.startSpan('any')
    for (const format of [FORMAT_HTTP_HEADERS, FORMAT_TEXT_MAP, FORMAT_BINARY, 'telegram']) {
      for (const carrier of [undefined, null, 'x', 7]) {
        tracer.inject(span, format, carrier)
        assert.equal(tracer.extract(format, carrier), null)
      }
      assert.equal(tracer.extract(format, { buffer: 'x' }), null)
      assert.equal(tracer.extract(format, { buffer: Buffer.from('[1]') }), null)
      assert.equal(tracer.extract(format, { buffer: [0xff, 0xfe] }), null)
    }
    tracer.inject(span, 'telegram', {})
    tracer.inject(null as never, FORMAT_TEXT_MAP, {})
    assert.deepEqual(failures.map(({ place }) => place).sort(), ['extract', 'inject'])
  })
})

describe('a finished span', () => {
  it('is reported once when it is finished twice', async () => {
    const { tracer, failures, spans } = newWorld()
    for (const name of ['first', 'second']) {
      const span = tracer.startSpan(name)
      span.finish()
      span.finish()
    }
    await tracer.close()
    assert.equal(spans.length, 2)
    assert.deepEqual(failures, [
      { place: 'finish', message: "the span 'first' was finished twice; the first time counts" },
    ])
  })

  it('is not kept alive by its context', async () => {
    const tracer = createTracer(quiet)
    const contexts: SpanContext[] = []
    const makeOne = (): WeakRef<object> => {
      const span = tracer.startSpan('any', { tags: { a: 1 } })
      contexts.push(span.context())
      span.finish()
      return new WeakRef(span)
    }
    const refs = Array.from({ length: 100 }, makeOne)
    await tracer.close()
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    await wait(10)
    gc()
    assert.equal(contexts.length, 100)
    assert.equal(refs.filter(ref => ref.deref() !== undefined).length, 0)
  })
})
