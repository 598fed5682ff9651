// Whatever is thrown: it reaches the app unchanged, and the span says so.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, raw } from '../support/client.ts'
import { CLOSE, GET, logged, type Row, row, statusIn } from './row.ts'

const failures: [id: string, thrown: unknown, kind: string][] = [
  ['error', new Error('boom'), 'Error'],
  ['type error', new TypeError('not a function'), 'TypeError'],
  ['a string', 'just text', 'string'],
  ['an object', { message: 'an object' }, 'object'],
]

/** A thrown object that nobody can look at. */
function unreadable(): object {
  const fail = () => {
    throw new Error('a getter of the app')
  }
  const keys = [
    'message',
    'name',
    'stack',
    'code',
    'status',
    'statusCode',
    'cause',
    'type',
    'toString',
    'toJSON',
  ]
  return Object.defineProperties(
    {},
    Object.fromEntries(keys.map(key => [key, { get: fail, enumerable: true }])),
  )
}

export const failureRows: Row[] = [
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
  ...([undefined, null] as const).flatMap(thrown =>
    [false, true].map(later =>
      row({
        id: `R-THROW-${String(thrown).toUpperCase()}${later ? '-LATER' : ''}`,
        title: `${later ? 'a rejection with' : 'a thrown'} ${thrown}: what the framework makes of it, on one span (F063)`,
        app: {
          routes: [
            {
              path: '/boom',
              handle: later
                ? async () => {
                    throw thrown
                  }
                : () => {
                    throw thrown
                  },
            },
          ],
        },
        // Koa answers nothing at all to those.
        request: (port, { component }) =>
          raw(port, GET('/boom', CLOSE), undefined, component === 'koa' ? 60 : 2000),
        unchanged: true,
        expect({ span }, bytes) {
          const status = statusIn(bytes)
          assert.equal(span.tags['http.status_code'], status || undefined)
          assert.equal(span.tags.error, status === 404 ? undefined : true)
        },
      }),
    ),
  ),
  row({
    id: 'R-THROW-GETTERS',
    title: 'a thrown object whose every getter throws: no second error (F063)',
    app: {
      routes: [
        {
          path: '/boom',
          handle: () => {
            throw unreadable()
          },
        },
      ],
      onError: () => ({ status: 500, body: 'handled' }),
    },
    request: port => raw(port, GET('/boom', CLOSE), undefined, 500),
    unchanged: true,
    expect({ span }, bytes) {
      assert.equal(statusIn(bytes), 500)
      assert.equal(span.tags.error, true)
      assert.equal(logged(span, 'error')?.['error.kind'], 'object')
    },
  }),
  row({
    id: 'R-THROW-AFTER-HEADERS',
    title: 'an error after the headers: the status that was sent, and the error (F064)',
    app: {
      routes: [
        {
          path: '/late',
          handle: ({ res, takeOver }) => {
            takeOver()
            res.writeHead(200, { 'content-type': 'text/plain' }).write('part')
            throw new Error('too late')
          },
        },
      ],
    },
    request: port => raw(port, GET('/late', CLOSE), /part\r\n/),
    unchanged: true,
    expect({ span }, bytes) {
      assert.equal(statusIn(bytes), 200)
      assert.equal(span.tags['http.status_code'], 200)
      assert.equal(span.tags.aborted, 'during response')
      assert.equal(span.tags.error, true)
      assert.equal(logged(span, 'error')?.message, 'too late')
    },
  }),
  row({
    id: 'R-THROW-AFTER-END',
    title: 'an error after the end of the response: the answer stays, one span, nothing reported (F064)',
    app: {
      routes: [
        {
          path: '/late',
          handle: ({ res }) => {
            res.writeHead(200, { 'content-type': 'text/plain' }).end('answered')
            throw new Error('too late')
          },
        },
      ],
    },
    request: port => raw(port, GET('/late', CLOSE), undefined, 500),
    unchanged: true,
    expect({ span }, bytes) {
      assert.equal(statusIn(bytes), 200)
      assert.equal(span.tags['http.status_code'], 200)
      assert.equal('aborted' in span.tags, false)
    },
  }),
  row({
    id: 'R-THROW-MOUNTED',
    title: 'an error behind mounted routers: the whole template and its parameters all the same (F062)',
    app: {
      routes: [
        {
          mount: ['/tenants/:tenant', '/teams/:team'],
          path: '/users/:id',
          handle: () => {
            throw new Error('boom')
          },
        },
      ],
    },
    options: { tracedRequestAttributes: ['params.tenant', 'params.team', 'params.id'] },
    request: port => ask(port, '/tenants/42/teams/8/users/7'),
    expect({ span }) {
      assert.equal(span.operationName, 'GET /tenants/:tenant/teams/:team/users/:id')
      const { 'params.tenant': tenant, 'params.team': team, 'params.id': id } = span.tags
      assert.deepEqual([tenant, team, id], ['42', '8', '7'])
      assert.equal(logged(span, 'error')?.message, 'boom')
    },
  }),
]
