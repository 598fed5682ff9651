// What goes over the wire beside plain requests: it stays as it is, byte for byte, and gets the span that it deserves.

import assert from 'node:assert/strict'
import http from 'node:http'
import type { SampleApp } from '../hosts/sample.ts'
import { ask, raw } from '../support/client.ts'
import { CLOSE, GET, hello, names, type Row, row, statusIn, user } from './row.ts'

const echo: SampleApp = {
  parses: true,
  routes: [{ method: 'post', path: '/echo', handle: ({ body }) => ({ body: { got: body } }) }],
}
const EXPECTING = `POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n${CLOSE}Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}`

/** Answers that are no plain 200 with a body: who gives them, and what the first line must say. */
const plain: [id: string, title: string, app: SampleApp, bytes: string, name: string, status: number][] = [
  ['HTTP10', 'HTTP/1.0 (F069)', hello, 'GET /hello HTTP/1.0\r\n\r\n', 'GET /hello', 200],
  [
    'HEAD-ON-GET',
    'HEAD on a GET route (F075)',
    user,
    `HEAD /users/1 HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`,
    'HEAD /users/:id',
    200,
  ],
  [
    '204',
    '204 (F075)',
    { routes: [{ path: '/none', handle: () => ({ status: 204 }) }] },
    GET('/none', CLOSE),
    'GET /none',
    204,
  ],
  [
    '304',
    '304 (F075)',
    { routes: [{ path: '/same', handle: () => ({ status: 304, headers: { etag: '"1"' } }) }] },
    GET('/same', `If-None-Match: "1"\r\n${CLOSE}`),
    'GET /same',
    304,
  ],
  [
    'EARLY-HINTS',
    '103 early hints: the final status is the span’s (F075)',
    {
      routes: [
        {
          path: '/hints',
          handle: ({ res }) => {
            res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })
            return { status: 201, body: 'made' }
          },
        },
      ],
    },
    GET('/hints', CLOSE),
    'GET /hints',
    201,
  ],
  ['EXPECT-CONTINUE', 'Expect: 100-continue (F074)', echo, EXPECTING, 'POST /echo', 200],
  [
    'UPGRADE-IGNORED',
    'an Upgrade that nobody listens to is an ordinary request (F073)',
    hello,
    GET('/hello', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'),
    'GET /hello',
    200,
  ],
  [
    'DOUBLE-SLASH',
    'a path that starts with two slashes is a path (F083)',
    hello,
    GET('//evil.example/x?y=1', CLOSE),
    'GET',
    404,
  ],
  [
    'BAD-HOST',
    'a malformed Host header (F083)',
    hello,
    `GET /hello HTTP/1.1\r\nHost: a b\r\n${CLOSE}\r\n`,
    'GET /hello',
    200,
  ],
]

export const wireRows: Row[] = [
  ...plain.map(([id, title, app, bytes, name, status]) =>
    row({
      id: `R-${id}`,
      title: `${title}: unchanged, one span`,
      app,
      request: port => raw(port, bytes, /\r\n\r\nhello/),
      unchanged: true,
      expect(seen, answer) {
        assert.equal(statusIn(answer), status)
        assert.deepEqual(names(seen), [name])
        assert.equal(seen.span.tags['http.status_code'], status)
        assert.equal('aborted' in seen.span.tags || 'error' in seen.span.tags, false)
      },
    }),
  ),
  row({
    id: 'R-OPTIONS-STAR',
    title: 'OPTIONS *: unchanged, one span (F075)',
    app: user,
    request: port => raw(port, `OPTIONS * HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`),
    unchanged: true,
    expect({ span }, answer) {
      assert.equal(span.operationName, 'OPTIONS')
      assert.equal(span.tags['http.url'], '*')
      assert.equal(span.tags['http.status_code'], statusIn(answer))
    },
  }),
  ...(
    [
      ['PATH', '/users/%zz'],
      ['QUERY', '/users/1?a=%&%zz=1'],
    ] as const
  ).map(([what, target]) =>
    row({
      id: `R-PERCENT-${what}`,
      title: `invalid percent-encoding in the ${what.toLowerCase()}: unchanged, one span (F083)`,
      app: user,
      request: port => raw(port, GET(target, CLOSE)),
      unchanged: true,
      expect({ span }, answer) {
        assert.equal(span.tags['http.url'], `http://x${target}`)
        assert.equal(span.tags['http.status_code'], statusIn(answer))
        assert.match(span.operationName, /^GET( \/users\/:id)?$/)
      },
    }),
  ),
  row({
    id: 'R-ABSOLUTE-FORM',
    title: 'an absolute-form target with credentials: unchanged, and redacted on the span (F083, F105)',
    app: hello,
    request: port => raw(port, GET('http://user:hush@proxied.example/hello?token=hush', CLOSE)),
    unchanged: true,
    expect({ span }, answer) {
      assert.equal(span.tags['http.status_code'], statusIn(answer))
      assert.equal(span.tags['http.url'], 'http://REDACTED:REDACTED@proxied.example/hello?token=REDACTED')
      assert.match(span.operationName, /^GET( \/hello)?$/)
    },
  }),
  row({
    id: 'R-LONG-URL',
    title: 'a URL of 8 KB: the tag is cut, the name is the route (F082)',
    app: user,
    request: port => ask(port, `/users/${'7'.repeat(90)}?q=${'x'.repeat(8000)}`),
    unchanged: true,
    expect({ span }) {
      assert.equal(span.operationName, 'GET /users/:id')
      assert.equal(String(span.tags['http.url']).length, 2048)
    },
  }),
  row({
    id: 'R-CARDINALITY',
    title: '1,000 random paths give two names (F082)',
    app: user,
    async request(port) {
      const paths = Array.from(
        { length: 1000 },
        (_, i) => `/${i % 2 ? 'users' : `random-${i}`}/${Math.random()}`,
      )
      return raw(port, paths.map((path, i) => GET(path, i === 999 ? CLOSE : '')).join(''))
    },
    spans: 1000,
    expect(seen) {
      assert.deepEqual([...new Set(names(seen))].sort(), ['GET', 'GET /users/:id'])
    },
  }),
  ...(
    [
      ['BAD-REQUEST', 'a request that is no HTTP (400)', 'NONSENSE\r\n\r\n', 400],
      ['431', 'headers over the limit (431)', GET('/hello', `X: ${'x'.repeat(20_000)}\r\n`), 431],
      [
        'METHOD-LOWER-CASE',
        'a method in lower case (400)',
        `get /hello HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`,
        400,
      ],
      ['NO-HOST', 'HTTP/1.1 without a Host header (400)', `GET /hello HTTP/1.1\r\n${CLOSE}\r\n`, 400],
    ] as const
  ).map(([id, title, bytes, status]) =>
    row({
      id: `R-${id}`,
      title: `${title}: Node answers before the app, there is no span (F081, F083, F084)`,
      app: hello,
      request: port => raw(port, bytes),
      spans: 0,
      unchanged: true,
      expect(_seen, answer) {
        assert.equal(statusIn(answer), status)
      },
    }),
  ),
  row({
    id: 'R-SOCKET-LISTENERS',
    title: 'a kept-alive socket gathers no listeners (F097)',
    app: {
      routes: [
        {
          path: '/count',
          handle: ({ req }) => {
            const { socket } = req
            return Object.fromEntries(socket.eventNames().map(name => [name, socket.listenerCount(name)]))
          },
        },
      ],
    },
    async request(port) {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
      const answers = []
      for (let i = 0; i < 20; i++) answers.push((await ask(port, '/count', { agent })).body)
      agent.destroy()
      return answers.slice(1)
    },
    spans: 20,
    unchanged: true,
    expect(_seen, answers) {
      assert.equal(new Set(answers).size, 1)
    },
  }),
  row({
    id: 'R-CHECK-CONTINUE',
    title: 'a checkContinue listener that lets the request in, and one that refuses it (F074)',
    app: echo,
    async request(port, _host, { server }) {
      server.once('checkContinue', (_req, res) => res.writeHead(417, { connection: 'close' }).end())
      const refused = await raw(port, EXPECTING)
      server.once('checkContinue', (req, res) => {
        res.writeContinue()
        server.emit('request', req, res)
      })
      return [refused, await raw(port, EXPECTING)]
    },
    unchanged: true,
    expect(seen, answers) {
      assert.deepEqual(answers.map(statusIn), [417, 200])
      assert.deepEqual(names(seen), ['POST /echo'])
    },
  }),
]
