// What Koa alone has: contexts, its error answer, koa-mount and koa-route beside @koa/router. What every framework has
// is a row of the behaviour table.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import Router from '@koa/router'
import type KoaType from 'koa'
import Koa3 from 'koa'
import mount from 'koa-mount'
import route from 'koa-route'
import Koa2 from 'koa2'
import { activeSpan } from '../../src/core/scope.ts'
import { getSpan } from '../../src/core/server/index.ts'
import { type ServerTracingOptions, tracingMiddleware } from '../../src/koa/index.ts'
import { type RecordedSpan, recordingTracer } from '../../src/testing/index.ts'
import { serving } from '../hosts/serve.ts'
import { leave } from '../support/client.ts'

const majors: [name: string, Koa: typeof KoaType][] = [
  ['Koa 3', Koa3],
  ['Koa 2', Koa2 as never],
]

type Build = (app: KoaType, Koa: typeof KoaType) => unknown

const ok = (ctx: KoaType.Context): void => {
  ctx.body = 'ok'
}

async function trace(
  Koa: typeof KoaType,
  build: Build,
  paths: string | string[],
  options: ServerTracingOptions<KoaType.Context> = {},
): Promise<{ spans: RecordedSpan[]; names: string[]; statuses: number[] }> {
  const tracer = recordingTracer()
  const app = new Koa()
  app.silent = true
  app.use(tracingMiddleware({ tracer, ...options }))
  build(app, Koa)
  const statuses: number[] = []
  const spans = await serving(tracer, app.callback(), async agent => {
    for (const path of [paths].flat()) statuses.push((await agent.get(path)).status)
  })
  return { spans, names: spans.map(span => span.operationName), statuses }
}

function routed(app: KoaType, router: Router): KoaType {
  return app.use(router.routes() as never)
}

function mounted(prefix: string, app: KoaType | ReturnType<Router['routes']>): KoaType.Middleware {
  return mount(prefix, app as never) as KoaType.Middleware
}

/** Ways to lead a request to a route: what is asked, and the name that it must get. */
const ways: [title: string, build: Build, path: string, name: string][] = [
  [
    'a route that is added after app.use(router.routes())',
    app => {
      const router = new Router()
      routed(app, router)
      router.get('/users/:id', ok)
    },
    '/users/7',
    'GET /users/:id',
  ],
  [
    "a router's own prefix, with a parameter",
    app => routed(app, new Router({ prefix: '/tenants/:tenant' }).get('/users/:id', ok)),
    '/tenants/42/users/7',
    'GET /tenants/:tenant/users/:id',
  ],
  [
    'nested routers with prefixes of both kinds',
    app => {
      const inner = new Router({ prefix: '/c/:z' }).get('/users/:id', ok)
      const middle = new Router().use('/b/:y', inner.routes())
      routed(app, new Router({ prefix: '/a/:x' }).use(middle.routes()))
    },
    '/a/1/b/2/c/3/users/7',
    'GET /a/:x/b/:y/c/:z/users/:id',
  ],
  [
    'one router at two places, the second',
    app => {
      const inner = new Router().get('/users/:id', ok)
      routed(app, new Router().use('/a/:x', inner.routes()).use('/b/:y', inner.routes()))
    },
    '/b/1/users/7',
    'GET /b/:y/users/:id',
  ],
  [
    'an array of paths, the second',
    app => routed(app, new Router().get(['/one/:id', '/two/:id'], ok)),
    '/two/7',
    'GET /two/:id',
  ],
  [
    'a RegExp route',
    app => routed(app, new Router().get(/^\/item-(\d+)$/, ok)),
    '/item-7',
    'GET ^\\/item-(\\d+)$',
  ],
  ['router.all', app => routed(app, new Router().all('/all/:id', ok)), '/all/7', 'GET /all/:id'],
  [
    'a wildcard',
    app => routed(app, new Router().get('/files/{*path}', ok)),
    '/files/a/b',
    'GET /files/{*path}',
  ],
  [
    'a route that passes on to the next',
    app => {
      const router = new Router()
      router.get('/users/:id', (_ctx, next) => next())
      router.get('/users/:name', ok)
      routed(app, router)
    },
    '/users/7',
    'GET /users/:name',
  ],
  [
    'koa-mount of a router',
    app => app.use(mounted('/api', new Router().get('/users/:id', ok).routes())),
    '/api/users/7',
    'GET /api/users/:id',
  ],
  [
    'koa-mount of an app in an app',
    (app, Koa) => {
      const inner = routed(new Koa(), new Router().get('/users/:id', ok))
      app.use(mounted('/a', new Koa().use(mounted('/b', inner))))
    },
    '/a/b/users/7',
    'GET /a/b/users/:id',
  ],
  [
    'koa-mount at the root of a mounted app',
    (app, Koa) => app.use(mounted('/api', routed(new Koa(), new Router().get('/', ok)))),
    '/api',
    'GET /api',
  ],
  [
    'koa-mount that passes on, then a route of the app',
    (app, Koa) => {
      app.use(mounted('/api', routed(new Koa(), new Router().get('/nothing/:id', ok))))
      routed(app, new Router().get('/api/users/:id', ok))
    },
    '/api/users/7',
    'GET /api/users/:id',
  ],
  [
    'koa-mount of a router with a prefix of the same text',
    (app, Koa) => app.use(mounted('/api', routed(new Koa(), new Router({ prefix: '/api' }).get('/:id', ok)))),
    '/api/api/7',
    'GET /api/api/:id',
  ],
  ['koa-route', app => app.use(route.get('/users/:id', ok)), '/users/7', 'GET /users/:id'],
  [
    'koa-route below koa-mount',
    (app, Koa) => app.use(mounted('/api', new Koa().use(route.get('/users/:id', ok)))),
    '/api/users/7',
    'GET /api/users/:id',
  ],
  ['no router at all', app => app.use(ok), '/users/7', 'GET'],
]

for (const [major, Koa] of majors) {
  describe(`${major}: the route in the name`, () => {
    for (const [title, build, path, name] of ways) {
      test(title, async () => {
        const { names, statuses } = await trace(Koa, build, path)
        assert.deepEqual(statuses, [200])
        assert.deepEqual(names, [name])
      })
    }

    test('405 and 501 of allowedMethods have no route', async () => {
      const tracer = recordingTracer()
      const app = new Koa()
      const router = new Router().get('/users/:id', ok)
      app.use(tracingMiddleware({ tracer }))
      routed(app, router).use(router.allowedMethods() as never)
      const spans = await serving(tracer, app.callback(), async agent => {
        await agent.put('/users/7').expect(405)
        await agent.propfind('/users/7').expect(501)
      })
      assert.deepEqual(
        spans.map(span => span.operationName),
        ['PUT', 'HTTP'],
      )
    })

    test('parameters of prefixes, of the route, and of ctx.state', async () => {
      const { spans } = await trace(
        Koa,
        app => {
          app.use((ctx, next) => {
            ctx.state.user = { id: 9 }
            return next()
          })
          routed(app, new Router({ prefix: '/tenants/:tenant' }).get('/users/:id', ok))
        },
        '/tenants/42/users/7?page=3',
        {
          tracedRequestAttributes: [
            'params.tenant',
            'params.id',
            'query.page',
            'user.id',
            'state.user.id',
            'host',
          ],
        },
      )
      const { host, ...tags } = spans[0]?.tags ?? {}
      assert.match(String(host), /^127\.0\.0\.1:\d+$/)
      assert.deepEqual(
        ['params.tenant', 'params.id', 'query.page', 'user.id', 'state.user.id'].map(name => tags[name]),
        ['42', '7', '3', 9, 9],
      )
    })
  })

  describe(`${major}: errors`, () => {
    test('F062: ctx.throw, a throw, a rejection: the very error at app.on("error"), once, behind an outer catch too', async () => {
      const mine = new Error('mine')
      for (const [fail, status] of [
        [
          () => {
            throw mine
          },
          500,
        ],
        [() => Promise.reject(mine), 500],
        [(ctx: KoaType.Context) => ctx.throw(mine as never), 500],
      ] as const) {
        const got: unknown[] = []
        const caught: unknown[] = []
        const { spans, statuses } = await trace(
          Koa,
          app => {
            app.on('error', (error, ctx) => got.push(error, getSpan(ctx) !== undefined))
            app.use(async (_ctx, next) => {
              try {
                await next()
              } catch (error) {
                caught.push(error)
                throw error
              }
            })
            app.use(fail as never)
          },
          '/boom',
        )
        assert.deepEqual(got, [mine, true])
        assert.deepEqual(caught, [mine])
        assert.deepEqual(statuses, [status])
        assert.equal(spans[0]?.logs[0]?.fields['error.object'], mine)
        assert.equal(spans[0]?.tags.error, true)
      }
    })

    test('ctx.throw(404) and ctx.assert are no errors of the service', async () => {
      const { spans, statuses } = await trace(
        Koa,
        app =>
          app.use(ctx => {
            if (ctx.path === '/a') ctx.throw(404, 'nobody')
            ;(ctx as { assert(...said: unknown[]): void }).assert(false, 401, 'who are you?')
          }),
        ['/a', '/b'],
      )
      assert.deepEqual(statuses, [404, 401])
      assert.deepEqual(
        spans.map(span => [span.tags['http.status_code'], span.tags.error]),
        [
          [404, undefined],
          [401, undefined],
        ],
      )
    })

    test('an error handler in front of tracing turns the error into its answer; the span has the error all the same', async () => {
      const tracer = recordingTracer()
      const app = new Koa()
      app.use(async (ctx, next) => {
        try {
          await next()
        } catch {
          ctx.status = 503
          ctx.body = 'sorry'
        }
      })
      app.use(tracingMiddleware({ tracer }))
      app.use(() => {
        throw new Error('boom')
      })
      const [span] = await serving(tracer, app.callback(), agent => agent.get('/').expect(503, 'sorry'))
      assert.equal(span?.logs[0]?.fields.message, 'boom')
      assert.deepEqual([span?.tags.error, span?.tags['http.status_code']], [true, 503])
    })

    test("Koa's error answer drops headers that were set before; the trace id's it keeps, and err.headers", async () => {
      for (const header of ['X-Trace-Id', 'traceresponse']) {
        const tracer = recordingTracer()
        const app = new Koa()
        app.silent = true
        app.use(tracingMiddleware({ tracer, traceResponseHeader: header }))
        app.use(ctx => {
          ctx.set('x-set-before', 'lost')
          throw Object.assign(new Error('boom'), { headers: { 'x-of-error': 'kept' } })
        })
        const spans = await serving(tracer, app.callback(), async agent => {
          const { headers, status } = await agent.get('/')
          assert.equal(status, 500)
          assert.deepEqual(
            [headers['x-set-before'], headers['x-of-error'], headers[header.toLowerCase()]],
            [undefined, 'kept', tracer.spans[0]?.traceId],
          )
        })
        assert.equal(spans.length, 1)
      }
    })

    test('F080: a custom ctx.onerror gets the very error, and answers', async () => {
      const mine = new Error('mine')
      const got: unknown[] = []
      const tracer = recordingTracer()
      const app = new Koa()
      app.context.onerror = function (this: KoaType.Context, error: unknown) {
        if (error == null) return
        got.push(error)
        this.res.statusCode = 418
        this.res.end('mine')
      }
      app.use(tracingMiddleware({ tracer, traceResponseHeader: 'x-trace-id' }))
      app.use(() => {
        throw mine
      })
      const [span] = await serving(tracer, app.callback(), async agent => {
        const { headers } = await agent.get('/').expect(418, 'mine')
        assert.equal(headers['x-trace-id'], tracer.spans[0]?.traceId)
      })
      assert.deepEqual(got, [mine])
      assert.deepEqual([span?.tags['http.status_code'], span?.logs.length], [418, 1])
    })

    test('F065: next() twice: one span, and the error of koa-compose', async () => {
      const { spans, statuses } = await trace(
        Koa,
        app => {
          app.use(async (_ctx, next) => {
            await next()
            await next()
          })
          app.use(ok)
        },
        '/',
      )
      assert.deepEqual(statuses, [500])
      assert.deepEqual(
        spans.map(span => [span.logs[0]?.fields.message, span.tags.error]),
        [['next() called multiple times', true]],
      )
    })
  })

  describe(`${major}: the life of a response`, () => {
    test('F080: ctx.respond = false: ended by the response that the app sends itself', async () => {
      const { spans, statuses } = await trace(
        Koa,
        app =>
          app.use(ctx => {
            ctx.respond = false
            setTimeout(() => {
              ctx.res.statusCode = 202
              ctx.res.end('later')
            }, 20)
          }),
        '/',
      )
      assert.deepEqual(statuses, [202])
      assert.equal(spans.length, 1)
      const [span] = spans as [RecordedSpan]
      assert.equal(span.tags['http.status_code'], 202)
      assert.ok((span.finishTime as number) - span.startTime >= 15)
    })

    test('F080: app.callback() twice: each serves and traces', async () => {
      const tracer = recordingTracer()
      const app = new Koa()
      app.use(tracingMiddleware({ tracer }))
      app.use(ok)
      const [first, second] = [app.callback(), app.callback()]
      await serving(tracer, first, agent => agent.get('/').expect(200))
      const spans = await serving(tracer, second, agent => agent.get('/').expect(200))
      assert.equal(spans.length, 2)
    })

    test('a client that leaves a streamed body makes no error of it', async () => {
      const tracer = recordingTracer()
      const app = new Koa()
      app.silent = true
      app.use(tracingMiddleware({ tracer }))
      app.use(ctx => {
        ctx.body = new Readable({
          read() {
            setTimeout(() => this.push('x'.repeat(1000)), 1)
          },
        })
      })
      const [span] = await serving(tracer, app.callback(), (_agent, port) =>
        leave(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', { afterBytes: 3000 }),
      )
      assert.deepEqual(
        [span?.tags.aborted, span?.tags.error, span?.logs.length],
        ['during response', undefined, 1],
      )
    })

    test('the span is active in the whole of the middleware, on the way down and back', async () => {
      const seen: boolean[] = []
      const { spans } = await trace(
        Koa,
        app => {
          app.use(async (ctx, next) => {
            seen.push(activeSpan() !== undefined)
            await next()
            seen.push(activeSpan() !== undefined && activeSpan() === getSpan(ctx))
          })
          app.use(async ctx => {
            await new Promise(resolve => setTimeout(resolve, 1))
            ok(ctx)
          })
        },
        '/',
      )
      assert.deepEqual(seen, [true, true])
      assert.equal(spans.length, 1)
    })
  })

  describe(`${major}: mounting`, () => {
    test('app.use(tracingMiddleware) without the call: a TypeError that says so, on the first request', async () => {
      const errors: unknown[] = []
      const app = new Koa()
      app.on('error', error => errors.push(error))
      app.use(tracingMiddleware as never)
      app.use(ok)
      await serving(recordingTracer(), app.callback(), agent => agent.get('/?token=hush').expect(500))
      assert.equal(errors.length, 1)
      assert.ok(errors[0] instanceof TypeError)
      assert.match(errors[0].message, /app\.use\(tracingMiddleware\(\)\), with the call/)
      assert.doesNotMatch(errors[0].message, /hush/)
    })

    test('F077: on the app and on a mounted app: one span, of the outer', async () => {
      const tracer = recordingTracer()
      const inner = new Koa().use(tracingMiddleware({ tracer, tags: { inner: true } }))
      const app = new Koa().use(tracingMiddleware({ tracer, tags: { outer: true } }))
      app.use(mounted('/api', routed(inner, new Router().get('/users/:id', ok))))
      const spans = await serving(tracer, app.callback(), agent => agent.get('/api/users/7').expect(200))
      assert.deepEqual(
        spans.map(span => [span.operationName, span.tags.outer, span.tags.inner]),
        [['GET /api/users/:id', true, undefined]],
      )
    })
  })
}

test('callbacks have the types of Koa', () => {
  const options: ServerTracingOptions<KoaType.Context> = {
    operationName: ({ request, statusCode }) => `${request.get('x-name')} ${statusCode?.toFixed()}`,
    ignore: [({ request }) => request.path === '/health', '/metrics'],
    samplingPriority: ({ request }) => (request.query.debug === 'true' ? 1 : undefined),
    decorateSpan: state => {
      state.span.setTag('ip', state.request.ip)
      if (state.phase === 'end') state.span.setTag('route', state.route ?? 'none')
      // @ts-expect-error: the status is not known at the start
      if (state.phase === 'start') state.statusCode
    },
  }
  tracingMiddleware(options)
  tracingMiddleware({ operationName: ({ request }) => request.state.name })
  // @ts-expect-error: a name is a string
  tracingMiddleware({ operationName: () => 7 })
  const middleware: KoaType.Middleware = tracingMiddleware()
  assert.equal(middleware.name, 'tracingMiddleware')
})
