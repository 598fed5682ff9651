// What a span of an ordinary exchange holds.

import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { ask, raw } from '../support/client.ts'
import { caller, GET, hello, names, type Row, row, user } from './row.ts'

/** Of nine megabytes: more than any socket's buffer takes. */
const LARGE_FILE = createRequire(import.meta.url).resolve('typescript5')

export const spanRows: Row[] = [
  row({
    id: 'R-TAGS',
    title: 'an ordinary request: one span, all tags, right types',
    app: user,
    request: port => ask(port, '/users/42?page=2'),
    expect({ span, host, port }, answer) {
      assert.equal(answer.status, 200)
      assert.equal(span.operationName, 'GET /users/:id')
      const { 'peer.port': peerPort, ...tags } = span.tags
      assert.equal(typeof peerPort, 'number')
      assert.deepEqual(tags, {
        'span.kind': 'server',
        component: host.component,
        'http.method': 'GET',
        'http.url': `http://127.0.0.1:${port}/users/42?page=2`,
        'http.route': '/users/:id',
        'http.status_code': 200,
        'peer.ipv4': '127.0.0.1',
      })
      assert.deepEqual(span.logs, [])
    },
  }),
  ...[false, true].map(trustsProxy =>
    row({
      id: trustsProxy ? 'R-PROXY-TRUSTED' : 'R-PROXY-UNTRUSTED',
      title: `x-forwarded-proto counts ${trustsProxy ? 'when the framework is told to trust its proxy' : 'for nothing otherwise'} (F112)`,
      app: { ...hello, trustsProxy },
      request: port =>
        ask(port, '/hello', { headers: { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.7' } }),
      expect({ span, port }) {
        assert.equal(span.tags['http.url'], `${trustsProxy ? 'https' : 'http'}://127.0.0.1:${port}/hello`)
        assert.equal(span.tags['peer.ipv4'], '127.0.0.1')
      },
    }),
  ),
  row({
    id: 'R-CONTINUE',
    title: "continues the caller's trace: child of the caller's span",
    app: hello,
    request: port => ask(port, '/hello', { headers: caller }),
    expect({ span }) {
      assert.equal(span.traceId, '0af7651916cd43dd8448eb211c80319c')
      assert.equal(span.parentId, 'b7ad6b7169203331')
      assert.deepEqual(span.references, [
        { type: 'child_of', traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' },
      ])
    },
  }),
  row({
    id: 'R-ROOT',
    title: 'starts a new trace when the caller sends none',
    app: hello,
    request: port => ask(port, '/hello'),
    expect({ span }) {
      assert.match(span.traceId, /^[0-9a-f]{32}$/)
      assert.equal(span.parentId, undefined)
    },
  }),
  row({
    id: 'R-404',
    title: 'no route: the method alone, 404, no error (F082)',
    app: hello,
    request: async port => {
      const answers = []
      for (let i = 0; i < 20; i++) answers.push((await ask(port, `/random/${i}/${Math.random()}`)).status)
      return answers
    },
    spans: 20,
    expect(seen, answers) {
      assert.ok(answers.every(status => status === 404))
      assert.deepEqual([...new Set(names(seen))], ['GET'])
      for (const span of seen.spans) {
        assert.equal(span.tags['http.status_code'], 404)
        assert.equal('error' in span.tags, false)
        assert.equal('http.route' in span.tags, false)
      }
    },
  }),
  row({
    id: 'R-5XX',
    title: 'a 5xx that nobody threw is an error, without a log',
    app: { routes: [{ path: '/down', handle: () => ({ status: 503, body: 'down' }) }] },
    request: port => ask(port, '/down'),
    expect({ span }) {
      assert.equal(span.tags.error, true)
      assert.deepEqual(span.logs, [])
    },
  }),
  row({
    id: 'R-IS-ERROR',
    title: 'isError: an own rule for the status',
    app: { routes: [{ path: '/teapot', handle: () => ({ status: 418, body: 'short and stout' }) }] },
    options: { isError: ({ statusCode, route }) => statusCode === 418 && route === '/teapot' },
    request: port => ask(port, '/teapot'),
    expect({ span }) {
      assert.equal(span.tags.error, true)
    },
  }),
  row({
    id: 'R-IS-NO-ERROR',
    title: 'isError: a 5xx that is none says so, for tracers that have a status rule of their own',
    app: { routes: [{ path: '/down', handle: () => ({ status: 503, body: 'for today' }) }] },
    options: { isError: () => false },
    request: port => ask(port, '/down'),
    expect({ span }) {
      assert.equal(span.tags.error, false)
    },
  }),
  row({
    id: 'R-METHOD-OTHER',
    title: 'an unusual method is HTTP in the name and kept in its tag (F084)',
    app: hello,
    request: port => ask(port, '/hello', { method: 'PROPFIND' }),
    expect({ span }) {
      assert.equal(span.operationName, 'HTTP')
      assert.equal(span.tags['http.method'], 'PROPFIND')
    },
  }),
  row({
    id: 'R-HEAD',
    title: 'HEAD: its own span name, no body, final status (F075)',
    app: { routes: [{ method: 'head', path: '/users/:id', handle: () => ({ status: 200, body: '' }) }] },
    request: port => ask(port, '/users/1', { method: 'HEAD' }),
    expect({ span }, answer) {
      assert.equal(answer.status, 200)
      assert.equal(span.operationName, 'HEAD /users/:id')
    },
  }),
  row({
    id: 'R-REDIRECT',
    title: 'a redirect is an ordinary answer',
    app: { routes: [{ path: '/old', handle: () => ({ redirect: '/new' }) }] },
    request: port => ask(port, '/old'),
    expect({ span }, answer) {
      assert.equal(answer.status, 302)
      assert.equal(answer.headers.location, '/new')
      assert.equal(span.tags['http.status_code'], 302)
      assert.equal('error' in span.tags, false)
    },
  }),
  row({
    id: 'R-SEND-FILE',
    title: 'a file is sent whole inside the span',
    app: { routes: [{ path: '/file', handle: () => ({ file: LARGE_FILE }) }] },
    request: async port => (await raw(port, GET('/file', 'Connection: close\r\n'), undefined, 20_000)).length,
    expect({ span }, length) {
      assert.ok(length > statSync(LARGE_FILE).size)
      assert.equal(span.tags['http.status_code'], 200)
      assert.equal('aborted' in span.tags, false)
    },
  }),
]
