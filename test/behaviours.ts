// The behaviour table: what one life of a request must look like, the same in every framework. One row, one promise;
// ids never change. test/server.test.ts runs each row on each host, on real sockets.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns'
import { stat } from 'node:fs'
import { PassThrough, pipeline, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzip } from 'node:zlib'
import { activeSpan, getSpan, type ServerTracingOptions, withSpan } from '../src/core/index.ts'
import type { RecordedSpan, RecordingTracer } from '../src/testing/index.ts'
import { type Answer, ask, leave, raw } from './client.ts'
import type { At, Host, SampleApp } from './hosts/sample.ts'

export interface Seen {
  /** Server spans, in the order of their start. */
  spans: RecordedSpan[]
  /** The first server span. */
  span: RecordedSpan
  /** Every span, those of the app's own work included. */
  all: readonly RecordedSpan[]
  host: Host
  port: number
  tracer: RecordingTracer
}

export interface Row<Got = unknown> {
  id: string
  title: string
  app: SampleApp | ((host: Host) => SampleApp)
  // biome-ignore lint/suspicious/noExplicitAny: callbacks get each framework's own request
  options?: ServerTracingOptions<any> | ((host: Host) => ServerTracingOptions<any>)
  request(port: number, host: Host): Promise<Got>
  /** How many server spans there must be. @default 1 */
  spans?: number
  expect(seen: Seen, got: Got): void | Promise<void>
}

const row = <Got>(definition: Row<Got>): Row => definition as Row

const hello: SampleApp = { routes: [{ path: '/hello', handle: () => 'hello' }] }
const user: SampleApp = { routes: [{ path: '/users/:id', handle: () => ({ ok: true }) }] }
const caller = { 'uber-trace-id': '0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1' }
const GET = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`

function names(seen: Seen): string[] {
  return seen.spans.map(span => span.operationName)
}

function logged(span: RecordedSpan, event: string): Record<string, unknown> | undefined {
  return span.logs.find(log => log.fields.event === event)?.fields
}

const failures: [id: string, thrown: unknown, kind: string][] = [
  ['error', new Error('boom'), 'Error'],
  ['type error', new TypeError('not a function'), 'TypeError'],
  ['a string', 'just text', 'string'],
  ['an object', { message: 'an object' }, 'object'],
]

export const rows: Row[] = [
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
    id: 'R-MOUNT-TEMPLATE',
    title: 'a mounted prefix with a parameter is in the name as a template, never as an id',
    app: { routes: [{ mount: '/tenants/:tenant', path: '/users/:id', handle: () => 'x' }] },
    request: port => ask(port, '/tenants/42/users/7'),
    expect(seen) {
      assert.deepEqual(names(seen), ['GET /tenants/:tenant/users/:id'])
      assert.equal(seen.span.tags['http.route'], '/tenants/:tenant/users/:id')
    },
  }),
  row({
    id: 'R-MOUNT-SAME-TEXT',
    title: 'a parameter with the same text as a literal segment of its prefix is told apart',
    app: { routes: [{ mount: '/42/:tenant', path: '/:id', handle: () => 'x' }] },
    request: port => ask(port, '/42/42/42'),
    expect(seen) {
      assert.deepEqual(names(seen), ['GET /42/:tenant/:id'])
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
  ...failures.flatMap(([what, thrown, kind]) =>
    [false, true].map(later =>
      row({
        id: `R-THROW-${what.toUpperCase().replace(/\W+/g, '-')}${later ? '-LATER' : ''}`,
        title: `${later ? 'a rejection' : 'a throw'} (${what}): error=true, logged, passed on (F062, F063)`,
        app: {
          routes: [
            {
              path: '/boom',
              handle: later
                ? async () => {
                    await sleep(1)
                    throw thrown
                  }
                : () => {
                    throw thrown
                  },
            },
          ],
        },
        request: port => ask(port, '/boom'),
        expect({ span }, answer) {
          assert.equal(answer.status, 500)
          assert.equal(span.operationName, 'GET /boom')
          assert.equal(span.tags['http.status_code'], 500)
          assert.equal(span.tags.error, true)
          const log = logged(span, 'error')
          assert.equal(log?.['error.kind'], kind)
          const message =
            thrown instanceof Error ? thrown.message : ((thrown as { message?: string }).message ?? thrown)
          assert.equal(log?.message, message)
          if (thrown instanceof Error) {
            assert.equal(log?.['error.object'], thrown)
            assert.equal(log?.stack, thrown.stack)
          }
        },
      }),
    ),
  ),
  row({
    id: 'R-THROW-OWN-HANDLER',
    title: "the app's own error handler gets the very error, once, and its answer is the span's status",
    app: () => {
      const error = new Error('mine')
      return {
        routes: [
          {
            path: '/boom',
            handle: () => {
              throw error
            },
          },
        ],
        onError: got => ({ status: 503, body: got === error ? 'the very error' : 'another error' }),
      }
    },
    request: port => ask(port, '/boom'),
    expect({ span }, answer) {
      assert.equal(answer.body, 'the very error')
      assert.equal(span.tags['http.status_code'], 503)
      assert.equal(span.tags.error, true)
      assert.equal(logged(span, 'error')?.message, 'mine')
    },
  }),
  row({
    id: 'R-THROWN-404',
    title: 'a thrown 404 is no error',
    app: {
      routes: [
        {
          path: '/missing',
          handle: () => {
            throw Object.assign(new Error('no such thing'), { status: 404, statusCode: 404, expose: true })
          },
        },
      ],
    },
    request: port => ask(port, '/missing'),
    expect({ span }, answer) {
      assert.equal(answer.status, 404)
      assert.equal(span.tags['http.status_code'], 404)
      assert.equal('error' in span.tags, false)
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
    id: 'R-ABORT-BEFORE',
    title: 'a client that leaves before the answer: ended at once, says so, claims no status (F059)',
    app: { routes: [{ path: '/hang', handle: () => new Promise(() => {}) }] },
    request: port => leave(port, GET('/hang'), { afterMs: 60 }),
    expect({ span }) {
      assert.equal(span.operationName, 'GET /hang')
      assert.equal(span.tags.aborted, 'before response')
      assert.equal('http.status_code' in span.tags, false)
      assert.equal(logged(span, 'aborted')?.message, 'the connection closed before the response was sent')
      const took = (span.finishTime as number) - span.startTime
      assert.ok(took >= 30 && took < 1000, `took ${took} ms`)
    },
  }),
  row({
    id: 'R-ABORT-DURING',
    title: 'a client that leaves in the middle of the body: says so, keeps the status that was sent (F060)',
    app: {
      routes: [
        {
          path: '/stream',
          handle: () => {
            async function* slowly() {
              for (let i = 0; i < 100; i++) {
                yield 'x'.repeat(1000)
                await sleep(5)
              }
            }
            return { stream: Readable.from(slowly()), headers: { 'content-type': 'text/plain' } }
          },
        },
      ],
    },
    request: port => leave(port, GET('/stream'), { afterBytes: 2000 }),
    expect({ span }) {
      assert.equal(span.tags.aborted, 'during response')
      assert.equal(span.tags['http.status_code'], 200)
      assert.equal(logged(span, 'aborted')?.message, 'the connection closed before the response was complete')
    },
  }),
  row({
    id: 'R-STREAM-TIME',
    title: 'the time of a streamed body is inside the span (F076)',
    app: {
      routes: [
        {
          path: '/stream',
          handle: () => {
            async function* slowly() {
              for (let i = 0; i < 4; i++) {
                yield 'chunk'
                await sleep(25)
              }
            }
            return { stream: Readable.from(slowly()), headers: { 'content-type': 'text/plain' } }
          },
        },
      ],
    },
    request: port => ask(port, '/stream'),
    expect({ span }, answer) {
      assert.equal(answer.body, 'chunk'.repeat(4))
      const took = (span.finishTime as number) - span.startTime
      assert.ok(took >= 70, `took ${took} ms`)
      assert.equal('aborted' in span.tags, false)
    },
  }),
  row({
    id: 'R-TWICE',
    title: 'mounted twice (app and router): still one span (F077)',
    app: { tracing: 'twice', routes: [{ mount: '/api', path: '/users/:id', handle: () => 'x' }] },
    request: port => ask(port, '/api/users/1'),
    expect({ all, span }) {
      assert.equal(all.length, 1)
      assert.equal(span.operationName, 'GET /api/users/:id')
      assert.equal(span.finishCount, 1)
    },
  }),
  row({
    id: 'R-ON-ROUTE',
    title: 'mounted on routes alone: those are traced as on the app',
    app: { tracing: 'routes', routes: [{ mount: '/api', path: '/users/:id', handle: () => 'x' }] },
    request: async port => {
      await ask(port, '/elsewhere')
      return ask(port, '/api/users/1')
    },
    expect(seen) {
      assert.deepEqual(names(seen), ['GET /api/users/:id'])
    },
  }),
  row({
    id: 'R-ACTIVE',
    title: 'activeSpan() and getSpan() give the span of the request, also behind body parsing',
    app: {
      parses: true,
      routes: [
        {
          method: 'post',
          path: '/orders',
          handle: async ({ request, req, body }) => {
            const before = activeSpan()
            await sleep(1)
            const same = before !== undefined && activeSpan() === before
            return { same, fromRequest: getSpan(request) === before, fromRaw: getSpan(req) === before, body }
          },
        },
      ],
    },
    request: port =>
      ask(port, '/orders', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"id":1}',
      }),
    expect(_seen, answer) {
      assert.deepEqual(JSON.parse(answer.body), {
        same: true,
        fromRequest: true,
        fromRaw: true,
        body: { id: 1 },
      })
    },
  }),
  row({
    id: 'R-ACTIVE-SPLIT-BODY',
    title: 'the span is active behind a body that comes in two pieces',
    app: {
      parses: true,
      routes: [
        { method: 'post', path: '/orders', handle: ({ req }) => ({ same: activeSpan() === getSpan(req) }) },
      ],
    },
    async request(port) {
      const { connect } = await import('node:net')
      return new Promise<string>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1')
        let text = ''
        socket.on('data', chunk => {
          text += chunk
          if (text.includes('}')) socket.end()
        })
        socket.on('close', () => resolve(text))
        socket.on('error', reject)
        const head =
          'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n'
        socket.write(`${head}{"id"`)
        setTimeout(() => socket.write(':1}'), 40)
      })
    },
    expect(_seen, text) {
      assert.match(text, /"same":true/)
    },
  }),
  row({
    id: 'R-EVENTS',
    title: 'the span is active in the events of request and response, streams and their ends (F085, F087)',
    app: () => {
      const active: Record<string, boolean> = {}
      const see = (name: string) => () => {
        active[name] = activeSpan() !== undefined
      }
      return {
        routes: [
          {
            path: '/events',
            handle: async ({ req, res }: At) => {
              req.on('end', see('request end')).resume()
              res.on('finish', see('response finish'))
              pipeline(Readable.from(['a']), new PassThrough().resume(), see('pipeline'))
              setTimeout(see('timer'), 1)
              setImmediate(see('immediate'))
              process.nextTick(see('tick'))
              queueMicrotask(see('microtask'))
              stat('.', see('fs'))
              randomBytes(8, see('crypto'))
              gzip('x', see('zlib'))
              lookup('127.0.0.1', see('dns'))
              await sleep(20)
              return 'x'
            },
          },
          { path: '/active', handle: () => active },
        ],
      }
    },
    async request(port) {
      await ask(port, '/events')
      await sleep(10)
      return JSON.parse((await ask(port, '/active')).body)
    },
    spans: 2,
    expect(_seen, active) {
      const names = [
        'request end',
        'response finish',
        'pipeline',
        'timer',
        'immediate',
        'tick',
        'microtask',
      ]
      assert.deepEqual(
        Object.entries(active).filter(([, seen]) => !seen),
        [],
      )
      assert.deepEqual(Object.keys(active).sort(), [...names, 'fs', 'crypto', 'zlib', 'dns'].sort())
    },
  }),
  row({
    id: 'R-GET-SPAN-LATE',
    title: 'getSpan() still answers while the response is being finished, and no longer once it has ended',
    app: () => {
      const found: unknown[] = []
      return {
        routes: [
          {
            path: '/late',
            handle: ({ req, res }: At) => {
              res.on('finish', () => found.push(getSpan(req) !== undefined))
              res.on('close', () => setImmediate(() => found.push(getSpan(req) !== undefined)))
              return 'x'
            },
          },
          { path: '/found', handle: () => found },
        ],
      }
    },
    async request(port) {
      await ask(port, '/late')
      await sleep(20)
      return ask(port, '/found')
    },
    spans: 2,
    expect(_seen, answer) {
      assert.deepEqual(JSON.parse(answer.body), [true, false])
    },
  }),
  row({
    id: 'R-CHILDREN',
    title: 'withSpan in a handler is a child of the request; after the end of the request it follows from it',
    app: {
      routes: [
        {
          path: '/work',
          handle: async ({ res }) => {
            await withSpan('inside', () => sleep(1))
            res.on('close', () => setTimeout(() => withSpan('afterwards', () => {}), 5))
            return 'done'
          },
        },
      ],
    },
    request: async port => {
      await ask(port, '/work')
      await sleep(40)
    },
    expect({ all, span }) {
      const inside = all.find(({ operationName }) => operationName === 'inside')
      const afterwards = all.find(({ operationName }) => operationName === 'afterwards')
      assert.equal(inside?.parentId, span.spanId)
      assert.deepEqual(afterwards?.references, [
        { type: 'follows_from', traceId: span.traceId, spanId: span.spanId },
      ])
      assert.equal(afterwards?.traceId, span.traceId)
    },
  }),
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
    app: { routes: [{ path: '/file', handle: () => ({ file: process.execPath }) }] },
    request: async port => (await raw(port, GET('/file', 'Connection: close\r\n'), undefined, 20_000)).length,
    expect({ span }, length) {
      assert.ok(length > 10_000_000)
      assert.equal(span.tags['http.status_code'], 200)
      assert.equal('aborted' in span.tags, false)
    },
  }),
  row({
    id: 'R-KEEP-ALIVE',
    title: 'a second request on the same socket starts afresh (F070)',
    app: hello,
    request: port =>
      raw(
        port,
        GET('/hello', `uber-trace-id: ${caller['uber-trace-id']}\r\n`) +
          GET('/hello', 'Connection: close\r\n'),
      ),
    spans: 2,
    expect({ spans }) {
      assert.equal(spans[0]?.traceId, '0af7651916cd43dd8448eb211c80319c')
      assert.notEqual(spans[1]?.traceId, spans[0]?.traceId)
      assert.equal(spans[1]?.parentId, undefined)
    },
  }),
  row({
    id: 'R-PIPELINED',
    title: 'pipelined requests: each its own span and trace, answers in order (F071)',
    app: {
      routes: [
        {
          path: '/n/:n',
          handle: async ({ req }: At) => {
            // The first answers last: order is Node's to keep, and spans must not be mixed up by it.
            await sleep(req.url === '/n/1' ? 30 : 1)
            return (activeSpan() as RecordedSpan).traceId
          },
        },
      ],
    },
    request: port =>
      raw(
        port,
        [1, 2, 3]
          .map(n =>
            GET(
              `/n/${n}`,
              `uber-trace-id: ${String(n).repeat(32)}:1:0:1\r\n${n === 3 ? 'Connection: close\r\n' : ''}`,
            ),
          )
          .join(''),
      ),
    spans: 3,
    expect({ spans }, text) {
      assert.deepEqual(
        spans.map(span => span.traceId),
        ['1', '2', '3'].map(digit => digit.repeat(32)),
      )
      assert.deepEqual(
        [...text.matchAll(/(\d)\1{31}/g)].map(([id]) => id),
        ['1', '2', '3'].map(digit => digit.repeat(32)),
      )
    },
  }),
]

export type { Answer }
