// The store: its bounds, and what it tells its listeners.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toSpan, type ViewerSpan } from '../src/model.ts'
import { createStore } from '../src/store.ts'

const MiB = 1024 * 1024

function spanOf(trace: number, id: number, more: Partial<Parameters<typeof toSpan>[0]> = {}): ViewerSpan {
  return toSpan({
    traceId: trace.toString(16),
    spanId: id.toString(16),
    service: 's',
    operation: 'o',
    start: 1,
    duration: 1,
    tags: [],
    ...more,
  })
}

test('at its bounds, the oldest traces are evicted and counted', () => {
  const byTraces = createStore({ traces: 3, spans: 1000, bytes: 1e9 })
  for (let i = 1; i <= 5; i++) byTraces.add([spanOf(i, 1), spanOf(i, 2)])
  assert.deepEqual(
    byTraces.all().map(trace => Number(trace.traceId)),
    [5, 4, 3],
  )
  assert.deepEqual(byTraces.stats(), {
    ...byTraces.stats(),
    traces: 3,
    spans: 6,
    evictedTraces: 2,
    evictedSpans: 4,
  })
  // A late span of a known trace evicts nothing.
  byTraces.add([spanOf(3, 3)])
  assert.equal(byTraces.stats().evictedTraces, 2)

  const bySpans = createStore({ traces: 100, spans: 10, bytes: 1e9 })
  for (let i = 1; i <= 4; i++) bySpans.add([spanOf(i, 1), spanOf(i, 2), spanOf(i, 3)])
  assert.deepEqual([bySpans.stats().traces, bySpans.stats().spans], [3, 9])
  bySpans.add(Array.from({ length: 15 }, (_, i) => spanOf(9, i + 1)))
  assert.deepEqual([bySpans.stats().traces, bySpans.stats().spans, bySpans.stats().droppedSpans], [1, 10, 5])

  const byBytes = createStore({ traces: 100, spans: 1000, bytes: 100_000 })
  for (let i = 1; i <= 50; i++) byBytes.add([spanOf(i, 1, { tags: [{ key: 'k', value: 'v'.repeat(5000) }] })])
  const { bytes, traces, evictedTraces } = byBytes.stats()
  assert.ok(bytes <= 100_000 && bytes > 80_000, String(bytes))
  assert.equal(traces + evictedTraces, 50)
  byBytes.clear()
  assert.deepEqual([byBytes.stats().bytes, byBytes.stats().spans], [0, 0])
})

test('a span that is sent again replaces the first one; listeners get the ids', () => {
  const store = createStore({ traces: 10, spans: 10, bytes: 1e6 })
  const calls: string[][] = []
  const stop = store.listen(ids => calls.push([...ids]))
  store.add([spanOf(1, 1), spanOf(1, 1, { operation: 'again' }), spanOf(2, 1)])
  const first = store.get('1'.padStart(32, '0'))
  assert.deepEqual(
    first?.spans.map(span => span.operation),
    ['again'],
  )
  assert.equal(store.get('1'.padStart(32, '0')), first, 'the same object until more spans arrive')
  assert.equal(store.stats().spans, 2)
  store.clear()
  stop()
  store.add([spanOf(1, 1)])
  assert.deepEqual(
    calls.map(ids => ids.length),
    [2, 0],
  )
})

test('a small store stays small after 200,000 spans', () => {
  const store = createStore({ traces: 500, spans: 5000, bytes: 64 * MiB })
  for (let i = 1; i <= 20_000; i++) store.add(Array.from({ length: 10 }, (_, j) => spanOf(i, j + 1)))
  const { traces, spans, evictedSpans } = store.stats()
  assert.deepEqual([traces, spans, spans + evictedSpans], [500, 5000, 200_000])
})
