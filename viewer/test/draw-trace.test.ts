// A trace as text.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drawTrace } from '../src/draw-trace.ts'
import { formatDuration } from '../src/duration.ts'
import { START, span, tags } from './support/spans.ts'

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
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removes the colours of the drawing
  const text = drawn.replace(/\u001b\[\d+m/g, '')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the text must not have them
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
  assert.equal(text.split('\n').length, 2)
  assert.equal(drawTrace([]), '')
})

test('durations have three digits', () => {
  const durations = [
    0, 0.4, 1, 999, 999.6, 1000, 12_345, 999_499, 999_500, 1_250_000, 59_949_999, 61_000_000, 3_600_000_000,
  ]
  assert.deepEqual(durations.map(formatDuration), [
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
