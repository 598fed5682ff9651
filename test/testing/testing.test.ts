// The recording tracer: what our tests, and those of users, look at.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import opentracing from 'opentracing'
import { type RecordedSpan, recordingTracer } from '../../src/testing/index.ts'
import jaeger from '../cases/jaeger.json' with { type: 'json' }

const { FORMAT_HTTP_HEADERS } = opentracing

describe('spans', () => {
  test('ids, names, tags, logs, times, references and baggage as they were given', async () => {
    const tracer = recordingTracer()
    const root = tracer.startSpan('root', { startTime: 1000.5, tags: { a: 1 } }) as RecordedSpan
    assert.match(root.traceId, /^[0-9a-f]{32}$/)
    assert.match(root.spanId, /^[0-9a-f]{16}$/)
    assert.deepEqual(
      [root.operationName, root.startTime, root.finishTime, root.parentId],
      ['root', 1000.5, undefined, undefined],
    )
    assert.equal(root.tracer(), tracer)
    assert.equal(root.setTag('b', 2).addTags({ a: 3, c: [4] }), root)
    root.setOperationName('renamed')
    const fields = { event: 'x', error: new Error('kept as it is') }
    root.log(fields, 2000)
    fields.event = 'changed later'
    root.log({ event: 'now' })
    root.finish(3000)
    assert.deepEqual(root.tags, { a: 3, b: 2, c: [4] })
    assert.equal(root.operationName, 'renamed')
    assert.deepEqual(root.logs[0], { fields: { event: 'x', error: fields.error }, timestamp: 2000 })
    assert.ok(Math.abs((root.logs[1]?.timestamp ?? 0) - Date.now()) < 5000)
    assert.equal(root.finishTime, 3000)

    const other = tracer.startSpan('other') as RecordedSpan
    const child = tracer.startSpan('child', {
      childOf: root,
      references: [opentracing.followsFrom(other.context())],
    }) as RecordedSpan
    assert.deepEqual([child.traceId, child.parentId], [root.traceId, root.spanId])
    assert.deepEqual(child.references.map(({ type, spanId }) => [type, spanId]).sort(), [
      ['child_of', root.spanId],
      ['follows_from', other.spanId],
    ])
    const after = tracer.startSpan('after', { references: [opentracing.followsFrom(root)] }) as RecordedSpan
    assert.deepEqual([after.traceId, after.parentId], [root.traceId, root.spanId])

    const before = Date.now()
    await sleep(2)
    child.finish()
    assert.ok((child.finishTime as number) >= before)
  })

  test('finished twice is told, and the first time is kept', () => {
    const tracer = recordingTracer()
    const span = tracer.startSpan('x') as RecordedSpan
    span.finish(1)
    span.finish(2)
    assert.deepEqual([span.finishCount, span.finishTime], [2, 1])
    assert.equal(tracer.finishedSpans.length, 1)
  })

  test('spans in the order of their start; clear forgets them, and a span that goes on does no harm', () => {
    const tracer = recordingTracer()
    const [a, b] = [tracer.startSpan('a'), tracer.startSpan('b')]
    b.finish()
    assert.deepEqual(
      tracer.spans.map(({ operationName }) => operationName),
      ['a', 'b'],
    )
    assert.deepEqual(
      tracer.finishedSpans.map(({ operationName }) => operationName),
      ['b'],
    )
    tracer.clear()
    a.finish()
    assert.deepEqual([tracer.spans, tracer.finishedSpans], [[], []])
  })

  test('F031: baggage goes down to children that start later, and to no sibling or parent', () => {
    const tracer = recordingTracer()
    const root = tracer.startSpan('root')
    root.setBaggageItem('k', 'root')
    const [one, two] = [
      tracer.startSpan('one', { childOf: root }),
      tracer.startSpan('two', { childOf: root }),
    ]
    one.setBaggageItem('k', 'one')
    const below = tracer.startSpan('below', { childOf: one }) as RecordedSpan
    assert.deepEqual(
      [root, one, two, below].map(span => span.getBaggageItem('k')),
      ['root', 'one', 'root', 'one'],
    )
    assert.deepEqual(below.baggage, { k: 'one' })
    for (const key of ['__proto__', 'toString', 'constructor'])
      assert.equal(below.getBaggageItem(key), undefined)
    one.setBaggageItem('__proto__', 'x')
    assert.equal(({} as { x?: unknown }).x, undefined)
  })
})

interface Vector {
  id: string
  carrier: Record<string, string>
  expect: { valid: boolean; traceId?: string; spanId?: string }
}
/** Those of the vectors that have the trace in `uber-trace-id`, under that very name. */
const vectors = (jaeger.extract as unknown as Vector[]).filter(
  ({ carrier, expect }) =>
    'uber-trace-id' in carrier && (expect.valid === false || expect.traceId !== undefined),
)

describe('headers', () => {
  test('what is injected is extracted again: ids and baggage', () => {
    const tracer = recordingTracer()
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ unit: 'grapheme' })),
        baggage => {
          const span = tracer.startSpan('x') as RecordedSpan
          for (const [key, value] of Object.entries(baggage)) span.setBaggageItem(key, value)
          const headers: Record<string, string> = {}
          tracer.inject(span, FORMAT_HTTP_HEADERS, headers)
          for (const value of Object.values(headers)) assert.match(value, /^[!-~]*$/)
          const child = tracer.startSpan('y', {
            childOf: tracer.extract(FORMAT_HTTP_HEADERS, headers) as opentracing.SpanContext,
          }) as RecordedSpan
          assert.deepEqual([child.traceId, child.parentId], [span.traceId, span.spanId])
          assert.deepEqual({ ...child.baggage }, { ...baggage })
        },
      ),
      { numRuns: 100 },
    )
  })

  test('F006-F008: anything else is no context, and never a throw', () => {
    const tracer = recordingTracer()
    const bad = [
      undefined,
      null,
      '',
      ':',
      ':::',
      '1',
      '1:1',
      '1:1:0',
      '1:1:0:',
      '0:1:0:1',
      '1:0:0:1',
      '00:00:0:1',
      'x:1:0:1',
      '1:x:0:1',
      '1:1:0:1:1',
      `${'1'.repeat(33)}:1:0:1`,
      `1:${'1'.repeat(17)}:0:1`,
      '%',
      '%ZZ',
      '%EA',
      ':'.repeat(1e6),
      ['a:b:0:1', 'x'],
      ['1:1:0:1', '2:2:0:1'],
      {},
      7,
      '1:1:0:1, 2:2:0:1',
    ]
    for (const value of bad) {
      assert.equal(
        tracer.extract(FORMAT_HTTP_HEADERS, { 'uber-trace-id': value }),
        null,
        JSON.stringify(value)?.slice(0, 50),
      )
    }
    for (const carrier of [undefined, null, Object.create(null), 7, 'x']) {
      assert.equal(tracer.extract(FORMAT_HTTP_HEADERS, carrier), null)
    }
    const malformed = { 'uber-trace-id': 'a:b:0:1', 'uberctx-k': '%', 'uberctx-ok': 'x%20y' }
    const span = tracer.startSpan('x', {
      childOf: tracer.extract(FORMAT_HTTP_HEADERS, malformed) as opentracing.SpanContext,
    }) as RecordedSpan
    assert.deepEqual(span.baggage, { k: '%', ok: 'x y' })
    assert.deepEqual([span.traceId, span.parentId], [`${'0'.repeat(31)}a`, `${'0'.repeat(15)}b`])
    assert.notEqual(tracer.extract(FORMAT_HTTP_HEADERS, { 'uber-trace-id': 'A%3Ab%3A0%3A1' }), null)
  })

  for (const { id, carrier, expect } of vectors) {
    test(`${id}: uber-trace-id`, () => {
      const tracer = recordingTracer()
      const context = tracer.extract(FORMAT_HTTP_HEADERS, carrier)
      assert.equal(context !== null, expect.valid, JSON.stringify(carrier))
      if (context === null) return
      assert.deepEqual(
        [context.toTraceId().padStart(32, '0'), context.toSpanId()],
        [expect.traceId?.padStart(32, '0'), expect.spanId],
      )
    })
  }

  test('a context of another tracer is not injected, and does not throw', () => {
    const headers = {}
    recordingTracer().inject(new opentracing.SpanContext(), FORMAT_HTTP_HEADERS, headers)
    assert.deepEqual(headers, {})
  })
})
