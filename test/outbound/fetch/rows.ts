// What a caller can see of fetch, as data: each row is played by plain fetch and by a traced one, and everything that it
// gives back, and that the servers were sent, has to be the same. Ids never change.

import assert from 'node:assert/strict'
import dns from 'node:dns'
import { mock } from 'node:test'
import type { RecordedSpan } from '../../../src/testing/index.ts'
import { type Fetch, openRaw, see, seeError, seeResponse, type World } from '../../support/fetch-world.ts'

export interface Row {
  id: string
  title: string
  /** What is seen: plain data, the same for plain and traced fetch. */
  run(fetch: Fetch, world: World): Promise<unknown>
  /** What the spans say; default: one, finished once. */
  spans?: (spans: readonly RecordedSpan[], world: World) => void
}

const noSpans = (spans: readonly RecordedSpan[]): void => assert.equal(spans.length, 0)
const only = (spans: readonly RecordedSpan[]): RecordedSpan => {
  assert.equal(spans.length, 1)
  return spans[0] as RecordedSpan
}
const tagged =
  (tags: Record<string, unknown>) =>
  (spans: readonly RecordedSpan[]): void => {
    const span = only(spans)
    for (const [tag, value] of Object.entries(tags)) assert.deepEqual(span.tags[tag], value, tag)
  }
const logged = (span: RecordedSpan, event: string): Record<string, unknown> => {
  const log = span.logs.find(({ fields }) => fields.event === event)
  assert.ok(log, `no log '${event}'`)
  return log.fields
}
/** A network failure: marked, logged with its cause. */
const broken = (code: string | RegExp) => (spans: readonly RecordedSpan[]) => {
  const span = only(spans)
  assert.equal(span.tags.error, true)
  assert.equal(span.tags['http.status_code'], undefined)
  assert.match(String(span.tags['error.type']), new RegExp(code))
  assert.match(String(logged(span, 'error').cause), new RegExp(code))
}
/** A call that fetch itself refuses: a failed operation of the app's. */
const refused = (spans: readonly RecordedSpan[]): void => {
  assert.equal(only(spans).tags.error, true)
  assert.equal(logged(only(spans), 'error')['error.kind'], 'TypeError')
}
const abortedBy = (message: string) => (spans: readonly RecordedSpan[]) => {
  const span = only(spans)
  assert.equal(span.tags.aborted, true)
  assert.equal(span.tags.error, undefined)
  assert.equal(span.tags['http.status_code'], undefined)
  assert.equal(logged(span, 'aborted').message, message)
}

const text = (body: string): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const part of body.split('|')) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  })

/** Counts how often each property is read, and in which quantity. */
function counting<T extends object>(target: T, counts: Record<string, number>): T {
  return new Proxy(target, {
    get(object, key, receiver) {
      counts[String(key)] = (counts[String(key)] ?? 0) + 1
      return Reflect.get(object, key, receiver)
    },
  })
}

const answers: Row[] = [
  {
    id: 'ANSWER-OK',
    title: 'a string, no init',
    run: (fetch, { origin }) => see(() => fetch(`${origin}/users/7?page=2#top`)),
    spans: (spans, { origin }) => {
      const span = only(spans)
      assert.equal(span.operationName, 'GET')
      assert.deepEqual(span.tags, {
        'span.kind': 'client',
        component: 'fetch',
        'http.method': 'GET',
        'http.url': `${origin}/users/7?page=2`,
        'http.status_code': 200,
        'peer.hostname': '127.0.0.1',
        'peer.port': Number(new URL(origin).port),
      })
      assert.deepEqual(span.logs, [])
    },
  },
  ...[201, 204, 304].map(
    (status): Row => ({
      id: `ANSWER-${status}`,
      title: `F130: status ${status} is no error`,
      run: (fetch, { origin }) => see(() => fetch(`${origin}/status/${status}`)),
      spans: tagged({ 'http.status_code': status, error: undefined }),
    }),
  ),
  ...[400, 404, 429, 500, 503].map(
    (status): Row => ({
      id: `ANSWER-${status}`,
      title: `F130: status ${status} is an answer for the caller and an error on a client span`,
      run: (fetch, { origin }) => see(() => fetch(`${origin}/status/${status}`)),
      spans: tagged({ 'http.status_code': status, error: true }),
    }),
  ),
  {
    id: 'ANSWER-OBJECT',
    title: 'F125: url, type, set-cookie, brand checks: the Response is untouched',
    run: async (fetch, { origin }) => {
      const response = await fetch(`${origin}/cookies`)
      const clone = Response.prototype.clone.call(response)
      return {
        tag: Object.prototype.toString.call(response),
        cookies: response.headers.getSetCookie(),
        cloned: structuredClone([...response.headers].filter(([name]) => name !== 'date')),
        clone: await seeResponse(clone),
        ...(await seeResponse(response)),
      }
    },
  },
  {
    id: 'ANSWER-READ-TWICE',
    title: 'F119: a body read twice, and a clone of a read body',
    run: async (fetch, { origin }) => {
      const response = await fetch(`${origin}/large/10`)
      const first = await response.text()
      const second = await response.text().catch(seeError)
      let clone: unknown
      try {
        response.clone()
      } catch (error) {
        clone = seeError(error)
      }
      return [first, second, clone]
    },
  },
  {
    id: 'ANSWER-CLONE-TEE',
    title: 'F119: clone() and tee() give the whole body twice',
    run: async (fetch, { origin }) => {
      const response = await fetch(`${origin}/large/200000`)
      const clone = response.clone()
      const both = await Promise.all([response.text(), clone.text()])
      const again = await fetch(`${origin}/large/200000`)
      const [left, right] = (again.body as ReadableStream<Uint8Array>).tee()
      const halves = await Promise.all([new Response(left).text(), new Response(right).text()])
      return [...both, ...halves].map(body => body.length)
    },
    spans: spans => assert.equal(spans.length, 2),
  },
  {
    id: 'ANSWER-CUT',
    title: 'F119: a body that breaks off rejects where it is read',
    run: async (fetch, { origin }) => {
      const response = await fetch(`${origin}/cut`)
      return [response.status, await response.text().catch(seeError)]
    },
    spans: tagged({ 'http.status_code': 200, error: undefined }),
  },
  {
    id: 'ANSWER-UNREAD',
    title: 'F118: a body that nobody reads: the span has ended at the headers',
    run: async (fetch, { origin }) => (await fetch(`${origin}/large/1000`)).status,
  },
  {
    id: 'ANSWER-CANCEL',
    title: 'F119: a body that is cancelled',
    run: async (fetch, { origin }) => {
      const response = await fetch(`${origin}/drip`)
      await response.body?.cancel()
      return [response.status, response.bodyUsed]
    },
  },
  {
    id: 'ANSWER-GZIP',
    title: 'a compressed body',
    run: (fetch, { origin }) => see(() => fetch(`${origin}/gzip`)),
  },
  {
    id: 'ANSWER-HEAD',
    title: 'HEAD',
    run: (fetch, { origin }) => see(() => fetch(`${origin}/large/10`, { method: 'head' })),
    spans: tagged({ 'http.method': 'HEAD' }),
  },
]

const inputs: Row[] = [
  {
    id: 'INPUT-URL',
    title: 'F122: a URL object',
    run: async (fetch, { origin }) => {
      const url = new URL(`${origin}/users/7?page=2#top`)
      return [await see(() => fetch(url)), url.href]
    },
    spans: tagged({ 'http.method': 'GET' }),
  },
  ...(
    [
      ['an object with a toString', origin => ({ toString: () => `${origin}/odd` })],
      ['an array of one URL', origin => [`${origin}/odd`]],
      ['a String object', origin => new String(`${origin}/odd`)],
    ] as [string, (origin: string) => unknown][]
  ).map(
    ([title, make], i): Row => ({
      id: `INPUT-ODD-${i}`,
      title: `F122: ${title}`,
      run: (fetch, { origin }) => see(() => fetch(make(origin) as string)),
    }),
  ),
  {
    id: 'INPUT-ODD-ONCE',
    title: 'F122: an odd object is turned into text once',
    run: async (fetch, { origin }) => {
      let count = 0
      const input = { toString: () => `${origin}/odd/${++count}` }
      return [await see(() => fetch(input as unknown as string)), count]
    },
  },
  {
    id: 'INPUT-ODD-THROWS',
    title: 'F122: what an odd object throws rejects, the very object',
    run: async fetch => {
      const boom = new Error('boom')
      const input = {
        toString: () => {
          throw boom
        },
      }
      return fetch(input as unknown as string).catch(error => error === boom)
    },
    spans: noSpans,
  },
  ...[
    ['data:text/plain;base64,aGVsbG8='],
    ['data:,plain', { method: 'POST', body: 'x' }],
    ['file:///tmp/none'],
    ['/relative'],
    ['not a url'],
    ['//127.0.0.1/x'],
    ['http://'],
    [''],
    ['ftp://127.0.0.1/x'],
    ['about:blank'],
    [undefined],
    [null],
    [42],
    [Symbol('odd')],
    [{}],
    [() => 'http://127.0.0.1'],
  ].map(
    (parameters, i): Row => ({
      id: `INPUT-NONE-${i}`,
      title: `F122: ${String(parameters[0]) || 'an empty text'} is no HTTP call`,
      run: fetch => see(() => fetch(...(parameters as unknown as Parameters<Fetch>))),
      spans: noSpans,
    }),
  ),
  {
    id: 'INPUT-BLOB',
    title: 'F122: a blob: URL',
    run: async fetch => {
      const url = URL.createObjectURL(new Blob(['hello'], { type: 'text/plain' }))
      const response = await fetch(url)
      URL.revokeObjectURL(url)
      return [response.status, await response.text(), response.url === url]
    },
    spans: noSpans,
  },
  {
    id: 'INPUT-CREDENTIALS',
    title: 'F105: credentials in the URL are refused as ever, and on no span',
    run: (fetch, { origin }) => see(() => fetch(origin.replace('//', '//user:hunter2@'))),
    spans: spans => {
      refused(spans)
      const { tags, logs } = only(spans)
      const told = [tags, ...logs.map(({ fields }) => ({ ...fields, stack: String(fields.stack) }))]
      assert.doesNotMatch(JSON.stringify(told), /hunter2|user:/)
      assert.match(String(tags['http.url']), /REDACTED:REDACTED@/)
    },
  },
]

/** A class whose properties are computed on its prototype, of private fields: no copy of own properties finds them. */
class Computed {
  #method = 'PUT'
  reads: string[] = []
  get method(): string {
    this.reads.push('method')
    return this.#method
  }
  get headers(): Record<string, string> {
    this.reads.push('headers')
    return { 'X-Computed': 'yes' }
  }
  get body(): string {
    this.reads.push('body')
    return 'computed'
  }
  get reasonless(): string {
    throw new Error('nobody asks for this')
  }
}

const inits: Row[] = [
  ...(
    [
      ['undefined', () => undefined],
      ['null', () => null],
      ['an empty object', () => ({})],
      ['a text', () => 'text'],
      ['a number', () => 7],
      ['false', () => false],
      ['a function', () => Object.assign(() => {}, { method: 'PUT' })],
      [
        'a frozen object',
        () => Object.freeze({ method: 'post', headers: Object.freeze({ 'X-A': '1' }), body: 'b' }),
      ],
      ['an object without prototype', () => Object.assign(Object.create(null), { method: 'DELETE' })],
      [
        'inherited properties',
        () => Object.create({ method: 'POST', body: 'inherited', headers: { 'X-I': '1' } }),
      ],
      ['unknown properties', () => ({ method: 'GET', agent: {}, timeout: 5, next: { revalidate: 1 } })],
      ['a method in odd case', () => ({ method: 'pOsT', body: 'b' })],
      ['a method of its own', () => ({ method: 'Purge' })],
      ['patch, which is not normalised', () => ({ method: 'patch', body: 'b' })],
      ['a method object', () => ({ method: { toString: () => 'put' } })],
      ['a forbidden method', () => ({ method: 'TRACE' })],
      ['an invalid method', () => ({ method: 'a b' })],
      ['a null method', () => ({ method: null })],
      ['a Symbol as method', () => ({ method: Symbol('m') })],
      ['GET with a body', () => ({ body: 'b' })],
      ['an invalid mode', () => ({ mode: 'odd' })],
      ['a window', () => ({ window: {} })],
      ['a signal that is none', () => ({ signal: {} })],
      ['a null signal', () => ({ signal: null })],
      ['a stream without duplex', () => ({ method: 'POST', body: text('a|b') })],
      ['a referrer', () => ({ referrer: 'http://127.0.0.1/from', referrerPolicy: 'unsafe-url' })],
      [
        'cache, credentials, integrity, keepalive',
        () => ({ cache: 'no-store', credentials: 'omit', keepalive: true }),
      ],
      ['a wrong integrity', () => ({ integrity: 'sha256-AAAA' })],
    ] as [string, () => unknown][]
  ).map(
    ([title, make], i): Row => ({
      id: `INIT-${i}`,
      title: `F117: init is ${title}`,
      run: async (fetch, { origin }) => {
        const init = make()
        const before = typeof init === 'object' && init !== null ? { ...init } : init
        const seen = await see(() => fetch(`${origin}/init`, init as RequestInit))
        const after = typeof init === 'object' && init !== null ? { ...init } : init
        assert.deepEqual(after, before)
        return seen
      },
      spans: spans => assert.equal(spans.length, ['a text', 'a number', 'false'].includes(title) ? 0 : 1),
    }),
  ),
  {
    id: 'INIT-COMPUTED',
    title: 'F117: properties computed on the prototype are read, each once',
    run: async (fetch, { origin }) => {
      const init = new Computed()
      const seen = await see(() => fetch(`${origin}/init`, init as unknown as RequestInit))
      return [seen, init.reads.sort()]
    },
  },
  {
    id: 'INIT-PROXY',
    title: 'F117: a Proxy that answers without having',
    run: async (fetch, { origin }) => {
      const answers: Record<string, unknown> = {
        method: 'POST',
        body: 'by proxy',
        headers: { 'X-Proxy': '1' },
      }
      const init = new Proxy({}, { get: (_target, key) => answers[String(key)] })
      return see(() => fetch(`${origin}/init`, init))
    },
  },
  {
    id: 'INIT-READ-ONCE',
    title: 'F117: each property of init is read once',
    run: async (fetch, { origin }) => {
      const counts: Record<string, number> = {}
      const init = counting({ method: 'POST', body: 'b', headers: counting({ 'X-A': '1' }, counts) }, counts)
      const seen = await see(() => fetch(`${origin}/init`, init))
      const { method, body, headers, 'X-A': header } = counts
      return [seen, method, body, headers, header]
    },
  },
  {
    id: 'INIT-THROWS',
    title: 'F117: what a getter of init throws rejects, the very object',
    run: async (fetch, { origin }) => {
      const boom = new Error('boom')
      const init = {
        get body(): string {
          throw boom
        },
      }
      return fetch(origin, init).catch(error => error === boom)
    },
    spans: noSpans,
  },
]

const headerSets: Row[] = (
  [
    ['undefined', () => undefined],
    ['an empty object', () => ({})],
    ['a plain object', () => ({ 'X-Case': '1', 'x-lower': '2', 'X-UPPER': '3' })],
    [
      'an array of pairs',
      () => [
        ['X-Case', '1'],
        ['x-lower', '2'],
        ['X-CASE', 'again'],
      ],
    ],
    [
      'a Headers',
      () =>
        new Headers([
          ['X-Case', '1'],
          ['x-lower', '2'],
          ['X-CASE', 'again'],
        ]),
    ],
    ['an empty Headers', () => new Headers()],
    [
      'a Headers that was changed',
      () => {
        const headers = new Headers({ 'X-Case': '1' })
        headers.set('X-Later', '2')
        headers.append('X-Later', '3')
        headers.delete('x-case')
        return headers
      },
    ],
    ['a subclass of Headers', () => new (class extends Headers {})({ 'X-Sub': '1' })],
    ['a frozen object', () => Object.freeze({ 'X-Frozen': '1' })],
    ['a frozen array of frozen pairs', () => Object.freeze([Object.freeze(['X-Frozen', '1'])])],
    ['an object without prototype', () => Object.assign(Object.create(null), { 'X-Null': '1' })],
    [
      'an object that inherits',
      () => Object.assign(Object.create({ 'X-Inherited': 'no' }), { 'X-Own': '1' }),
    ],
    ['a Map', () => new Map([['X-Map', '1']])],
    [
      'a generator',
      function* () {
        yield ['X-Once', '1']
      },
    ],
    ['pairs that are Sets', () => [new Set(['X-Set', '1'])]],
    ['numbers and booleans as values', () => ({ 'X-Number': 7, 'X-True': true })],
    ['latin-1 and blanks', () => ({ 'X-Latin': ' caf\u00e9\t' })],
    ['cookies', () => ({ Cookie: 'a=1', 'Set-Cookie': 'b=2' })],
    ['its own content-type and user-agent', () => ({ 'Content-Type': 'text/x', 'User-Agent': 'me' })],
    ['null', () => null],
    ['a text', () => 'X-A: 1'],
    ['a number', () => 5],
    ['a pair of three', () => [['X-A', '1', '2']]],
    ['a pair of one', () => [['X-A']]],
    ['texts for pairs', () => ['ab']],
    ['null for a pair', () => [null]],
    ['an invalid name', () => ({ 'a b': '1' })],
    ['an invalid value', () => ({ 'X-A': 'a\nb' })],
    ['a value out of latin-1', () => ({ 'X-A': '中' })],
    ['a Symbol as name', () => ({ [Symbol('s')]: '1' })],
    ['a Symbol as value', () => ({ 'X-A': Symbol('s') })],
    ['transfer-encoding', () => ({ 'Transfer-Encoding': 'chunked' })],
  ] as [string, () => unknown][]
).flatMap(([title, make], i): Row[] => {
  const run =
    (init: RequestInit) =>
    async (fetch: Fetch, { origin }: World): Promise<unknown> => {
      const made = make()
      const headers = (title === 'a generator' ? (made as Iterable<unknown>) : made) as Record<string, string>
      const before = JSON.stringify(snapshot(headers, title))
      const seen = await see(() => fetch(`${origin}/headers`, { ...init, headers }))
      assert.equal(JSON.stringify(snapshot(headers, title)), before)
      return seen
    }
  return [
    { id: `HEADERS-${i}`, title: `F117: headers are ${title}`, run: run({}), spans: one },
    {
      id: `HEADERS-BODY-${i}`,
      title: `F117: headers are ${title}, with a body`,
      run: run({ method: 'POST', body: 'a body' }),
      spans: one,
    },
  ]
})

function one(spans: readonly RecordedSpan[]): void {
  only(spans)
}

function snapshot(headers: unknown, title: string): unknown {
  if (title === 'a generator' || typeof headers !== 'object' || headers === null) return String(headers)
  return Symbol.iterator in headers ? [...(headers as Iterable<unknown>)] : { ...headers }
}

const requests: Row[] = (
  [
    ['as it is', (url, make) => [make(url)]],
    ['with headers', (url, make) => [make(url, { headers: { 'X-Case': '1', 'x-lower': '2' } })]],
    ['with an undefined init', (url, make) => [make(url, { headers: { 'X-Case': '1' } }), undefined]],
    ['with an empty init', (url, make) => [make(url, { headers: { 'X-Case': '1' } }), {}]],
    [
      'with undefined properties in init',
      (url, make) => [make(url, { headers: { 'X-A': '1' } }), { headers: undefined }],
    ],
    ['with a body', (url, make) => [make(url, { method: 'POST', body: 'a body' })]],
    [
      'with a JSON body and its type',
      (url, make) => [
        make(url, { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } }),
      ],
    ],
    ['with a stream', (url, make) => [make(url, { method: 'POST', body: text('a|b|c'), duplex: 'half' })]],
    [
      'with headers in init, which replace',
      (url, make) => [make(url, { headers: { 'X-A': '1' } }), { headers: { 'X-B': '2' } }],
    ],
    ['with a method in init', (url, make) => [make(url, { headers: { 'X-A': '1' } }), { method: 'put' }]],
    ['with a body in init', (url, make) => [make(url, { method: 'POST', body: 'old' }), { body: 'new' }]],
    [
      'with GET in init over a body',
      (url, make) => [make(url, { method: 'POST', body: 'old' }), { method: 'GET' }],
    ],
    [
      'with a referrer',
      (url, make) => [make(url, { referrer: 'http://127.0.0.1/from', referrerPolicy: 'unsafe-url' })],
    ],
    [
      'with a referrer and an init',
      (url, make) => [
        make(url, { referrer: 'http://127.0.0.1/from', referrerPolicy: 'unsafe-url' }),
        { method: 'POST' },
      ],
    ],
    ['without a referrer', (url, make) => [make(url, { referrer: '' })]],
    [
      'with redirect: manual',
      (url, make) => [make(url.replace('/request', '/redirect/302?to=/x'), { redirect: 'manual' })],
    ],
    [
      'with redirect: error',
      (url, make) => [make(url.replace('/request', '/redirect/302?to=/x'), { redirect: 'error' })],
    ],
    ['in no-cors mode', (url, make) => [make(url, { mode: 'no-cors', headers: { 'X-A': '1' } })]],
    ['with an aborted signal', (url, make) => [make(url, { signal: AbortSignal.abort() })]],
    [
      'with an aborted signal and null in init',
      (url, make) => [make(url, { signal: AbortSignal.abort() }), { signal: null }],
    ],
    [
      'with cookies',
      (url, make) => [
        make(url, {
          headers: [
            ['Set-Cookie', 'a=1'],
            ['Set-Cookie', 'b=2'],
          ],
        }),
      ],
    ],
  ] as [string, (url: string, make: (url: string, init?: RequestInit) => Request) => unknown[]][]
).flatMap(([title, make], i): Row[] =>
  [
    ['a Request', (url: string, init?: RequestInit) => new Request(url, init)] as const,
    [
      'a subclass of Request',
      (url: string, init?: RequestInit) => new (class extends Request {})(url, init),
    ] as const,
  ].map(([kind, create], k) => ({
    id: `REQUEST-${i}-${k}`,
    title: `F116: ${kind} ${title}`,
    run: async (fetch, { origin }) => {
      const [request, ...rest] = make(`${origin}/request`, create) as [Request, RequestInit?]
      const look = (): unknown[] => [
        [...request.headers],
        request.method,
        request.url,
        request.referrer,
        request.signal.aborted,
      ]
      const before = look()
      const seen = await see(() => fetch(request, ...rest))
      assert.deepEqual(look(), before)
      // Another call with the same request: works without a body, is refused with a used one.
      return [seen, request.bodyUsed, await see(() => fetch(request, ...rest))]
    },
    spans: spans => assert.equal(spans.length, 2),
  })),
)
requests.push(
  {
    id: 'REQUEST-CLONE',
    title: 'F116: a clone made before stays good; a request with a used body is refused',
    run: async (fetch, { origin }) => {
      const request = new Request(`${origin}/request`, { method: 'POST', body: 'kept' })
      const clone = request.clone()
      return [
        await see(() => fetch(request)),
        await see(() => fetch(request)),
        await see(() => fetch(clone)),
        [...clone.headers],
      ]
    },
    spans: spans => assert.equal(spans.length, 3),
  },
  {
    id: 'REQUEST-SIGNAL',
    title: "F116: a request's own signal aborts",
    run: async (fetch, world) => {
      const controller = new AbortController()
      const request = new Request(`${world.origin}/hang/request`, { signal: controller.signal })
      const reason = { why: 'changed my mind' }
      const arrived = world.arrival('/hang/request')
      const call = fetch(request).catch(error => error === reason)
      await arrived
      controller.abort(reason)
      return call
    },
    spans: abortedBy('a thrown object'),
  },
)

const bodies: Row[] = (
  [
    ['a text', () => 'text \u00e9'],
    ['an empty text', () => ''],
    ['URLSearchParams', () => new URLSearchParams({ a: '1', b: 'x y' })],
    ['a Blob', () => new Blob(['blob'], { type: 'text/x-blob' })],
    ['an ArrayBuffer', () => new TextEncoder().encode('buffer').buffer],
    ['a view', () => new TextEncoder().encode('xviewx').subarray(1, 5)],
    ['a Buffer', () => Buffer.from('buffer')],
    ['a stream', () => text('one|two|three')],
    [
      'an async iterator',
      async function* () {
        yield 'one'
        yield 'two'
      },
    ],
    [
      'a stream that fails',
      () =>
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode('start'))
            controller.error(new Error('the upload broke'))
          },
        }),
    ],
    [
      'a stream of texts, which are refused',
      () =>
        new ReadableStream({
          start(controller) {
            controller.enqueue(7)
            controller.close()
          },
        }),
    ],
    [
      'a locked stream',
      () => {
        const stream = text('locked')
        stream.getReader()
        return stream
      },
    ],
  ] as [string, () => unknown][]
).map(([title, make], i) => ({
  id: `BODY-${i}`,
  title: `F120: the body is ${title}`,
  run: (fetch, { origin }) => {
    const made = make()
    const body = (typeof made === 'function' ? made() : made) as NonNullable<RequestInit['body']>
    return see(() => fetch(`${origin}/body`, { method: 'POST', body, duplex: 'half' }))
  },
  spans: one,
}))
bodies.push({
  id: 'BODY-FORM',
  title: 'F120: the body is FormData',
  run: async (fetch, world) => {
    const body = new FormData()
    body.set('field', 'value')
    body.set('file', new Blob(['content']), 'name.txt')
    const seen = await see(() => fetch(`${world.origin}/body`, { method: 'POST', body }))
    // The boundary is random.
    const last = world.received.at(-1) as World['received'][number]
    const boundary = /boundary=(\S+)/.exec(last.headers.join('\n'))?.[1] as string
    assert.ok(boundary, 'a boundary was sent')
    last.headers = last.headers.map(header => header.replace(boundary, 'B'))
    last.body = last.body.replaceAll(boundary, 'B')
    return seen
  },
})

const failures: Row[] = [
  {
    id: 'FAIL-REFUSED',
    title: 'F113: ECONNREFUSED',
    run: (fetch, { closed }) => see(() => fetch(`${closed}/x`)),
    spans: broken('ECONNREFUSED'),
  },
  {
    id: 'FAIL-RESET',
    title: 'F113: socket hang up',
    run: (fetch, { origin }) => see(() => fetch(`${origin}/reset`)),
    spans: broken('UND_ERR_SOCKET'),
  },
  {
    id: 'FAIL-TLS',
    title: 'F113: TLS to a server that speaks none',
    run: (fetch, { origin }) => see(() => fetch(origin.replace('http:', 'https:'))),
    spans: broken(/SSL/.source),
  },
  {
    id: 'FAIL-NOTFOUND',
    title: 'F113: ENOTFOUND',
    run: async fetch => {
      // Answered here: no name server is asked.
      const lookup = mock.method(
        dns,
        'lookup',
        (host: string, _options: unknown, done: (error: Error) => void) => {
          const error = new Error(`getaddrinfo ENOTFOUND ${host}`)
          done(
            Object.assign(error, { code: 'ENOTFOUND', errno: -3008, syscall: 'getaddrinfo', hostname: host }),
          )
        },
      )
      const seen = await see(() => fetch('http://nowhere.invalid/x'))
      assert.equal(lookup.mock.callCount(), 1)
      lookup.mock.restore()
      return seen
    },
    spans: broken('ENOTFOUND'),
  },
  {
    id: 'FAIL-GARBAGE',
    title: 'F113: an answer that is no HTTP',
    run: async fetch => {
      const raw = await openRaw((_text, socket) => socket.end('garbage\r\n\r\n'))
      const seen = (await see(() => fetch(raw.origin))) as { error: { cause: { keys: unknown } } }
      await raw.close()
      return seen
    },
    spans: broken('HPE_|HTTPParserError'),
  },
  {
    id: 'FAIL-KEEPALIVE',
    title: 'F129: a kept-alive connection that the server closes under the second request',
    run: async fetch => {
      const raw = await openRaw((_text, socket, requests) => {
        if (requests > 1) socket.destroy()
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok')
      })
      const first = await (await fetch(raw.origin)).text()
      await new Promise(resolve => setTimeout(resolve, 10))
      const second = await see(() => fetch(raw.origin))
      await raw.close()
      return [first, second]
    },
    spans: spans => {
      assert.equal(spans.length, 2)
      broken('UND_ERR_SOCKET')(spans.slice(1))
    },
  },
  {
    id: 'FAIL-STACK',
    title: "F113: the error's stack leads to the caller's own function",
    run: async (fetch, { closed }) => {
      const callerOfFetch = async (): Promise<void> => {
        await fetch(closed)
      }
      try {
        await callerOfFetch()
      } catch (error) {
        return /callerOfFetch/.test(String((error as Error).stack))
      }
      return 'no error'
    },
  },
]

const aborts: Row[] = [
  {
    id: 'ABORT-BEFORE',
    title: 'F114: aborted before the call: the reason itself rejects',
    run: async (fetch, { origin }) => {
      const reason = new Error('not today')
      return fetch(`${origin}/x`, { signal: AbortSignal.abort(reason) }).catch(error => error === reason)
    },
    spans: abortedBy('not today'),
  },
  ...(
    [
      ['an AbortError of its own', undefined, 'This operation was aborted'],
      ['an Error', new Error('my reason'), 'my reason'],
      ['a text', 'a text', 'a text'],
      ['null', null, ''],
      ['a number', 0, ''],
    ] as const
  ).map(
    ([title, reason, message], i): Row => ({
      id: `ABORT-HEADERS-${i}`,
      title: `F114: aborted while waiting for the headers, with ${title}`,
      run: async (fetch, world) => {
        const controller = new AbortController()
        const arrived = world.arrival(`/hang/${i}`)
        const call = fetch(`${world.origin}/hang/${i}`, { signal: controller.signal })
        const settled = call.then(seeResponse, error => [error === controller.signal.reason, seeError(error)])
        await arrived
        controller.abort(reason)
        return settled
      },
      spans: message === '' ? tagged({ aborted: true, error: undefined }) : abortedBy(message),
    }),
  ),
  {
    id: 'ABORT-BODY',
    title: 'F114: aborted in the middle of the body: the reason itself rejects the read',
    run: async (fetch, { origin }) => {
      const controller = new AbortController()
      const response = await fetch(`${origin}/drip`, { signal: controller.signal })
      const reason = new Error('enough')
      const body = response.text().catch(error => [error === reason, seeError(error)])
      setTimeout(() => controller.abort(reason), 20)
      return [response.status, await body]
    },
    spans: tagged({ 'http.status_code': 200, error: undefined, aborted: undefined }),
  },
  {
    id: 'ABORT-AFTER',
    title: 'F114: aborted when all is over: nothing',
    run: async (fetch, { origin }) => {
      const controller = new AbortController()
      const seen = await see(() => fetch(`${origin}/x`, { signal: controller.signal }))
      controller.abort()
      return seen
    },
    spans: tagged({ aborted: undefined }),
  },
  {
    id: 'ABORT-TIMEOUT',
    title: 'F115: AbortSignal.timeout is a failure, and its TimeoutError rejects unchanged',
    run: async (fetch, { origin }) => {
      const signal = AbortSignal.timeout(40)
      return fetch(`${origin}/hang`, { signal }).catch(error => [error === signal.reason, seeError(error)])
    },
    spans: spans => {
      const span = only(spans)
      assert.equal(span.tags.error, true)
      assert.equal(span.tags.aborted, undefined)
      assert.equal(span.tags['error.type'], 'TimeoutError')
      assert.equal(logged(span, 'error')['error.kind'], 'TimeoutError')
    },
  },
  {
    id: 'ABORT-ANY',
    title: 'F115: AbortSignal.any: which one it was decides',
    run: async (fetch, { origin, arrival }) => {
      const controller = new AbortController()
      const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(200)])
      const timedOut = await fetch(`${origin}/hang`, { signal }).catch(seeError)
      const other = AbortSignal.any([controller.signal, AbortSignal.timeout(10_000)])
      const arrived = arrival('/hang')
      const aborted = fetch(`${origin}/hang`, { signal: other }).catch(seeError)
      // Sooner, a busy machine had not sent it yet: then the next row received it.
      await arrived
      controller.abort()
      return [timedOut, await aborted]
    },
    spans: spans => {
      assert.deepEqual(
        spans.map(({ tags }) => [tags.error, tags.aborted]),
        [
          [true, undefined],
          [undefined, true],
        ],
      )
    },
  },
  {
    id: 'ABORT-UPLOAD',
    title: 'F114: aborted in the middle of an upload',
    run: async (fetch, world) => {
      const controller = new AbortController()
      const reason = new Error('stop the upload')
      const body = new ReadableStream({
        async pull(stream) {
          // Node 20's own fetch goes on pulling after an abort.
          if (controller.signal.aborted) return stream.close()
          stream.enqueue(new Uint8Array(1000))
          await new Promise(resolve => setTimeout(resolve, 5))
        },
      })
      const arrived = world.arrival('/upload')
      const call = fetch(`${world.origin}/upload`, {
        method: 'POST',
        body,
        duplex: 'half',
        signal: controller.signal,
      })
      const settled = call.catch(error => error === reason)
      await arrived
      controller.abort(reason)
      const result = await settled
      // How many chunks had left is chance.
      for (const one of world.received) one.body = ''
      return result
    },
    spans: abortedBy('stop the upload'),
  },
]

const to = (target: string): string => encodeURIComponent(target)
const redirects: Row[] = [
  ...[301, 302, 303, 307, 308].map(
    (status): Row => ({
      id: `REDIRECT-${status}`,
      title: `F121: a POST redirected with ${status}, within one span`,
      run: (fetch, { origin }) =>
        see(() =>
          fetch(`${origin}/redirect/${status}?to=${to('/landed?token=abc&page=1')}`, {
            method: 'POST',
            body: 'posted',
            headers: { 'X-Mine': '1' },
          }),
        ),
      spans: (spans, { origin }) =>
        tagged({
          'http.status_code': 200,
          'http.method': 'POST',
          'http.final_url': `${origin}/landed?token=REDACTED&page=1`,
        })(spans),
    }),
  ),
  {
    id: 'REDIRECT-MANUAL',
    title: 'F121: redirect: manual',
    run: (fetch, { origin }) => see(() => fetch(`${origin}/redirect/302?to=/x`, { redirect: 'manual' })),
    spans: tagged({ 'http.status_code': 302, 'http.final_url': undefined, error: undefined }),
  },
  {
    id: 'REDIRECT-ERROR',
    title: 'F121: redirect: error',
    run: (fetch, { origin }) => see(() => fetch(`${origin}/redirect/302?to=/x`, { redirect: 'error' })),
    spans: refused,
  },
  {
    id: 'REDIRECT-CROSS',
    title: 'F121: to another origin: authorization and cookie stay behind, as ever',
    run: (fetch, { origin, otherOrigin }) =>
      see(() =>
        fetch(`${origin}/redirect/302?to=${to(`${otherOrigin}/landed`)}`, {
          headers: { Authorization: 'secret', Cookie: 'a=1', 'X-Mine': '1' },
        }),
      ),
    spans: (spans, { otherOrigin }) => tagged({ 'http.final_url': `${otherOrigin}/landed` })(spans),
  },
  {
    id: 'REDIRECT-LOOP',
    title: 'F121: a redirect loop',
    run: (fetch, { origin }) => see(() => fetch(`${origin}/loop`)),
    spans: refused,
  },
  {
    id: 'REDIRECT-STREAM',
    title: 'F121: a streamed body cannot be sent twice',
    run: (fetch, { origin }) =>
      see(() => fetch(`${origin}/redirect/307?to=/x`, { method: 'POST', body: text('a|b'), duplex: 'half' })),
    spans: refused,
  },
]

const wire: Row[] = (
  [
    ['a plain object', { 'X-MiXeD': '1', 'x-lower': '2', 'User-AGENT': 'Me/1' }],
    [
      'an array',
      [
        ['X-MiXeD', '1'],
        ['x-lower', '2'],
        ['User-AGENT', 'Me/1'],
      ],
    ],
    ['a Headers', new Headers({ 'X-MiXeD': '1', 'x-lower': '2', 'User-AGENT': 'Me/1' })],
  ] as [string, RequestInit['headers']][]
).flatMap(([title, headers], i) =>
  [
    ['init', (fetch: Fetch, url: string, init: RequestInit) => fetch(url, init)] as const,
    ['a Request', (fetch: Fetch, url: string, init: RequestInit) => fetch(new Request(url, init))] as const,
  ].map(
    ([where, call]): Row => ({
      id: `WIRE-${i}-${where === 'init' ? 0 : 1}`,
      title: `F117: every byte of the request, header names from ${title} in ${where}`,
      run: async fetch => {
        let bytes = ''
        const raw = await openRaw((part, socket) => {
          bytes += part
          if (bytes.endsWith('body'))
            socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok')
        })
        const response = await call(fetch, `${raw.origin}/wire`, {
          method: 'POST',
          body: 'body',
          headers: headers as never,
        })
        await response.text()
        await raw.close()
        assert.match(bytes, /\r\nX-MiXeD: 1\r\nx-lower: 2\r\nUser-AGENT: Me\/1\r\n/)
        return bytes.replace(/^host: .*\r\n/im, '').replace(/^uber-trace-id: .*\r\n/im, '')
      },
    }),
  ),
)

const itself: Row[] = [
  {
    id: 'ITSELF',
    title: 'the function has the name and length of fetch, whoever calls it',
    run: async (fetch, { origin }) => [
      typeof fetch,
      fetch.name,
      fetch.length,
      await see(() => fetch.call({ other: 'this' } as never, `${origin}/this`)),
      await see(() => Reflect.apply(fetch, undefined, [`${origin}/this`])),
    ],
    spans: spans => assert.equal(spans.length, 2),
  },
  {
    id: 'ITSELF-EMPTY',
    title: 'called with nothing it rejects as fetch does',
    run: fetch => see(() => (fetch as () => Promise<Response>)()),
    spans: noSpans,
  },
]

export const rows: Row[] = [
  ...itself,
  ...answers,
  ...inputs,
  ...inits,
  ...headerSets,
  ...requests,
  ...bodies,
  ...failures,
  ...aborts,
  ...redirects,
  ...wire,
]
