// What is computed from the spans of a trace: its tree, corrected clocks, the critical path, the comparison with another.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { align } from '../src/align.ts'
import { adjustSkew, shiftOf } from '../src/clock-skew.ts'
import { criticalPath } from '../src/critical-path.ts'
import { drawTrace } from '../src/draw-trace.ts'
import type { SpanDraft } from '../src/model.ts'
import { buildTraceTree, type TraceNode } from '../src/trace-tree.ts'
import { START, span, tags } from './support/spans.ts'

const names = (nodes: readonly TraceNode[]) => nodes.map(node => `${node.depth} ${node.span.operation}`)

test('the order of arrival does not matter', () => {
  const spans = [
    span('3', '2', 30, 5),
    span('2', '1', 10, 50),
    span('4', '1', 5, 4),
    span('1', undefined, 0, 100),
  ]
  for (const order of [spans, [...spans].reverse()]) {
    const { roots, nodes } = buildTraceTree(order)
    assert.equal(roots.length, 1)
    assert.deepEqual(names(nodes), ['0 work 1', '1 work 4', '1 work 2', '2 work 3'])
  }
})

test('a span whose parent has not arrived is a second root, marked as an orphan', () => {
  const { roots } = buildTraceTree([span('1', undefined, 0, 10), span('2', '99', 5, 1)])
  assert.deepEqual(
    roots.map(root => root.orphan),
    [false, true],
  )
})

test('a cycle, a span that is its own parent, and a chain of 20,000 spans', () => {
  const cycle = buildTraceTree([
    span('1', '2', 0, 1),
    span('2', '3', 0, 1),
    span('3', '1', 0, 1),
    span('4', '4', 0, 1),
  ])
  assert.equal(cycle.nodes.length, 4)
  const chain = Array.from({ length: 20_000 }, (_, i) =>
    span((i + 1).toString(16), i === 0 ? undefined : i.toString(16), i, 20_000 - i),
  )
  const long = adjustSkew(buildTraceTree(chain.reverse()))
  assert.equal(long.nodes.at(-1)?.depth, 19_999)
  assert.equal(criticalPath(long.roots[0] as TraceNode).size, 20_000)
  assert.match(drawTrace(chain), /and 19800 more spans$/)
})

test('an id that a Zipkin client shares with its server: the server is the child, and the parent of its own work', () => {
  const shared = [
    span('1', undefined, 0, 100, { service: 'front', tags: tags({ 'span.kind': 'client' }) }),
    span('1', undefined, 10, 50, { service: 'back', tags: tags({ 'span.kind': 'server' }) }),
    span('2', '1', 20, 5, { service: 'back' }),
  ]
  const { nodes } = buildTraceTree(shared)
  assert.deepEqual(
    nodes.map(node => [node.depth, node.span.service]),
    [
      [0, 'front'],
      [1, 'back'],
      [2, 'back'],
    ],
  )
})

test('without a parent id, a follows-from reference gives the parent', () => {
  const reference = { kind: 'followsFrom' as const, traceId: 'a'.repeat(32), spanId: '1' }
  const { nodes } = buildTraceTree([
    span('1', undefined, 0, 10),
    span('2', undefined, 50, 10, { references: [reference] }),
  ])
  assert.deepEqual(
    nodes.map(node => node.depth),
    [0, 1],
  )
})

const other = (more: Partial<SpanDraft> = {}): Partial<SpanDraft> => ({ service: 'other', ...more })

test('with a wrong clock, a callee and its children are moved into the caller', () => {
  const spans = [
    span('1', undefined, 0, 1000),
    span('2', '1', -50_000, 600, other()),
    span('3', '2', -49_900, 100, other()),
  ]
  const { nodes } = adjustSkew(buildTraceTree(spans))
  assert.deepEqual(nodes.map(shiftOf), [0, 50_200, 50_200])
  assert.deepEqual(
    nodes.map(node => node.start - START),
    [0, 200, 300],
  )
})

test('not moved: spans of the same clock, a callee that fits, asynchronous work', () => {
  const following = { kind: 'followsFrom' as const, traceId: 'a'.repeat(32), spanId: '1' }
  const spans = [
    span('1', undefined, 0, 1000),
    span('2', '1', -10, 100),
    span('3', '1', 100, 500, other()),
    span('4', '1', 5000, 100, other({ tags: tags({ 'span.kind': 'consumer' }) })),
    span('5', '1', 6000, 100, other({ references: [following] })),
    span('6', '1', 100, 9000, other()),
  ]
  assert.deepEqual(adjustSkew(buildTraceTree(spans)).nodes.map(shiftOf), [0, 0, 0, 0, 0, 0])
})

test('the critical path is the chain of spans that the end waited for', () => {
  const { roots } = buildTraceTree([
    span('1', undefined, 0, 100),
    span('2', '1', 10, 30),
    span('3', '1', 10, 60),
    span('4', '3', 20, 40),
    span('5', '1', 80, 500),
  ])
  const path = criticalPath(roots[0] as TraceNode)
  const found = [...path].map(([node, segments]) => [
    node.span.spanId.at(-1),
    segments.map(({ from, to }) => [from - START, to - START]),
  ])
  assert.deepEqual(Object.fromEntries(found), {
    1: [
      [70, 80],
      [0, 10],
    ],
    3: [
      [60, 70],
      [10, 20],
    ],
    4: [[20, 60]],
    5: [[80, 100]],
  })
})

test('property: in any trace, the critical path fills its root without an overlap', () => {
  const shape = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: -50, max: 150 }), fc.nat(120)), {
    maxLength: 30,
  })
  fc.assert(
    fc.property(shape, drafts => {
      const spans = [span('ff', undefined, 0, 100)]
      for (const [i, [parent, at, duration]] of drafts.entries()) {
        spans.push(span((i + 1).toString(16), parent === 0 ? 'ff' : parent.toString(16), at, duration))
      }
      const root = buildTraceTree(spans).nodes.find(node => node.span.parentId === undefined) as TraceNode
      const segments = [...criticalPath(root).values()].flat().sort((a, b) => a.from - b.from)
      assert.equal(
        segments.reduce((sum, { from, to }) => sum + to - from, 0),
        100,
      )
      for (const [i, { from }] of segments.entries()) {
        assert.equal(from, i === 0 ? START : segments[i - 1]?.to)
      }
    }),
  )
})

test('two traces are compared; a span of only one keeps its position', () => {
  const a = buildTraceTree([
    span('1', undefined, 0, 9),
    span('2', '1', 1, 1),
    span('3', '1', 2, 1),
    span('4', '1', 5, 1),
  ])
  const b = buildTraceTree([
    span('1', undefined, 0, 9),
    span('2', '1', 1, 1),
    span('5', '1', 2, 1),
    span('4', '1', 5, 1),
    span('6', '4', 5, 1),
  ])
  const lines = align(a, b).map(pair => [pair.depth, pair.a?.span.operation, pair.b?.span.operation])
  assert.deepEqual(lines, [
    [0, 'work 1', 'work 1'],
    [1, 'work 2', 'work 2'],
    [1, 'work 3', undefined],
    [1, undefined, 'work 5'],
    [1, 'work 4', 'work 4'],
    [2, undefined, 'work 6'],
  ])
})
