// From loose spans to trees: order, gaps, shared ids, cycles, clocks, the critical path, the comparison, the drawing.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { align } from '../src/align.ts'
import { adjustSkew, shiftOf } from '../src/clock-skew.ts'
import { criticalPath } from '../src/critical-path.ts'
import { drawTrace } from '../src/draw-trace.ts'
import { formatDuration } from '../src/duration.ts'
import {
  failureOf,
  MalformedSpan,
  SPAN_LIMITS,
  type SpanDraft,
  toSpan,
  type ViewerSpan,
} from '../src/model.ts'
import { sizeOf } from '../src/store.ts'
import { buildTraceTree, type TraceNode } from '../src/trace-tree.ts'

const START = 1_700_000_000_000_000

function span(
  spanId: string,
  parentId: string | undefined,
  at: number,
  duration: number,
  more: Partial<SpanDraft> = {},
): ViewerSpan {
  return toSpan({
    traceId: 'a'.repeat(32),
    spanId,
    parentId,
    service: 'shop',
    operation: `work ${spanId}`,
    start: START + at,
    duration,
    tags: [],
    ...more,
  })
}

const tags = (values: Record<string, string | number | boolean>) =>
  Object.entries(values).map(([key, value]) => ({ key, value }))
const names = (nodes: readonly TraceNode[]) => nodes.map(node => `${node.depth} ${node.span.operation}`)

test('spans are put in their places, in whatever order they come', () => {
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

test('a span whose parent has not come stands beside the root and says so', () => {
  const { roots } = buildTraceTree([span('1', undefined, 0, 10), span('2', '99', 5, 1)])
  assert.deepEqual(
    roots.map(root => root.orphan),
    [false, true],
  )
})

test('cycles, a span that is its own parent, and a chain of 20,000 do no harm', () => {
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

test("Zipkin's shared id: the server's half is below the client's, and has what the server did", () => {
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

test('follows-from makes a child where there is no parent', () => {
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

test('a clock that is wrong: the callee is moved into its caller, with all that it did', () => {
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

test('what needs no moving is not moved: the same clock, a callee that fits, work that was only set off', () => {
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

test('the critical path is the chain of what was waited for', () => {
  const { roots } = buildTraceTree([
    span('1', undefined, 0, 100),
    span('2', '1', 10, 30),
    span('3', '1', 10, 60),
    span('4', '3', 20, 40),
    span('5', '1', 80, 500),
  ])
  const path = criticalPath(roots[0] as TraceNode)
  const found = [...path].map(([node, stretches]) => [
    node.span.spanId.at(-1),
    stretches.map(({ from, to }) => [from - START, to - START]),
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

test('property: whatever the trace, the critical path fills its root without an overlap', () => {
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
      const stretches = [...criticalPath(root).values()].flat().sort((a, b) => a.from - b.from)
      assert.equal(
        stretches.reduce((sum, { from, to }) => sum + to - from, 0),
        100,
      )
      for (const [i, { from }] of stretches.entries()) {
        assert.equal(from, i === 0 ? START : stretches[i - 1]?.to)
      }
    }),
  )
})

test('two traces are laid over each other; what one alone has stands where it stood', () => {
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

test('a malformed span is refused with the reason', () => {
  const draft = { traceId: '1', spanId: '1', service: 's', operation: 'o', start: 1, duration: 1, tags: [] }
  for (const [change, reason] of [
    [{ traceId: '' }, /its trace id must be 1 to 32 hex digits and not all zero, not ""/],
    [{ traceId: '0'.repeat(32) }, /trace id/],
    [{ traceId: 'f'.repeat(33) }, /trace id/],
    [{ spanId: 'xyz' }, /its span id must be .* not "xyz"/],
    [{ parentId: 'xyz' }, /parent span id/],
    [{ start: Number.NaN }, /start time must be microseconds since 1970, not NaN/],
    [{ start: -1 }, /start time/],
    [{ start: 1e300 }, /start time/],
  ] as const) {
    assert.throws(
      () => toSpan({ ...draft, ...change }),
      (error: Error) => error instanceof MalformedSpan && reason.test(error.message),
    )
  }
})

test('what is odd about a span is repaired, and said', () => {
  const repaired = span('1', '0000000000000000', 0, -5, {
    service: '',
    operation: '',
    tags: [
      ...tags({ nan: Number.NaN, big: Number.POSITIVE_INFINITY, __proto__: 1 }),
      { key: '__proto__', value: 'x' },
    ],
    references: [{ kind: 'childOf', traceId: 'nope', spanId: '1' }],
    logs: [{ time: Number.NaN, fields: [] }],
  })
  assert.equal(repaired.parentId, undefined)
  assert.equal(repaired.duration, 0)
  assert.equal(repaired.service, 'unknown_service')
  assert.equal(repaired.operation, '(no name)')
  assert.deepEqual(repaired.references, [])
  assert.deepEqual(repaired.tags.at(-1), { key: '__proto__', value: 'x' })
  assert.equal(repaired.tags[0]?.value, 'NaN')
  assert.equal(repaired.warnings.length, 2)
  assert.equal(({} as { x?: unknown }).x, undefined)
})

test('a span is bounded, whatever its sender wrote', () => {
  const huge = span('1', undefined, 0, 1, {
    service: 's'.repeat(1e6),
    operation: '\ud83d\ude00'.repeat(1e5),
    tags: Array.from({ length: 5000 }, (_, i) => ({
      key: 'k'.repeat(5000),
      value: i === 0 ? 'v'.repeat(1e7) : i,
    })),
    logs: Array.from({ length: 5000 }, (_, i) => ({ time: i, fields: [] })),
  })
  assert.equal(huge.service.length, SPAN_LIMITS.name)
  assert.equal(huge.operation.length <= SPAN_LIMITS.name, true)
  assert.doesNotThrow(() => encodeURIComponent(huge.operation), 'no surrogate is cut in half')
  assert.equal(huge.tags.length, SPAN_LIMITS.tags)
  assert.equal(String(huge.tags[0]?.value).length, SPAN_LIMITS.value)
  assert.equal(huge.logs.length, SPAN_LIMITS.logs)
  assert.ok(sizeOf(huge) < 2e6)
})

test('an error and an abort are known by the tags of every convention', () => {
  const error = (values: Record<string, string | number | boolean>) =>
    span('1', undefined, 0, 1, { tags: tags(values) })
  for (const values of [
    { error: true },
    { error: 'true' },
    { error: '' },
    { error: 'out of stock' },
    { 'otel.status_code': 'ERROR' },
  ]) {
    assert.equal(error(values).error, true, JSON.stringify(values))
  }
  for (const values of [{}, { error: false }, { error: 'false' }, { 'otel.status_code': 'OK' }]) {
    assert.equal(error(values).error, false, JSON.stringify(values))
  }
  for (const values of [{ aborted: 'before response' }, { 'http.aborted': true }])
    assert.equal(error(values).aborted, true)
  assert.equal(error({ aborted: false }).aborted, false)
  assert.equal(failureOf(error({ error: true, 'error.type': 'TimeoutError' })), 'TimeoutError')
  assert.equal(
    failureOf(error({ error: true, 'error.type': '502', 'http.response.status_code': 502 })),
    undefined,
  )
})

test('a trace is drawn as a tree', () => {
  const spans = [
    span('1', undefined, 0, 52_300, {
      service: 'gateway',
      operation: 'GET /orders/:id',
      tags: tags({ 'span.kind': 'server', 'http.status_code': 502 }),
    }),
    span('2', '1', 1000, 50_000, {
      service: 'gateway',
      operation: 'GET',
      tags: tags({ 'http.status_code': 500, error: true }),
    }),
    span('3', '2', 2000, 47_000, {
      service: 'orders',
      operation: 'GET /orders/:id',
      tags: tags({ 'http.response.status_code': 500, error: true }),
      logs: [
        {
          time: START,
          fields: tags({ event: 'error', 'error.kind': 'TypeError', message: 'no such order' }),
        },
      ],
    }),
    span('4', '3', 3000, 20_000, { service: 'orders', operation: 'load 漢字' }),
    span('5', '3', 24_000, 18, {
      service: 'billing',
      operation: 'POST /charge',
      tags: tags({ aborted: 'before response' }),
    }),
    span('6', '99', 30_000, 8800, { service: 'billing', operation: 'late' }),
  ]
  assert.equal(
    drawTrace(spans),
    [
      'trace aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa · 52.3 ms · 6 spans · 3 services · 2 errors',
      'gateway  GET /orders/:id           52.3 ms  ━━━━━━━━━━━━━━━━━━━━  502',
      '└─ gateway  GET                      50 ms  ━━━━━━━━━━━━━━━━━━━━  500  ✖ error',
      '   └─ orders  GET /orders/:id        47 ms  ━━━━━━━━━━━━━━━━━━━   500  ✖ TypeError: no such order',
      '      ├─ orders  load 漢字           20 ms   ━━━━━━━━',
      '      └─ billing  POST /charge       18 µs           ╸            ⊘ aborted before response',
      '┄ billing  late                     8.8 ms             ━━━━       (its parent has not arrived)',
    ].join('\n'),
  )
})

test('no control character of a span reaches the terminal', () => {
  const attack = '\u001b[2J\u009b31m\r\n\u202eevil\u0007'
  const drawn = drawTrace(
    [
      span('1', undefined, 0, 1, {
        service: attack,
        operation: attack,
        tags: tags({ error: attack, aborted: attack, 'http.status_code': attack }),
      }),
    ],
    { colour: true },
  )
  // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours are taken away before looking
  const text = drawn.replace(/\u001b\[\d+m/g, '')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
  assert.equal(text.split('\n').length, 2)
  assert.equal(drawTrace([]), '')
})

test('durations are told to three digits', () => {
  const told = [
    0, 0.4, 1, 999, 999.6, 1000, 12_345, 999_499, 999_500, 1_250_000, 59_949_999, 61_000_000, 3_600_000_000,
  ]
  assert.deepEqual(told.map(formatDuration), [
    '0 µs',
    '0.4 µs',
    '1 µs',
    '999 µs',
    '1 ms',
    '1 ms',
    '12.3 ms',
    '999 ms',
    '1 s',
    '1.25 s',
    '59.9 s',
    '1 min 1 s',
    '1 h 0 min',
  ])
})
