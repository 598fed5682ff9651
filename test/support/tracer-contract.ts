// What every OpenTracing tracer has to do, as rows; ids never change. Hosts are the tracers that they are run on.

import assert from 'node:assert/strict'
import opentracing, { type Span, type SpanContext, type Tracer } from 'opentracing'

/** A finished span, whatever tracer it was made by. */
export interface Seen {
  name: string
  traceId: string
  spanId: string
  parentId: string | undefined
  tags: Record<string, unknown>
  logs: { fields: Record<string, unknown>; timestamp: number }[]
  /** Milliseconds since the epoch. */
  startTime: number
  /** Milliseconds. */
  duration: number
}

export interface TracerHost {
  name: string
  /** A fresh tracer; `never`: one whose sampler keeps nothing. */
  make(sampling?: 'never'): { tracer: Tracer; seen(): Promise<Seen[]> }
  /** The rows that it does not fulfil, each with the reason. */
  lacks: Record<string, string>
}

export interface Row {
  id: string
  title: string
  run(host: TracerHost): Promise<void> | void
}

const { FORMAT_HTTP_HEADERS, FORMAT_TEXT_MAP, FORMAT_BINARY } = opentracing

const traceOf = (span: Span) => span.context().toTraceId()
const idOf = (span: Span) => span.context().toSpanId()

async function only(seen: () => Promise<Seen[]>): Promise<Seen> {
  const spans = await seen()
  assert.equal(spans.length, 1)
  return spans[0] as Seen
}

export const CONTRACT: Row[] = [
  {
    id: 'T-IDS',
    title: 'ids are hex text, and differ',
    run(host) {
      const { tracer } = host.make()
      const [a, b] = [tracer.startSpan('a'), tracer.startSpan('b')]
      assert.match(traceOf(a), /^[0-9a-f]{1,32}$/)
      assert.match(idOf(a), /^[0-9a-f]{1,16}$/)
      assert.notEqual(traceOf(a), traceOf(b))
      assert.notEqual(idOf(a), idOf(b))
    },
  },
  {
    id: 'T-CHILD-SPAN',
    title: 'a child of a span is in its trace',
    async run(host) {
      const { tracer, seen } = host.make()
      const parent = tracer.startSpan('parent')
      const child = tracer.startSpan('child', { childOf: parent })
      child.finish()
      const { traceId, parentId } = await only(seen)
      assert.equal(traceId, traceOf(parent))
      assert.equal(parentId, idOf(parent))
    },
  },
  {
    id: 'T-CHILD-CONTEXT',
    title: 'and so is a child of its context',
    async run(host) {
      const { tracer, seen } = host.make()
      const parent = tracer.startSpan('parent').context()
      tracer.startSpan('child', { childOf: parent }).finish()
      const { traceId, parentId } = await only(seen)
      assert.equal(traceId, parent.toTraceId())
      assert.equal(parentId, parent.toSpanId())
    },
  },
  {
    id: 'T-CHILD-REFERENCE',
    title: 'and a child by reference',
    async run(host) {
      const { tracer, seen } = host.make()
      const parent = tracer.startSpan('parent')
      tracer.startSpan('child', { references: [opentracing.childOf(parent)] }).finish()
      assert.equal((await only(seen)).parentId, idOf(parent))
    },
  },
  {
    id: 'T-FOLLOWS',
    title: 'a span that follows from another is in its trace',
    async run(host) {
      const { tracer, seen } = host.make()
      const earlier = tracer.startSpan('earlier')
      tracer.startSpan('later', { references: [opentracing.followsFrom(earlier.context())] }).finish()
      assert.equal((await only(seen)).traceId, traceOf(earlier))
    },
  },
  {
    id: 'T-CHILD-FIRST',
    title: 'child-of decides before follows-from, in whatever order',
    async run(host) {
      const { tracer, seen } = host.make()
      const [earlier, parent] = [tracer.startSpan('earlier'), tracer.startSpan('parent')]
      const references = [opentracing.followsFrom(earlier.context()), opentracing.childOf(parent)]
      tracer.startSpan('both', { references }).finish()
      assert.equal((await only(seen)).parentId, idOf(parent))
    },
  },
  {
    id: 'T-PUBLIC-ROOT',
    title: 'a parent without ids begins a trace, though another span is followed',
    async run(host) {
      const { tracer, seen } = host.make()
      const caller = tracer.startSpan('caller')
      const nobody = tracer.extract(FORMAT_HTTP_HEADERS, {}) ?? new opentracing.SpanContext()
      const references = [opentracing.childOf(nobody), opentracing.followsFrom(caller.context())]
      tracer.startSpan('public', { references }).finish()
      const { traceId, parentId } = await only(seen)
      assert.notEqual(traceId, traceOf(caller))
      assert.equal(parentId, undefined)
    },
  },
  {
    id: 'T-TAGS',
    title: 'tags: at the start, one by one, several; the last value counts',
    async run(host) {
      const { tracer, seen } = host.make()
      const span = tracer.startSpan('tagged', { tags: { a: 1, b: 'two', c: true } })
      assert.equal(span.setTag('a', 10).addTags({ d: 'four', b: 'zwei' }), span)
      span.finish()
      const { tags } = await only(seen)
      assert.deepEqual([tags.a, tags.b, tags.c, tags.d], [10, 'zwei', true, 'four'])
    },
  },
  {
    id: 'T-NAME',
    title: 'the name that was set last',
    async run(host) {
      const { tracer, seen } = host.make()
      const span = tracer.startSpan('GET')
      assert.equal(span.setOperationName('GET /users/:id'), span)
      span.finish()
      assert.equal((await only(seen)).name, 'GET /users/:id')
    },
  },
  {
    id: 'T-LOG',
    title: 'logs, with their time and without',
    async run(host) {
      const { tracer, seen } = host.make()
      const span = tracer.startSpan('logged')
      const before = Date.now()
      assert.equal(span.log({ event: 'first', size: 3 }, 1_700_000_000_000).log({ event: 'second' }), span)
      span.finish()
      const { logs } = await only(seen)
      assert.deepEqual(
        logs.map(({ fields }) => fields),
        [{ event: 'first', size: 3 }, { event: 'second' }],
      )
      assert.equal(logs[0]?.timestamp, 1_700_000_000_000)
      const distance = Math.abs((logs[1]?.timestamp ?? 0) - before)
      assert.ok(distance < 1000, `it is ${distance} ms away`)
    },
  },
  {
    id: 'T-TIMES',
    title: 'start and finish may be given',
    async run(host) {
      const { tracer, seen } = host.make()
      tracer.startSpan('past', { startTime: 1_700_000_000_000 }).finish(1_700_000_000_250)
      const { startTime, duration } = await only(seen)
      assert.equal(Math.round(startTime), 1_700_000_000_000)
      assert.equal(Math.round(duration * 1000), 250_000)
    },
  },
  {
    id: 'T-DURATION',
    title: 'a duration is measured, and never negative',
    async run(host) {
      const { tracer, seen } = host.make()
      const span = tracer.startSpan('slow')
      await new Promise(resolve => setTimeout(resolve, 20))
      span.finish()
      tracer.startSpan('backwards').finish(Date.now() - 5000)
      const [slow, backwards] = (await seen()) as [Seen, Seen]
      assert.ok(slow.duration >= 18 && slow.duration < 2000, String(slow.duration))
      assert.ok(backwards.duration >= 0, String(backwards.duration))
    },
  },
  {
    id: 'T-FINISH-TWICE',
    title: 'finished twice, a span is exported once and throws nothing',
    async run(host) {
      const { tracer, seen } = host.make()
      const span = tracer.startSpan('twice')
      span.finish()
      span.finish()
      await only(seen)
    },
  },
  {
    id: 'T-AFTER-FINISH',
    title: 'a finished span may be written to without harm, and still has its context',
    async run(host) {
      const { tracer, seen } = host.make()
      const span = tracer.startSpan('done')
      span.finish()
      span.setTag('late', 1).log({ event: 'late' })
      span.setOperationName('late')
      assert.notEqual(traceOf(span), '')
      await only(seen)
    },
  },
  {
    id: 'T-BAGGAGE',
    title: 'baggage reaches the children that come after, and nobody else',
    run(host) {
      const { tracer } = host.make()
      const parent = tracer.startSpan('parent')
      const early = tracer.startSpan('early', { childOf: parent })
      assert.equal(parent.setBaggageItem('user', 'ada'), parent)
      const late = tracer.startSpan('late', { childOf: parent })
      late.setBaggageItem('late', 'yes')
      assert.equal(parent.getBaggageItem('user'), 'ada')
      assert.equal(late.getBaggageItem('user'), 'ada')
      assert.equal(early.getBaggageItem('user'), undefined)
      assert.equal(parent.getBaggageItem('late'), undefined)
    },
  },
  {
    id: 'T-BAGGAGE-KEYS',
    title: 'F024 baggage keys of Object.prototype are keys like others',
    run(host) {
      const { tracer } = host.make()
      const span = tracer.startSpan('any')
      assert.equal(span.getBaggageItem('toString'), undefined)
      span.setBaggageItem('__proto__', 'x')
      assert.equal(({} as Record<string, unknown>).x, undefined)
      assert.equal(Object.keys(Object.prototype).length, 0)
    },
  },
  ...[FORMAT_HTTP_HEADERS, FORMAT_TEXT_MAP, FORMAT_BINARY].map(
    (format): Row => ({
      id: `T-CARRIER-${format}`,
      title: `a context travels by ${format}, with its baggage`,
      async run(host) {
        const { tracer, seen } = host.make()
        const span = tracer.startSpan('here')
        span.setBaggageItem('user', 'ada lovelace')
        const carrier = {}
        tracer.inject(span.context(), format, carrier)
        const context = tracer.extract(format, carrier) as SpanContext
        const there = tracer.startSpan('there', { childOf: context })
        assert.equal(there.getBaggageItem('user'), 'ada lovelace')
        there.finish()
        const { traceId, parentId } = await only(seen)
        assert.equal(traceId, traceOf(span))
        assert.equal(parentId, idOf(span))
      },
    }),
  ),
  {
    id: 'T-INJECT-SPAN',
    title: 'inject takes a span for its context',
    run(host) {
      const { tracer } = host.make()
      const span = tracer.startSpan('any')
      const [ofSpan, ofContext] = [{}, {}]
      tracer.inject(span, FORMAT_TEXT_MAP, ofSpan)
      tracer.inject(span.context(), FORMAT_TEXT_MAP, ofContext)
      assert.notDeepEqual(ofSpan, {})
      assert.deepEqual(ofSpan, ofContext)
    },
  },
  {
    id: 'T-EXTRACT-NOTHING',
    title: 'nothing, or nonsense, in a carrier begins a trace',
    async run(host) {
      const { tracer, seen } = host.make()
      for (const headers of [{}, { 'uber-trace-id': 'nonsense' }, { traceparent: '00-0-0-0' }]) {
        const context = tracer.extract(FORMAT_HTTP_HEADERS, headers)
        tracer.startSpan('root', context ? { childOf: context } : {}).finish()
      }
      const spans = await seen()
      assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 3)
      assert.deepEqual(
        spans.map(({ parentId }) => parentId),
        [undefined, undefined, undefined],
      )
    },
  },
  {
    id: 'T-FOREIGN',
    title: "another tracer's context is a parent by its ids",
    async run(host) {
      const { tracer, seen } = host.make()
      const foreign = Object.assign(new opentracing.SpanContext(), {
        toTraceId: () => '0af7651916cd43dd8448eb211c80319c',
        toSpanId: () => 'b7ad6b7169203331',
      })
      tracer.startSpan('any', { childOf: foreign }).finish()
      const { traceId, parentId } = await only(seen)
      assert.equal(traceId, '0af7651916cd43dd8448eb211c80319c')
      assert.equal(parentId, 'b7ad6b7169203331')
    },
  },
  {
    id: 'T-UNSAMPLED',
    title: 'a span that is not sampled is not exported, yet its trace goes on',
    async run(host) {
      const { tracer, seen } = host.make('never')
      const span = tracer.startSpan('quiet', { tags: { a: 1 } })
      span.setTag('b', 2).log({ event: 'x' })
      const headers = {}
      tracer.inject(span, FORMAT_HTTP_HEADERS, headers)
      const context = tracer.extract(FORMAT_HTTP_HEADERS, headers) as SpanContext
      tracer.startSpan('next', { childOf: context }).finish()
      span.finish()
      assert.equal(context.toTraceId(), traceOf(span))
      assert.deepEqual(await seen(), [])
    },
  },
  {
    id: 'T-PRIORITY',
    title: 'sampling.priority comes before the sampler',
    async run(host) {
      const { tracer, seen } = host.make('never')
      const span = tracer.startSpan('wanted', { tags: { 'sampling.priority': 1 } })
      tracer.startSpan('below', { childOf: span }).finish()
      span.finish()
      assert.equal((await seen()).length, 2)
    },
  },
  {
    id: 'T-PRIORITY-LATE',
    title: 'also when it is set later',
    async run(host) {
      const { tracer, seen } = host.make('never')
      const span = tracer.startSpan('wanted')
      span.setTag('sampling.priority', 1)
      span.setTag('kept', true)
      span.finish()
      assert.equal((await only(seen)).tags.kept, true)
    },
  },
  {
    id: 'T-PRIORITY-ZERO',
    title: 'and 0 drops what would be kept',
    async run(host) {
      const { tracer, seen } = host.make()
      tracer.startSpan('unwanted', { tags: { 'sampling.priority': 0 } }).finish()
      assert.deepEqual(await seen(), [])
    },
  },
]
