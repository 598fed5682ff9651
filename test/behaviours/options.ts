// What options do, the same in every framework.

import assert from 'node:assert/strict'
import { activeSpan } from '../../src/core/scope.ts'
import type { RecordedSpan } from '../../src/testing/index.ts'
import { ask } from '../support/client.ts'
import { caller, hello, names, type Row, row, user } from './row.ts'

export const optionRows: Row[] = [
  row({
    id: 'R-USER-NAME',
    title: "a name that the user's code sets on the span is kept",
    app: {
      routes: [
        {
          path: '/users/:id',
          handle: () => {
            activeSpan()?.setOperationName('my own name')
            return 'x'
          },
        },
      ],
    },
    options: { operationName: () => 'of the option' },
    request: port => ask(port, '/users/1'),
    expect(seen) {
      assert.deepEqual(names(seen), ['my own name'])
    },
  }),
  row({
    id: 'R-NAME-OPTION',
    title: 'operationName as a function gets method, route and status; what is no string means the default',
    app: { routes: [...user.routes, ...hello.routes] },
    options: {
      operationName: ({ method, route, statusCode }) =>
        route === '/hello' ? undefined : `${method} of ${route}: ${statusCode}`,
    },
    request: async port => {
      await ask(port, '/users/1')
      await ask(port, '/hello')
    },
    spans: 2,
    expect(seen) {
      assert.deepEqual(names(seen), ['GET of /users/:id: 200', 'GET /hello'])
    },
  }),
  row({
    id: 'R-NAME-STRING',
    title: 'operationName as a string; control characters never reach a name (F047)',
    app: user,
    options: { operationName: () => `a\r\nb\u0000${'x'.repeat(100_000)}` },
    request: port => ask(port, '/users/1'),
    expect({ span }) {
      assert.match(span.operationName, /^a {2}b x+…$/)
      assert.equal(span.operationName.length, 256)
    },
  }),
  row({
    id: 'R-IGNORE',
    title: 'ignore: paths, prefixes, patterns and functions get no span, and no active span',
    app: {
      routes: ['/health', '/internal/a', '/metrics.json', '/skip', '/hello'].map(path => ({
        path,
        handle: () => ({ active: activeSpan() !== undefined }),
      })),
    },
    options: {
      ignore: [
        '/health',
        '/internal/*',
        /^\/metrics/g,
        ({ path, method }) => path === '/skip' && method === 'GET',
      ],
    },
    request: async port => {
      const active = []
      for (const path of [
        '/health?x=1',
        '/internal/a',
        '/metrics.json',
        '/metrics.json',
        '/skip',
        '/hello',
      ]) {
        active.push(JSON.parse((await ask(port, path)).body).active)
      }
      return active
    },
    expect(seen, active) {
      assert.deepEqual(active, [false, false, false, false, false, true])
      assert.deepEqual(names(seen), ['GET /hello'])
    },
  }),
  row({
    id: 'R-STATIC-TAGS',
    title: 'tags: on every span, from its start',
    app: hello,
    options: { tags: { tier: 'gold', version: 3 } },
    request: port => ask(port, '/hello'),
    expect({ span }) {
      assert.equal(span.tags.tier, 'gold')
      assert.equal(span.tags.version, 3)
    },
  }),
  row({
    id: 'R-DECORATE',
    title: 'decorateSpan: once at the start, once at the end, with the state of its phase',
    app: user,
    options: {
      decorateSpan(state) {
        state.span.setTag(
          `seen.${state.phase}`,
          state.phase === 'end' ? `${state.route} ${state.statusCode}` : state.path,
        )
      },
    },
    request: port => ask(port, '/users/1?x=1'),
    expect({ span }) {
      assert.equal(span.tags['seen.start'], '/users/1')
      assert.equal(span.tags['seen.end'], '/users/:id 200')
    },
  }),
  row({
    id: 'R-PRIORITY',
    title: 'samplingPriority: a start tag, so that the sampler sees it',
    app: hello,
    options: host => ({
      // biome-ignore lint/suspicious/noExplicitAny: each framework's own request
      samplingPriority: ({ request }: { request: any }) => (request.query.debug === 'true' ? 1 : undefined),
      decorateSpan: ({ span, phase }) => {
        if (phase === 'start')
          span.setTag('at.start', (span as RecordedSpan).tags['sampling.priority'] ?? 'none')
        assert.ok(host)
      },
    }),
    request: async port => {
      await ask(port, '/hello?debug=true')
      await ask(port, '/hello')
    },
    spans: 2,
    expect({ spans }) {
      assert.deepEqual(
        spans.map(span => span.tags['at.start']),
        [1, 'none'],
      )
    },
  }),
  row({
    id: 'R-PUBLIC',
    title: 'publicEndpoint: a new root that follows from the caller, without its baggage (F111)',
    app: { routes: [{ path: '/hello', handle: () => String(activeSpan()?.getBaggageItem('plan')) }] },
    options: { publicEndpoint: ({ path }) => path === '/hello' },
    request: port => ask(port, '/hello', { headers: { ...caller, 'uberctx-plan': 'gold' } }),
    expect({ span }, answer) {
      assert.notEqual(span.traceId, '0af7651916cd43dd8448eb211c80319c')
      assert.equal(span.parentId, undefined)
      assert.ok(
        span.references.some(({ type, spanId }) => type === 'follows_from' && spanId === 'b7ad6b7169203331'),
      )
      assert.equal(answer.body, 'undefined')
    },
  }),
  row({
    id: 'R-RESPONSE-HEADER',
    title: 'traceResponseHeader: the trace id on every response, error responses included',
    app: {
      routes: [
        ...hello.routes,
        {
          path: '/boom',
          handle: () => {
            throw new Error('boom')
          },
        },
      ],
    },
    options: { traceResponseHeader: 'X-Trace-Id' },
    request: async port => [await ask(port, '/hello'), await ask(port, '/boom'), await ask(port, '/nowhere')],
    spans: 3,
    expect({ spans }, answers) {
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 500, 404],
      )
      assert.deepEqual(
        answers.map(({ headers }) => headers['x-trace-id']),
        spans.map(span => span.traceId),
      )
    },
  }),
  row({
    id: 'R-ATTRIBUTES',
    title: 'tracedRequestAttributes: the same names give the same tags in every framework',
    app: {
      parses: true,
      user: { id: 7, admin: true, profile: { plan: 'gold' } },
      routes: [{ method: 'post', mount: '/tenants/:tenant', path: '/users/:id', handle: () => 'x' }],
    },
    options: {
      tracedRequestAttributes: [
        'URL',
        'METHOD',
        'headers.x-tenant',
        'HEADERS.X-Tenant=upper',
        'params.tenant',
        'params.id=user.param',
        'query.page',
        'user.id',
        'user.admin',
        'user.profile',
        'user.nothing.at.all',
        'body.order.id',
        'body.items',
        'nothing',
      ],
    },
    request: port =>
      ask(port, '/tenants/acme/users/9?page=2&api_key=k', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-tenant': 'acme' },
        body: '{"order":{"id":12},"items":[{"sku":"a","password":"p"}]}',
      }),
    expect({ span }) {
      const wanted = {
        URL: '/tenants/acme/users/9?page=2&api_key=REDACTED',
        METHOD: 'POST',
        'headers.x-tenant': 'acme',
        upper: 'acme',
        'params.tenant': 'acme',
        'user.param': '9',
        'query.page': '2',
        'user.id': 7,
        'user.admin': true,
        'user.profile': '{"plan":"gold"}',
        'body.order.id': 12,
        'body.items': '[{"sku":"a","password":"REDACTED"}]',
      }
      const got = Object.fromEntries(Object.keys(wanted).map(key => [key, span.tags[key]]))
      assert.deepEqual(got, wanted)
      assert.equal('user.nothing.at.all' in span.tags || 'nothing' in span.tags, false)
    },
  }),
  row({
    id: 'R-ATTRIBUTES-HEADERS',
    title: 'headers as a whole: credentials are redacted, unless named one by one (F107)',
    app: hello,
    options: { tracedRequestAttributes: ['HEADERS', 'headers.x-api-key'] },
    request: port =>
      ask(port, '/hello', {
        headers: {
          authorization: 'Bearer hush',
          'proxy-authorization': 'Basic hush',
          cookie: 'sid=hush',
          'x-api-key': 'mine',
          'x-auth-token': 'hush',
          accept: 'text/plain',
        },
      }),
    expect({ span }) {
      const headers = JSON.parse(String(span.tags.HEADERS))
      assert.equal(headers.accept, 'text/plain')
      assert.equal(headers.authorization, 'REDACTED')
      assert.equal(headers['x-api-key'], 'REDACTED')
      assert.equal(JSON.stringify(span.tags).includes('hush'), false)
      assert.equal(span.tags['headers.x-api-key'], 'mine')
    },
  }),
  row({
    id: 'R-REDACT-URL',
    title: 'secrets in the URL never reach a tag (F105, F106)',
    app: hello,
    options: { secretKeys: ['iban'] },
    request: port =>
      ask(
        port,
        '/hello?access_token=hush&Code=hush&state=hush&X-Amz-Signature=hush&user%5Bpassword%5D=hush&IBAN=hush&zip_code=ok&next=https%3A%2F%2Fu%3Ahush%40h%2F&page=1',
      ),
    expect({ span }) {
      const url = String(span.tags['http.url'])
      assert.equal(JSON.stringify(span.tags).includes('hush'), false)
      assert.match(url, /access_token=REDACTED&/)
      assert.match(url, /zip_code=ok&next=REDACTED&page=1$/)
    },
  }),
]
