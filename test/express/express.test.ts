// What Express alone has: its many ways to mount, its error handlers, its next(). What every framework has is a row of
// the behaviour table.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import type { Express, NextFunction, Request, RequestHandler, Response, Router } from 'express'
import express5 from 'express'
import express4 from 'express4'
import express50 from 'express50'
import mocks from 'node-mocks-http'
import Router20 from 'router20'
import { activeSpan } from '../../src/core/scope.ts'
import { getSpan } from '../../src/core/server/index.ts'
import {
  type ServerTracingOptions,
  tracingErrorMiddleware,
  tracingMiddleware,
} from '../../src/express/index.ts'
import { type RecordedSpan, recordingTracer } from '../../src/testing/index.ts'
import { serving } from '../hosts/serve.ts'
import { eventually } from '../support/client.ts'

/** As src/core/server/node-events.ts has it. */
const SET_PROTOTYPE_IS_SLOW = Number.parseInt(process.versions.node, 10) < 24

const majors: [name: string, express: typeof express5][] = [
  ['Express 5', express5],
  ['Express 5.0', express50 as never],
  ['Express 4', express4 as never],
]

const ok: RequestHandler = (_req, res) => {
  res.send('ok')
}

/** A traced app: made, asked at each path, and its spans. */
async function trace(
  express: typeof express5,
  build: (app: Express) => unknown,
  paths: string | string[],
  options: ServerTracingOptions<Request> = {},
): Promise<{ spans: RecordedSpan[]; names: string[]; statuses: number[]; bodies: string[] }> {
  const tracer = recordingTracer()
  const app = express()
  app.set('env', 'test')
  app.use(tracingMiddleware({ tracer, ...options }))
  build(app)
  app.use(tracingErrorMiddleware())
  const statuses: number[] = []
  const bodies: string[] = []
  const spans = await serving(tracer, app, async agent => {
    for (const path of [paths].flat()) {
      const { status, text } = await agent.get(path)
      statuses.push(status)
      bodies.push(text)
    }
  })
  return { spans, names: spans.map(span => span.operationName), statuses, bodies }
}

type Build = (app: Express, express: typeof express5) => unknown

function routerWith(express: typeof express5, path: string, handler: RequestHandler = ok): Router {
  return express.Router().get(path, handler)
}

/** Ways to lead a request to a route: what is asked, and the name that it must get. */
const ways: [title: string, build: Build, path: string, name: string][] = [
  [
    'a router in a router in a router, each with a parameter',
    (app, express) => {
      const b = express.Router().use('/b/:y', routerWith(express, '/d/:z'))
      app.use('/a/:x', b)
    },
    '/a/1/b/2/d/3',
    'GET /a/:x/b/:y/d/:z',
  ],
  [
    'a sub-app',
    (app, express) => app.use('/x', express().get('/users/:id', ok)),
    '/x/users/7',
    'GET /x/users/:id',
  ],
  [
    'a sub-app at a parameter',
    (app, express) => app.use('/tenants/:tenant', express().get('/users/:id', ok)),
    '/tenants/42/users/7',
    'GET /tenants/:tenant/users/:id',
  ],
  [
    'a router in a sub-app in a sub-app',
    (app, express) => {
      const inner = express().use('/c/:z', routerWith(express, '/users/:id'))
      app.use('/a/:x', express().use('/b/:y', inner))
    },
    '/a/1/b/2/c/3/users/7',
    'GET /a/:x/b/:y/c/:z/users/:id',
  ],
  [
    'a sub-app in a router, which does not know where it is',
    (app, express) => {
      const router = express.Router().use('/teams/:team', express().get('/users/:id', ok))
      app.use('/tenants/:tenant', router)
    },
    '/tenants/42/teams/8/users/7',
    'GET /*/users/:id',
  ],
  [
    'an array of mounts, the second',
    (app, express) => app.use(['/a/:x', '/b/:y'], routerWith(express, '/users/:id')),
    '/b/1/users/7',
    'GET /b/:y/users/:id',
  ],
  [
    'an array of route paths, the second',
    app => app.get(['/one/:id', '/two/:id'], ok),
    '/two/7',
    'GET /two/:id',
  ],
  ['a RegExp route', app => app.get(/^\/item-(\d+)$/, ok), '/item-7', 'GET ^\\/item-(\\d+)$'],
  [
    'a RegExp mount',
    (app, express) => app.use(/^\/v\d+/, routerWith(express, '/users/:id')),
    '/v2/users/7',
    'GET ^\\/v\\d+/users/:id',
  ],
  [
    'a router inside of a closure',
    (app, express) => {
      const router = routerWith(express, '/users/:id')
      app.use('/tenants/:tenant', (req, res, next) => router(req, res, next))
    },
    '/tenants/42/users/7',
    'GET /tenants/:tenant/users/:id',
  ],
  [
    'a router inside of a closure, with no prefix',
    (app, express) => {
      const router = routerWith(express, '/users/:id')
      app.use((req, res, next) => router(req, res, next))
    },
    '/users/7',
    'GET /users/:id',
  ],
  [
    'a mount inside of a closure',
    (app, express) => {
      const router = express.Router().use('/teams/:team', routerWith(express, '/users/:id'))
      app.use('/tenants/:tenant', (req, res, next) => router(req, res, next))
    },
    '/tenants/42/teams/8/users/7',
    'GET /tenants/:tenant/*/users/:id',
  ],
  [
    'one router at two places, the first',
    (app, express) => {
      const router = routerWith(express, '/users/:id')
      app.use('/a/:x', router)
      app.use('/', router)
    },
    '/a/1/users/7',
    'GET /a/:x/users/:id',
  ],
  [
    'one router at two places, the second',
    (app, express) => {
      const router = routerWith(express, '/users/:id')
      app.use('/', router)
      app.use('/a/:x', router)
    },
    '/a/1/users/7',
    'GET /a/:x/users/:id',
  ],
  [
    'a mounted router that passes on, then a route of the app',
    (app, express) => {
      app.use(
        '/api/:v',
        routerWith(express, '/users/:id', (_req, _res, next) => next()),
      )
      app.get('/api/:version/users/:user', ok)
    },
    '/api/1/users/7',
    'GET /api/:version/users/:user',
  ],
  [
    'middleware at a parameter, whose baseUrl is put back, then a route',
    app => {
      app.use('/api/:v', (_req, _res, next) => next())
      app.get('/api/:version/users/:user', ok)
    },
    '/api/1/users/7',
    'GET /api/:version/users/:user',
  ],
  [
    "next('route'), then another route",
    app => {
      app.get('/users/:id', (_req, _res, next) => next('route'))
      app.get('/users/:name', ok)
    },
    '/users/7',
    'GET /users/:name',
  ],
  [
    "next('router'), then another router",
    (app, express) => {
      app.use(
        '/a/:x',
        routerWith(express, '/users/:id', (_req, _res, next) => next('router')),
      )
      app.use('/a/:y', routerWith(express, '/users/:name'))
    },
    '/a/1/users/7',
    'GET /a/:y/users/:name',
  ],
  ['app.all', app => app.all('/all/:id', ok), '/all/7', 'GET /all/:id'],
  ['app.route', app => app.route('/books/:id').get(ok), '/books/7', 'GET /books/:id'],
  [
    'router.param',
    (app, express) => {
      const router = routerWith(express, '/users/:id')
      router.param('id', (_req, _res, next) => next())
      app.use('/tenants/:tenant', router)
    },
    '/tenants/42/users/7',
    'GET /tenants/:tenant/users/:id',
  ],
  [
    'mergeParams',
    (app, express) =>
      app.use('/tenants/:tenant', express.Router({ mergeParams: true }).get('/users/:id', ok)),
    '/tenants/42/users/7',
    'GET /tenants/:tenant/users/:id',
  ],
  [
    'another case',
    (app, express) => app.use('/Tenants/:tenant', routerWith(express, '/Users/:id')),
    '/TENANTS/AbC/users/7',
    'GET /Tenants/:tenant/Users/:id',
  ],
  ['middleware that answers, no route', app => app.use('/static', ok), '/static/logo-7.png', 'GET'],
  [
    'a URL that the app has rewritten',
    (app, express) => {
      app.use((req, _res, next) => {
        req.url = req.url.replace('/legacy', '/tenants/42')
        next()
      })
      app.use('/tenants/:tenant', routerWith(express, '/users/:id'))
    },
    '/legacy/users/7',
    'GET /tenants/:tenant/users/:id',
  ],
  ['an encoded slash in a parameter', app => app.get('/files/:name', ok), '/files/a%2Fb', 'GET /files/:name'],
]

for (const [major, express] of majors) {
  describe(`${major}: the route in the name`, () => {
    for (const [title, build, path, name] of ways) {
      test(title, async () => {
        const { names, statuses } = await trace(express, app => build(app, express), path)
        assert.deepEqual(statuses, [200])
        assert.deepEqual(names, [name])
      })
    }

    test('parameters of sub-apps, of routers and of the route', async () => {
      const names = ['params.tenant', 'params.team', 'params.id']
      const { spans } = await trace(
        express,
        app => {
          const router = routerWith(express, '/users/:id')
          app.use('/tenants/:tenant', express().use('/teams/:team', router))
        },
        '/tenants/a%20b/teams/8/users/7',
        { tracedRequestAttributes: names },
      )
      assert.deepEqual(
        names.map(name => spans[0]?.tags[name]),
        ['a b', '8', '7'],
      )
    })

    test('an error on each of these ways keeps the name, whatever was asked before', async () => {
      for (const [title, build, path, name] of ways) {
        // Nothing is left then that could tell where the sub-app is.
        if (title.includes('does not know')) continue
        let failing = false
        const options: ServerTracingOptions<Request> = { tracedRequestAttributes: ['params.id'] }
        const { spans, statuses } = await trace(
          express,
          app => {
            app.use((_req, res, next) => {
              const send = res.send.bind(res)
              res.send = body => {
                if (failing) throw new Error('boom')
                failing = true
                return send(body)
              }
              next()
            })
            build(app, express)
          },
          [path, path],
          options,
        )
        assert.deepEqual(statuses, [200, 500], title)
        const [good, bad] = spans
        assert.equal(good?.operationName, name, title)
        assert.equal(bad?.operationName, name, title)
        // Express puts params back too; what hides in a closure cannot be asked for them again.
        if (!title.includes('closure')) assert.equal(bad?.tags['params.id'], good?.tags['params.id'], title)
      }
    })
  })

  describe(`${major}: errors`, () => {
    test('F062: next(error), a throw, a rejection of Express 5: the very error, each handler once', async () => {
      const error = new Error('mine')
      for (const fail of [
        (_req: Request, _res: Response, next: NextFunction) => next(error),
        () => {
          throw error
        },
        async (_req: Request, _res: Response, next: NextFunction) => {
          await null
          if (major === 'Express 4') next(error)
          else throw error
        },
      ]) {
        const got: unknown[] = []
        const tracer = recordingTracer()
        const app = express()
        app.use(tracingMiddleware({ tracer }))
        app.get('/boom', fail)
        app.use(tracingErrorMiddleware())
        app.use((thrown: unknown, req: Request, res: Response, _next: NextFunction) => {
          got.push(thrown, getSpan(req) !== undefined && getSpan(req) === activeSpan())
          res.status(503).send('handled')
        })
        const [span] = await serving(tracer, app, agent => agent.get('/boom').expect(503, 'handled'))
        assert.deepEqual(got, [error, true])
        assert.equal(span?.tags.error, true)
        assert.equal(span?.logs[0]?.fields['error.object'], error)
      }
    })

    test('the order of error middleware: in front of the own handler it sees the error, behind it, none', async () => {
      const own = (_error: unknown, _req: Request, res: Response, _next: NextFunction) => {
        res.status(502).send('handled')
      }
      for (const [order, logs] of [
        [[tracingErrorMiddleware(), own], 1],
        [[own, tracingErrorMiddleware()], 0],
        [[own], 0],
        [[tracingErrorMiddleware(), tracingErrorMiddleware(), own], 1],
      ] as const) {
        const tracer = recordingTracer()
        const app = express()
        app.use(tracingMiddleware({ tracer }))
        app.get('/boom', () => {
          throw new Error('boom')
        })
        for (const handler of order) app.use(handler)
        const [span] = await serving(tracer, app, agent => agent.get('/boom').expect(502))
        assert.equal(span?.logs.length, logs)
        assert.deepEqual([span?.tags.error, span?.tags['http.status_code']], [true, 502])
      }
    })

    test('error middleware on a router; an own handler that answers 4xx makes it no error; it needs no tracing', async () => {
      const tracer = recordingTracer()
      const app = express()
      const router = express.Router()
      router.get('/boom/:id', () => {
        throw new Error('boom')
      })
      router.use(tracingErrorMiddleware())
      app.use('/traced/:x', tracingMiddleware({ tracer }), router)
      app.use('/plain/:x', router)
      app.use((_error: unknown, _req: Request, res: Response, _next: NextFunction) => {
        res.status(409).send('conflict')
      })
      const spans = await serving(tracer, app, async agent => {
        await agent.get('/traced/1/boom/2').expect(409)
        await agent.get('/plain/1/boom/2').expect(409)
      })
      assert.deepEqual(
        spans.map(span => [span.operationName, span.logs.length, span.tags.error]),
        [['GET /traced/:x/boom/:id', 1, undefined]],
      )
    })

    test('a middleware error before any route: the method alone', async () => {
      const { spans } = await trace(
        express,
        app =>
          app.use((_req, _res, next) => {
            next(new Error('no database'))
          }),
        '/users/7',
      )
      assert.equal(spans[0]?.operationName, 'GET')
      assert.equal(spans[0]?.logs[0]?.fields.message, 'no database')
    })

    test("F063: next(undefined), next(null), next('') go on to the next handler: no error", async () => {
      for (const nothing of [undefined, null, '', 0]) {
        const { spans, statuses } = await trace(
          express,
          app => {
            app.get('/a', (_req, _res, next) => next(nothing))
            app.get('/a', ok)
          },
          '/a',
        )
        assert.deepEqual(statuses, [200])
        assert.deepEqual([spans[0]?.logs.length, spans[0]?.tags.error], [0, undefined])
      }
    })

    test('F065: next() twice: one span, and the error that there is without tracing', async () => {
      let calls = 0
      const { spans, statuses } = await trace(
        express,
        app => {
          app.use((_req, _res, next) => {
            next()
            next()
          })
          app.get('/a', (_req, res) => {
            calls++
            if (!res.headersSent) res.send('ok')
          })
        },
        '/a',
      )
      assert.deepEqual(statuses, [200])
      assert.equal(calls, 1)
      assert.equal(spans.length, 1)
    })
  })

  describe(`${major}: mounting`, () => {
    for (const [what, made] of [
      ['tracingMiddleware', tracingMiddleware],
      ['tracingErrorMiddleware', tracingErrorMiddleware],
    ] as const) {
      test(`app.use(${what}) without the call: a TypeError that says so, on the first request`, async () => {
        const app = express()
        app.set('env', 'test')
        app.use(made as never)
        app.get('/a', ok)
        const errors: unknown[] = []
        app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
          errors.push(error)
          res.status(500).send('no')
        })
        await serving(recordingTracer(), app, agent => agent.get('/a?token=hush').timeout(2000).expect(500))
        assert.equal(errors.length, 1)
        assert.ok(errors[0] instanceof TypeError)
        assert.match(errors[0].message, new RegExp(`app\\.use\\(${what}\\(\\)\\), with the call`))
        assert.doesNotMatch(errors[0].message, /hush/)
      })
    }

    test('F077: on the app and on a sub-app: one span, of the outer', async () => {
      const tracer = recordingTracer()
      const app = express()
      const sub = express()
      sub.use(tracingMiddleware({ tracer, tags: { inner: true } }))
      sub.get('/users/:id', ok)
      app.use(tracingMiddleware({ tracer, tags: { outer: true } }))
      app.use('/api', sub)
      const spans = await serving(tracer, app, agent => agent.get('/api/users/7').expect(200))
      assert.deepEqual(
        spans.map(span => [span.operationName, span.tags.outer, span.tags.inner]),
        [['GET /api/users/:id', true, undefined]],
      )
    })

    const skip = !SET_PROTOTYPE_IS_SLOW && 'the V8 of this Node shares shapes, and properties are cheapest'
    test('request and response get no property of ours: each would be a new shape', { skip }, async () => {
      const keys: string[][] = []
      const look: RequestHandler = (req, res, next) => {
        keys.push([req, res].flatMap(Reflect.ownKeys).map(String))
        next()
      }
      const app = express()
      app.use(look, tracingMiddleware({ tracer: recordingTracer() }), look)
      app.get('/a', ok)
      await serving(recordingTracer(), app, agent => agent.get('/a').expect(200))
      assert.equal(keys.length, 2)
      assert.deepEqual(keys[1], keys[0])
    })

    test('an app of another copy of Express as a handler, which sets prototypes of its own: the span ends, once', async () => {
      const [, other] = majors.find(([name]) => name !== major) as (typeof majors)[number]
      const tracer = recordingTracer()
      const app = express()
      app.use(tracingMiddleware({ tracer }))
      const inner = other()
      inner.get('/a', ok)
      app.use((req, res) => inner(req as never, res as never))
      const [span] = await serving(tracer, app, agent => agent.get('/a').expect(200))
      assert.equal(span?.finishCount, 1)
      assert.equal(span?.tags['http.status_code'], 200)
    })

    test("a listener for the response's close finds the span, and what it sets is kept", async () => {
      const tracer = recordingTracer()
      const app = express()
      app.use(tracingMiddleware({ tracer }))
      app.get('/a', (req, res) => {
        const told = (event: string) => getSpan(req)?.setTag(event, activeSpan() === getSpan(req))
        req.on('close', () => told('request'))
        res.on('finish', () => told('finish')).on('close', () => told('close'))
        res.send('ok')
      })
      const [span] = await serving(tracer, app, agent => agent.get('/a').expect(200))
      assert.deepEqual([span?.tags.finish, span?.tags.close, span?.finishCount], [true, true, 1])
    })

    test('F069: a request and response of node-mocks-http', async () => {
      const tracer = recordingTracer()
      const app = express()
      app.use(tracingMiddleware({ tracer }))
      app.get('/users/:id', ok)
      const req = mocks.createRequest({ method: 'GET', url: '/users/7' })
      // The double takes its whole URL for a mounted prefix.
      req.baseUrl = ''
      const res = mocks.createResponse({ req, eventEmitter: (await import('node:events')).EventEmitter })
      app(req, res as never)
      await eventually(() => tracer.finishedSpans.length === 1, 'the span has ended')
      assert.equal(res._getData(), 'ok')
      assert.deepEqual(
        tracer.spans.map(span => [span.operationName, span.tags['http.status_code'], span.tags.aborted]),
        [['GET /users/:id', 200, undefined]],
      )
    })
  })
}

test('V8 loses the shape of an object whose prototype is set, in just the versions that we take it to', () => {
  const program = `
    const { IncomingMessage } = require('node:http')
    const prototype = Object.create(IncomingMessage.prototype)
    const make = () => {
      const made = Object.setPrototypeOf(new IncomingMessage(), prototype)
      made.next = 1
      return made
    }
    for (let i = 0; i < 1000; i++) make()
    console.log(%HaveSameMap(make(), make()))`
  const said = execFileSync(process.execPath, ['--allow-natives-syntax', '--eval', program], {
    encoding: 'utf8',
  })
  assert.equal(said.trim(), String(!SET_PROTOTYPE_IS_SLOW))
})

describe('Express 5: a router of version 2.0, which keeps no path', () => {
  const mounted = (app: Express) => {
    const inner = new Router20()
    inner.get('/users/:id', ok)
    const outer = new Router20()
    outer.use('/Teams/:team/v2', inner)
    app.use('/tenants/:tenant', outer as never)
  }

  test('its parameters are asked for, its literal text is kept', async () => {
    const { names } = await trace(express5, mounted, [
      '/tenants/42/Teams/8/v2/users/7',
      '/tenants/42/Teams/v2/v2/users/7',
      '/tenants/42/TEAMS/8/V2/users/7',
    ])
    // How it was written is not to be had; in lower case it is at least always the same.
    assert.deepEqual([...new Set(names)], ['GET /tenants/:tenant/teams/:team/v2/users/:id'])
  })
})

describe('Express 4: what its paths can say', () => {
  for (const [title, build, path, name] of [
    [
      'a parameter with a pattern',
      app => app.get('/users/:id(\\d+)', ok),
      '/users/7',
      'GET /users/:id(\\d+)',
    ],
    ['an optional parameter, left out', app => app.get('/files/:name?', ok), '/files', 'GET /files/:name?'],
    ['an optional parameter', app => app.get('/files/:name?', ok), '/files/a', 'GET /files/:name?'],
    ['an asterisk', app => app.get('/files/*', ok), '/files/a/b', 'GET /files/*'],
    ['a lone asterisk', app => app.get('*', ok), '/anything/7', 'GET *'],
    [
      'a mount with a pattern and an optional parameter',
      (app, express) => app.use('/t/:x(\\d+)/:y?', routerWith(express, '/users/:id')),
      '/t/1/2/users/7',
      'GET /t/:x/:y?/users/:id',
    ],
  ] satisfies typeof ways) {
    test(title, async () => {
      const express = express4 as typeof express5
      const { names, statuses } = await trace(express, app => build(app, express), path)
      assert.deepEqual(statuses, [200])
      assert.deepEqual(names, [name])
    })
  }
})

describe('Express 5: what its paths can say', () => {
  for (const [title, build, path, name] of [
    ['a wildcard', app => app.get('/files/*path', ok), '/files/a/b', 'GET /files/*path'],
    ['an optional part, left out', app => app.get('/files{/:name}', ok), '/files', 'GET /files{/:name}'],
    [
      'a mount with an optional part',
      (app, express) => app.use('/t{/:x}', routerWith(express, '/users/:id')),
      '/t/1/users/7',
      'GET /t{/:x}/users/:id',
    ],
  ] satisfies typeof ways) {
    test(title, async () => {
      const { names, statuses } = await trace(express5, app => build(app, express5), path)
      assert.deepEqual(statuses, [200])
      assert.deepEqual(names, [name])
    })
  }
})

test('callbacks have the types of Express', async () => {
  const options: ServerTracingOptions<Request> = {
    operationName: ({ request, statusCode }) =>
      `${request.get('x-name') ?? request.ip} ${statusCode?.toFixed()}`,
    ignore: ({ request }) => request.xhr,
    samplingPriority: ({ request }) => (request.query.debug === 'true' ? 1 : undefined),
    publicEndpoint: ({ request }) => request.hostname === 'public.example',
    isError: ({ statusCode, error }) => statusCode === 418 || error instanceof RangeError,
    decorateSpan: state => {
      state.span.setTag('protocol', state.request.protocol)
      if (state.phase === 'end') state.span.setTag('route', state.route ?? 'none')
      // @ts-expect-error: the status is not known at the start
      if (state.phase === 'start') state.statusCode
    },
  }
  tracingMiddleware(options)
  // @ts-expect-error: a priority is a number
  tracingMiddleware({ samplingPriority: () => 'high' })
  tracingMiddleware({ operationName: ({ request }) => request.originalUrl })
  // @ts-expect-error: no such option
  assert.throws(() => tracingMiddleware({ operationname: 'x' }), /did you mean 'operationName'/)
  // @ts-expect-error: Koa's context is not Express's request
  tracingMiddleware({ operationName: ({ request }) => request.ctx })
  const handler: RequestHandler = tracingMiddleware()
  assert.equal(handler.name, 'tracingMiddleware')
  assert.equal(handler.length, 3)
  assert.equal(tracingErrorMiddleware().length, 4)
})
