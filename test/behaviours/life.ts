// When a span ends: with the response or its connection, once, whoever ends it and how.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import inject from 'light-my-request'
import { getSpan } from '../../src/core/server/index.ts'
import type { RecordedSpan } from '../../src/testing/index.ts'
import type { At } from '../hosts/sample.ts'
import { ask, eventually, leave, raw } from '../support/client.ts'
import { CALLER_ID, CLOSE, caller, GET, logged, type Row, row, statusIn, user } from './row.ts'

export const lifeRows: Row[] = [
  row({
    id: 'R-ABORT-BEFORE',
    title: 'a client that leaves before the answer: ended at once, says so, claims no status (F059)',
    app: { routes: [{ path: '/hang', handle: () => new Promise(() => {}) }] },
    request: (port, _host, { tracer }) =>
      leave(port, GET('/hang'), { once: () => Date.now() - (tracer.spans[0]?.startTime ?? Infinity) >= 40 }),
    expect({ span }) {
      assert.equal(span.operationName, 'GET /hang')
      assert.equal(span.tags.aborted, 'before response')
      assert.equal('http.status_code' in span.tags || 'error' in span.tags, false)
      assert.equal(logged(span, 'aborted')?.message, 'the connection closed before the response was sent')
      const took = (span.finishTime as number) - span.startTime
      assert.ok(took >= 30, `took ${took} ms`)
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
      assert.equal('error' in span.tags, false)
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
  ...[false, true].map(answered =>
    row({
      id: answered ? 'R-ABORT-UPLOAD-ANSWERED' : 'R-ABORT-UPLOAD',
      title: `a client that leaves in the middle of its upload${answered ? ', answered by an own error handler' : ''}: before the response (F060)`,
      app: {
        parses: true,
        routes: [{ method: 'post', path: '/orders', handle: () => 'never' }],
        ...(answered ? { onError: () => ({ status: 400, body: 'half an order' }) } : {}),
      },
      request: (port, _host, { tracer }) =>
        leave(
          port,
          'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a"',
          { once: () => tracer.spans.length > 0 },
        ),
      expect({ span }) {
        assert.equal(span.tags.aborted, 'before response')
        assert.equal('http.status_code' in span.tags, false)
      },
    }),
  ),
  row({
    id: 'R-ABORT-AFTER-END',
    title:
      'a client that leaves while the rest of a large body is on its way: told by the socket alone (F060)',
    app: { routes: [{ path: '/large', handle: () => 'x'.repeat(20_000_000) }] },
    request: port => leave(port, GET('/large'), { afterBytes: 1000 }),
    expect({ span }) {
      assert.equal(span.tags.aborted, 'during response')
      assert.equal(span.tags['http.status_code'], 200)
    },
  }),
  ...(['response', 'socket'] as const).flatMap(what =>
    (['before response', 'during response'] as const).map(when =>
      row({
        id: `R-DESTROY-${what}-${when === 'before response' ? 'BEFORE' : 'DURING'}`.toUpperCase(),
        title: `a server that destroys the ${what} itself, ${when} (F061)`,
        app: {
          routes: [
            {
              path: '/destroy',
              handle: ({ req, res }) => {
                const destroy = () => (what === 'response' ? res : req.socket).destroy()
                if (when === 'before response') destroy()
                else res.writeHead(200, { 'content-length': '100' }).write('part', destroy)
                return { raw: true }
              },
            },
          ],
        },
        request: port => raw(port, GET('/destroy')),
        unchanged: true,
        expect({ span }, bytes) {
          assert.equal(span.tags.aborted, when)
          assert.equal(span.tags['http.status_code'], statusIn(bytes) || undefined)
          assert.equal('error' in span.tags, false)
        },
      }),
    ),
  ),
  row({
    id: 'R-NEVER',
    title: 'handlers that never answer: their spans end when the server lets go of its connections (F066)',
    app: { routes: [{ path: '/hang', handle: () => new Promise(() => {}) }] },
    async request(port, _host, { server, tracer, patience }) {
      const cut = [1, 2, 3].map(() => raw(port, GET('/hang')))
      await eventually(() => tracer.spans.length === 3, 'three requests that hang', patience)
      assert.equal(tracer.finishedSpans.length, 0)
      server.closeAllConnections()
      await Promise.all(cut)
    },
    spans: 3,
    expect({ spans }) {
      for (const span of spans) assert.equal(span.tags.aborted, 'before response')
    },
  }),
  ...(['end twice', 'write after end'] as const).map(what =>
    row({
      id: `R-${what.toUpperCase().replaceAll(' ', '-')}`,
      title: `${what}: one span, and the errors that there are without tracing (F067)`,
      app: () => {
        const errors: unknown[] = []
        return {
          routes: [
            {
              path: '/wrong',
              handle: ({ res }: At) => {
                const note = (error?: Error | null) => errors.push((error as { code?: string })?.code)
                res.on('error', note)
                res.writeHead(200, { 'content-type': 'text/plain' }).end('first')
                if (what === 'end twice') res.end('second', note as () => void)
                else res.write('second', note)
                return { raw: true }
              },
            },
            { path: '/errors', handle: () => errors },
          ],
        }
      },
      async request(port) {
        const answer = await ask(port, '/wrong')
        await eventually(
          async () => JSON.parse((await ask(port, '/errors')).body).length > 0,
          'an error for the app',
        )
        return [answer, await ask(port, '/errors')]
      },
      spans: 3,
      unchanged: true,
      expect({ span }) {
        assert.equal(span.tags['http.status_code'], 200)
        assert.equal('aborted' in span.tags, false)
      },
    }),
  ),
  row({
    id: 'R-ONCE',
    title: 'finish and close both fire: the span is finished once, by the last (F068)',
    app: () => {
      const events: string[] = []
      return {
        routes: [
          {
            path: '/events',
            handle: ({ res }: At) => {
              for (const event of ['finish', 'close']) {
                res.prependListener(event, () => {
                  events.push(`${event}: ${(getSpan(res as never) as RecordedSpan | undefined)?.finishCount}`)
                })
              }
              return 'x'
            },
          },
          { path: '/seen', handle: () => events },
        ],
      }
    },
    async request(port) {
      await ask(port, '/events')
      return JSON.parse((await ask(port, '/seen')).body)
    },
    spans: 2,
    expect(_seen, events) {
      assert.deepEqual(events, ['finish: 0', 'close: 0'])
    },
  }),
  row({
    id: 'R-INJECT',
    title: 'a response of a test double (light-my-request): ended, complete, named (F069)',
    app: user,
    async request(_port, _host, { server }) {
      const dispatch: inject.DispatchFunc = (req, res) => void server.emit('request', req, res)
      return (await inject(dispatch, { url: '/users/7', headers: caller })).statusCode
    },
    expect({ span }, status) {
      assert.equal(status, 200)
      assert.equal(span.operationName, 'GET /users/:id')
      assert.equal(span.parentId, CALLER_ID)
      assert.equal(span.tags['http.status_code'], 200)
      assert.equal('aborted' in span.tags, false)
    },
  }),
  row({
    id: 'R-SSE',
    title: 'server-sent events: the span is open until the client leaves (F076)',
    app: {
      routes: [
        {
          path: '/events',
          handle: ({ res }) => {
            res.writeHead(200, { 'content-type': 'text/event-stream' })
            const timer = setInterval(() => res.write('data: x\n\n'), 5)
            res.on('close', () => clearInterval(timer))
            return { raw: true }
          },
        },
      ],
    },
    async request(port, _host, { tracer }) {
      let open: number | undefined
      await leave(port, GET('/events'), { afterBytes: 300 }).finally(() => {
        open = tracer.spans.length - tracer.finishedSpans.length
      })
      return open
    },
    expect({ span }, open) {
      assert.equal(open, 1)
      assert.equal(span.tags.aborted, 'during response')
      assert.equal(span.tags['http.status_code'], 200)
    },
  }),
  ...(['before its first chunk', 'after its first chunk'] as const).map(when =>
    row({
      id: `R-STREAM-ERROR-${when === 'before its first chunk' ? 'BEFORE' : 'DURING'}`,
      title: `a body stream that fails ${when}: ended once, and told as it went (F080)`,
      app: {
        routes: [
          {
            path: '/stream',
            handle: () => {
              async function* failing() {
                if (when === 'after its first chunk') yield 'chunk'
                await sleep(5)
                throw Object.assign(new Error('the source failed'), { stack: 'Error: the source failed' })
              }
              return { stream: Readable.from(failing()), headers: { 'content-type': 'text/plain' } }
            },
          },
        ],
      },
      // Koa 2 leaves the connection open.
      request: (port, { component }) =>
        raw(port, GET('/stream', CLOSE), undefined, component === 'koa' ? 300 : 2000),
      unchanged: true,
      expect({ span, host }, bytes) {
        const status = statusIn(bytes)
        assert.equal(span.tags['http.status_code'], status || undefined)
        if (status !== 500) {
          assert.equal(span.tags.aborted, status === 0 ? 'before response' : 'during response')
        }
        // An Express app pipes by itself; Fastify tells a failure in the middle of the body to its log alone.
        if (status === 500 || host.component === 'koa') {
          assert.equal(span.tags.error, true)
          assert.equal(logged(span, 'error')?.message, 'the source failed')
        }
      },
    }),
  ),
]
