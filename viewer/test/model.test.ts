// toSpan(): which spans are refused, repaired and cut, and what counts as an error or an abort.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureOf, MalformedSpan, SPAN_LIMITS, toSpan } from '../src/model.ts'
import { sizeOf } from '../src/store.ts'
import { span, tags } from './support/spans.ts'

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

test('an odd span is repaired, with warnings', () => {
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

test('a huge span is cut', () => {
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

test('errors and aborts are recognised by the tags of every convention', () => {
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
