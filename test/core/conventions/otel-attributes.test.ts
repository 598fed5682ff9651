// OpenTracing's tags in OpenTelemetry's words. The ids are those of test/cases/semconv.json.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SemanticConventions } from '../../../src/tracer/index.ts'
import { exported } from '../../support/tracer-world.ts'

interface Row {
  title: string
  tags: Record<string, unknown>
  log?: Record<string, unknown>
  conventions?: SemanticConventions
  /** What the attributes are, all of them. */
  attributes?: Record<string, unknown>
  /** Some of the attributes; undefined: not there. */
  some?: Record<string, unknown>
  kind?: number
  status?: { code: number; message: string }
}

const UNSET = { code: 0, message: '' }
const server = {
  'span.kind': 'server',
  'http.method': 'GET',
  'http.url': 'http://shop.test:3000/a/b?x=1&y=2',
}
const client = { 'span.kind': 'client', 'http.method': 'GET', 'http.url': 'https://api.test/orders/7?x=1' }
const failure = {
  event: 'error',
  'error.kind': 'TypeError',
  'error.object': new TypeError('boom'),
  message: 'boom',
  stack: 'at x',
}

const ROWS: Row[] = [
  {
    title: 'C09, C23, C25, C27, C28: all of a server span',
    tags: {
      ...server,
      component: 'express',
      'peer.ipv4': '10.1.2.3',
      'peer.port': 4711,
      'http.status_code': 200,
      'http.route': '/a/:id',
    },
    kind: 2,
    status: UNSET,
    attributes: {
      component: 'express',
      'http.request.method': 'GET',
      'url.scheme': 'http',
      'url.path': '/a/b',
      'url.query': 'x=1&y=2',
      'server.address': 'shop.test',
      'server.port': 3000,
      'network.peer.address': '10.1.2.3',
      'client.address': '10.1.2.3',
      'network.peer.port': 4711,
      'http.response.status_code': 200,
      'http.route': '/a/:id',
    },
  },
  {
    title: 'C09, C21, C29: all of a client span',
    tags: {
      ...client,
      component: 'fetch',
      'peer.hostname': 'api.test',
      'peer.port': 8443,
      'peer.service': 'orders',
      'http.status_code': 200,
    },
    kind: 3,
    status: UNSET,
    attributes: {
      component: 'fetch',
      'http.request.method': 'GET',
      'url.full': 'https://api.test/orders/7?x=1',
      'server.address': 'api.test',
      'server.port': 8443,
      'peer.service': 'orders',
      'http.response.status_code': 200,
    },
  },
  {
    title: 'C29: a client span always has address and port of the server',
    tags: client,
    some: { 'server.address': 'api.test', 'server.port': 443 },
  },
  {
    title: 'C29: the port of plain http',
    tags: { ...client, 'http.url': 'http://user:pw@api.test' },
    some: { 'server.address': 'api.test', 'server.port': 80 },
  },
  {
    title: 'C29: address from the tag, port from the URL',
    tags: { ...client, 'peer.hostname': 'inner', 'http.url': 'http://api.test:81/x' },
    some: { 'server.address': 'inner', 'server.port': 81 },
  },
  {
    title: 'C01: an unknown method is _OTHER, and told',
    tags: { ...server, 'http.method': 'PURGE' },
    some: { 'http.request.method': '_OTHER', 'http.request.method_original': 'PURGE' },
  },
  {
    title: 'C01: the method HTTP is unknown too',
    tags: { ...server, 'http.method': 'HTTP' },
    some: { 'http.request.method': '_OTHER', 'http.request.method_original': 'HTTP' },
  },
  {
    title: 'C02: methods are told apart by case',
    tags: { ...server, 'http.method': 'get' },
    some: { 'http.request.method': '_OTHER', 'http.request.method_original': 'get' },
  },
  {
    title: 'C10, C15, C18: a 3xx is neither failure nor Ok',
    tags: { ...server, 'http.status_code': 304 },
    status: UNSET,
    some: { 'error.type': undefined },
  },
  {
    title: 'C11: a 4xx is no failure of a server',
    tags: { ...server, 'http.status_code': 404 },
    status: UNSET,
    some: { 'error.type': undefined, 'http.response.status_code': 404 },
  },
  {
    title: 'C11, C13, C17: a 4xx is a failure of a client',
    tags: { ...client, 'http.status_code': 404 },
    status: { code: 2, message: '' },
    some: { 'error.type': '404' },
  },
  {
    title: 'C12, C13, C17: a 5xx is a failure on both sides, and the code says enough',
    tags: { ...server, 'http.status_code': 503, error: true },
    log: failure,
    status: { code: 2, message: '' },
    some: { 'error.type': '503', error: undefined },
  },
  {
    title: 'the tag `error` has the last word',
    tags: { ...server, 'http.status_code': 503, error: false },
    status: UNSET,
    some: { 'error.type': undefined, error: undefined },
  },
  {
    title: 'C16: without a status, the class of the error and its message',
    tags: { ...client, error: true },
    log: failure,
    status: { code: 2, message: 'boom' },
    some: { 'error.type': 'TypeError', 'http.response.status_code': undefined },
  },
  {
    title: 'C19: a failure of which nothing is known',
    tags: { error: 'true' },
    status: { code: 2, message: '' },
    some: { 'error.type': '_OTHER' },
  },
  {
    title: 'C14: a caller that gave up has no failure',
    tags: { ...client, aborted: true },
    status: UNSET,
    some: { 'error.type': undefined, aborted: true },
  },
  {
    title: 'C20: a client that left a server is told beside the status that was sent',
    tags: { ...server, 'http.status_code': 200, aborted: 'during response' },
    status: UNSET,
    some: { 'error.type': 'client_disconnected', aborted: 'during response' },
  },
  {
    title: 'C26: an IPv6 host',
    tags: { ...server, 'http.url': 'http://[::1]:8080/' },
    some: { 'server.address': '::1', 'server.port': 8080, 'url.path': '/' },
  },
  {
    title: 'C26: no port',
    tags: { ...server, 'http.url': 'https://shop.test/' },
    some: { 'server.address': 'shop.test', 'server.port': undefined, 'url.scheme': 'https' },
  },
  {
    title: 'C26: a malformed host',
    tags: { ...server, 'http.url': 'http://a b:c:d/x' },
    some: { 'server.address': 'a b', 'server.port': undefined, 'url.path': '/x' },
  },
  {
    title: 'C26: no host at all',
    tags: { ...server, 'http.url': 'http:///x?' },
    some: { 'server.address': undefined, 'url.path': '/x', 'url.query': undefined },
  },
  {
    title: 'a target that is no URL',
    tags: { ...server, 'http.url': '*' },
    some: { 'url.path': '*', 'url.scheme': undefined, 'server.address': undefined },
  },
  {
    title: 'a path of nothing but a query',
    tags: { ...server, 'http.url': 'http://shop.test?x=1' },
    some: { 'url.path': '/', 'url.query': 'x=1' },
  },
  {
    title: 'another server with a longer name',
    tags: { ...server, 'http.url': 'http://shop.test:30001/a' },
    some: { 'server.address': 'shop.test', 'server.port': 30001, 'url.path': '/a' },
  },
  {
    title: 'an IPv6 peer',
    tags: { ...server, 'peer.ipv6': '::1' },
    some: { 'client.address': '::1', 'network.peer.address': '::1' },
  },
  {
    title: 'a database call',
    tags: {
      'span.kind': 'client',
      'db.type': 'postgresql',
      'db.instance': 'shop',
      'db.statement': 'SELECT 1',
    },
    attributes: { 'db.system.name': 'postgresql', 'db.namespace': 'shop', 'db.query.text': 'SELECT 1' },
  },
  {
    title: 'a consumer of messages',
    tags: { 'span.kind': 'consumer', 'message_bus.destination': 'orders' },
    kind: 5,
    attributes: { 'messaging.destination.name': 'orders' },
  },
  { title: 'a producer', tags: { 'span.kind': 'producer' }, kind: 4, attributes: {} },
  { title: 'a kind that nobody knows', tags: { 'span.kind': 'weird' }, kind: 1, attributes: {} },
  {
    title: 'what the app says in these words itself is not derived a second time',
    tags: {
      ...server,
      'url.path': '/mine',
      'http.status_code': 200,
      'http.response.status_code': 201,
      'server.address': 'mine',
      'error.type': 'mine',
      error: true,
    },
    some: {
      'url.path': '/mine',
      'http.response.status_code': 201,
      'server.address': 'mine',
      'error.type': 'mine',
      'url.query': 'x=1&y=2',
    },
  },
  {
    title: 'opentracing: everything as it was set',
    conventions: 'opentracing',
    tags: { ...server, 'http.status_code': 500, error: true, 'peer.ipv4': '10.1.2.3' },
    kind: 2,
    status: { code: 2, message: '' },
    attributes: {
      'http.method': 'GET',
      'http.url': server['http.url'],
      'http.status_code': 500,
      error: true,
      'peer.ipv4': '10.1.2.3',
    },
  },
  {
    title: 'both: all of it',
    conventions: 'both',
    tags: { ...client, 'http.status_code': 404, error: true, 'peer.hostname': 'api.test', plain: 1 },
    kind: 3,
    attributes: {
      'http.method': 'GET',
      'http.request.method': 'GET',
      'http.url': client['http.url'],
      'url.full': client['http.url'],
      'http.status_code': 404,
      'http.response.status_code': 404,
      error: true,
      'peer.hostname': 'api.test',
      'server.address': 'api.test',
      'server.port': 443,
      'error.type': '404',
      plain: 1,
    },
  },
]

describe('attributes in OTLP', () => {
  for (const row of ROWS) {
    it(row.title, async () => {
      const span = await exported(
        tracer => {
          const made = tracer.startSpan('any', { tags: row.tags })
          if (row.log) made.log(row.log)
          made.finish()
        },
        row.conventions ? { semanticConventions: row.conventions } : {},
      )
      assert.deepEqual(new Set(span.keys).size, span.keys.length, `a key is there twice: ${span.keys}`)
      if (row.attributes) assert.deepEqual(span.attributes, row.attributes)
      for (const [key, value] of Object.entries(row.some ?? {}))
        assert.equal(span.attributes[key], value, key)
      if (row.kind !== undefined) assert.equal(span.kind, row.kind)
      if (row.status) assert.deepEqual(span.status, row.status)
    })
  }

  it('an error that was logged is an exception event', async () => {
    for (const [conventions, attributes] of [
      [
        'opentelemetry',
        { 'exception.type': 'TypeError', 'exception.message': 'boom', 'exception.stacktrace': 'at x' },
      ],
      [
        'opentracing',
        { 'error.kind': 'TypeError', 'error.object': 'TypeError: boom', message: 'boom', stack: 'at x' },
      ],
    ] as const) {
      const { events } = await exported(tracer => tracer.startSpan('any').log(failure).finish(), {
        semanticConventions: conventions,
      })
      assert.equal(events[0]?.name, conventions === 'opentelemetry' ? 'exception' : 'error')
      assert.deepEqual(events[0]?.attributes, attributes)
    }
  })

  it('spans of many kinds in one batch do not mix', async () => {
    const shapes = [server, client, { 'db.type': 'x' }, { a: 1 }, {}]
    for (let i = 0; i < 200; i++) {
      const tags = { ...shapes[i % shapes.length], [`n${i % 7}`]: i % 3, same: i % 50 }
      const { attributes } = await exported(tracer => tracer.startSpan('any', { tags }).finish(), {
        semanticConventions: 'opentracing',
      })
      const { 'span.kind': _, ...expected } = tags as Record<string, unknown>
      assert.deepEqual(attributes, expected)
    }
  })
})
