import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { registry } from '../../../src/core/scope.ts'
import { createTracedFetch } from '../../../src/outbound/fetch/index.ts'
import { type RecordingTracer, recordingTracer } from '../../../src/testing/index.ts'
import { type Fetch, openWorld, type World } from '../../support/fetch-world.ts'
import { type Row, rows } from './rows.ts'

let world: World
before(async () => {
  world = await openWorld()
})
after(() => world.close())

/** Plays a row with one fetch: what it gave back, and what the servers were sent. */
async function play(row: Row, fetch: Fetch): Promise<unknown> {
  world.received.length = 0
  const seen = await row.run(fetch, world)
  return { seen, received: world.received.map(one => ({ ...one })) }
}

/** Plays a row with plain fetch and with the other; throws what is different, or wrong about the spans. */
async function judge(row: Row, make: (tracer: RecordingTracer) => Fetch): Promise<void> {
  const tracer = recordingTracer()
  const fetch = make(tracer)
  const plain = await play(row, globalThis.fetch)
  assert.deepEqual(await play(row, fetch), plain)
  assert.equal(registry.storage.getStore(), undefined)
  assert.equal(registry.insideTracer, 0)
  for (const span of tracer.spans) assert.equal(span.finishCount, 1, `${span.operationName} finished once`)
  if (row.spans !== undefined) row.spans(tracer.spans, world)
  else assert.equal(tracer.spans.length, 1)
}

describe('traced fetch is fetch', () => {
  it('has rows with ids of their own', () => {
    assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length)
  })
  for (const row of rows) {
    it(`${row.id} ${row.title}`, () => judge(row, tracer => createTracedFetch({ tracer })))
  }
})

/** Traced fetch with a flaw, and the rows that have to see it. */
const flaws: [flaw: string, make: (tracer: RecordingTracer) => Fetch, rows: string[]][] = [
  ['is not there at all', () => globalThis.fetch, ['ANSWER-OK', 'ANSWER-500', 'FAIL-REFUSED', 'HEADERS-3']],
  [
    'never ends a span',
    tracer => {
      const start = tracer.startSpan
      tracer.startSpan = (...parameters) => Object.assign(start.apply(tracer, parameters), { finish() {} })
      return createTracedFetch({ tracer })
    },
    ['ANSWER-OK', 'FAIL-REFUSED', 'ABORT-BEFORE', 'REDIRECT-303'],
  ],
  [
    'ends its span twice',
    tracer => {
      const start = tracer.startSpan
      tracer.startSpan = (...parameters) => {
        const span = start.apply(tracer, parameters)
        const { finish } = span
        return Object.assign(span, { finish: () => [finish.call(span), finish.call(span)] })
      }
      return createTracedFetch({ tracer })
    },
    ['ANSWER-OK', 'ANSWER-CUT', 'FAIL-RESET'],
  ],
  [
    'swallows errors',
    around(call => call().catch(() => new Response(null, { status: 599 }))),
    ['FAIL-REFUSED', 'FAIL-NOTFOUND', 'ABORT-BEFORE', 'ABORT-TIMEOUT', 'INPUT-NONE-3', 'REDIRECT-ERROR'],
  ],
  [
    'wraps errors',
    around(call => call().catch(cause => Promise.reject(new Error(cause?.message, { cause })))),
    ['FAIL-REFUSED', 'ABORT-BEFORE', 'INIT-THROWS', 'INPUT-ODD-THROWS'],
  ],
  [
    'wraps responses',
    around(call => call().then(response => new Proxy(response, {}))),
    ['ANSWER-OK', 'ANSWER-OBJECT'],
  ],
  [
    'reads bodies',
    around(async call => {
      const response = await call()
      return new Response(await response.arrayBuffer(), response)
    }),
    ['ANSWER-OK', 'ANSWER-204', 'ANSWER-CUT', 'REDIRECT-MANUAL'],
  ],
  [
    "writes into the caller's headers",
    around((call, _input, init) => {
      const headers = init?.headers
      if (headers instanceof Headers) headers.set('X-Trace', '1')
      else if (Array.isArray(headers)) headers.push(['X-Trace', '1'])
      else if (headers) Object.assign(headers, { 'X-Trace': '1' })
      return call()
    }),
    ['HEADERS-2', 'HEADERS-3', 'HEADERS-4', 'HEADERS-8', 'HEADERS-9', 'INIT-7'],
  ],
  [
    'loses the case of header names',
    around((call, input, init) =>
      call(input, init?.headers ? { ...init, headers: Object.fromEntries(new Headers(init.headers)) } : init),
    ),
    ['HEADERS-2', 'HEADERS-4', 'WIRE-0-0', 'WIRE-2-0'],
  ],
  [
    'takes a Request for its URL',
    around((call, input, init) => call(input instanceof Request ? input.url : input, init)),
    ['REQUEST-1-0', 'REQUEST-5-0', 'REQUEST-CLONE'],
  ],
  [
    'copies own properties of init alone',
    around((call, input, init) => call(input, typeof init === 'object' ? { ...init } : init)),
    ['INIT-COMPUTED', 'INIT-PROXY', 'INIT-9'],
  ],
  [
    "forgets the caller's signal",
    around((call, input, init) => call(input, init?.signal ? { ...init, signal: null } : init)),
    ['ABORT-BEFORE'],
  ],
  [
    'has a span for everything',
    tracer => {
      const traced = createTracedFetch({ tracer })
      return function fetch(input, init = undefined) {
        if (!String(input).startsWith('http')) tracer.startSpan('GET').finish()
        return traced(input, init)
      }
    },
    ['INPUT-NONE-0', 'INPUT-BLOB'],
  ],
  [
    'tells secrets',
    tracer => {
      const start = tracer.startSpan
      tracer.startSpan = (name, options) =>
        start.call(tracer, name, {
          ...options,
          tags: { ...options?.tags, 'http.url': 'http://user:hunter2@h/' },
        })
      return createTracedFetch({ tracer })
    },
    ['INPUT-CREDENTIALS'],
  ],
  [
    'goes by another name',
    tracer => Object.defineProperty(createTracedFetch({ tracer }), 'name', { value: 'f' }),
    ['ITSELF'],
  ],
]

type Call = (input?: Parameters<Fetch>[0], init?: RequestInit) => Promise<Response>

function around(
  flaw: (call: Call, input: Parameters<Fetch>[0], init: RequestInit | undefined) => Promise<Response>,
): (tracer: RecordingTracer) => Fetch {
  return tracer => {
    const traced = createTracedFetch({ tracer })
    return function fetch(input, init = undefined) {
      return flaw(
        (...changed) => traced(...((changed.length === 0 ? [input, init] : changed) as [string])),
        input,
        init,
      )
    }
  }
}

describe('the table sees a traced fetch that', () => {
  for (const [flaw, make, ids] of flaws) {
    it(flaw, async () => {
      for (const id of ids) {
        const row = rows.find(one => one.id === id)
        assert.ok(row, `no row ${id}`)
        await assert.rejects(judge(row, make), `${id} is green`)
      }
    })
  }
  it('is right, wrapped without a flaw', async () => {
    for (const id of new Set(flaws.flatMap(([, , ids]) => ids))) {
      await judge(
        rows.find(one => one.id === id) as Row,
        around(call => call()),
      )
    }
  })
})
