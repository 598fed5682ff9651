// What Fastify alone has: routes with a config of their own, encapsulated plugins, its many hooks, inject. What every
// framework has is a row of the behaviour table.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fastify5 from 'fastify'
import fastify4 from 'fastify4'
import { activeSpan } from '../../src/core/scope.ts'
import { getSpan } from '../../src/core/server/index.ts'
import plugin, {
  type RouteTracingOptions,
  type ServerTracingOptions,
  tracingPlugin,
} from '../../src/fastify/index.ts'
import { createConfigReader } from '../../src/fastify/route.ts'
import { type RecordedSpan, type RecordingTracer, recordingTracer } from '../../src/testing/index.ts'
import { createTracer } from '../../src/tracer/index.ts'
import { ask, eventually, leave } from '../support/client.ts'

const majors: [name: string, fastify: typeof fastify5][] = [
  ['Fastify 5', fastify5],
  ['Fastify 4', fastify4 as never],
]

interface Traced {
  app: FastifyInstance
  tracer: RecordingTracer
  /** The spans, once so many have ended. */
  ended(count: number): Promise<RecordedSpan[]>
}

/** An app with tracing, closed at the end; each span must have ended once. */
async function traced(
  fastify: typeof fastify5,
  use: (at: Traced) => Promise<void>,
  { settings = {}, options = {} }: { settings?: object; options?: ServerTracingOptions<FastifyRequest> } = {},
): Promise<void> {
  const tracer = recordingTracer()
  const app = fastify(settings) as unknown as FastifyInstance
  const ended = async (count: number) => {
    await eventually(() => tracer.finishedSpans.length >= count, `${count} spans (${tracer.spans.length})`)
    assert.equal(tracer.spans.length, count)
    for (const span of tracer.spans) assert.equal(span.finishCount, 1)
    return [...tracer.spans]
  }
  try {
    await app.register(tracingPlugin, { tracer, ...options })
    await use({ app, tracer, ended })
  } finally {
    await app.close()
  }
}

describe("a route's config", () => {
  test('is read where Fastify keeps it, and asked for where that is not found', () => {
    const key = Symbol('context')
    const config = { url: '/a' }
    let asked = 0
    const requestOf = (own: object, told: object | undefined) =>
      Object.defineProperty({ ...own }, 'routeOptions', {
        get() {
          asked++
          return told
        },
      }) as never
    const read = createConfigReader()
    // Without a route there is nothing to look for.
    assert.equal(read(requestOf({ [key]: {} }, {})), undefined)
    assert.equal(
      read(requestOf({ [Symbol('other')]: { config: {} }, [key]: { config } }, { config })),
      config,
    )
    assert.equal(asked, 2)
    const other = { url: '/b' }
    assert.equal(read(requestOf({ [key]: { config: other } }, undefined)), other)
    assert.equal(read(requestOf({ [key]: {} }, undefined)), undefined)
    assert.equal(asked, 2)
    const readElsewhere = createConfigReader()
    for (let i = 0; i < 3; i++) assert.equal(readElsewhere(requestOf({ [key]: {} }, { config })), config)
    assert.equal(readElsewhere(requestOf({}, undefined)), undefined)
    assert.equal(asked, 6)
  })
})

const summary = (spans: RecordedSpan[]) =>
  spans.map(({ operationName, tags, logs }) => [
    operationName,
    tags['http.status_code'],
    tags.error ?? false,
    logs[0]?.fields.message,
  ])

for (const [major, fastify] of majors) {
  describe(`${major}: the config of a route`, () => {
    test('tracing: false, and options of its own over those of the plugin', () =>
      traced(
        fastify,
        async ({ app, ended }) => {
          const own: RouteTracingOptions = {
            operationName: 'my own',
            tags: { tier: 'gold' },
            tracedRequestAttributes: ['params.id'],
            isError: ({ statusCode }) => statusCode === 200,
          }
          app.get('/health', { config: { tracing: false } }, () => String(activeSpan()))
          app.get('/own/:id', { config: { tracing: own } }, () => 'x')
          app.get('/other', { config: { unrelated: true } as object }, () => 'x')
          assert.equal((await app.inject('/health')).body, 'undefined')
          await app.inject('/own/7')
          await app.inject('/other')
          const [first, second] = await ended(2)
          assert.equal(first?.operationName, 'my own')
          assert.deepEqual(
            ['tier', 'region', 'params.id', 'error'].map(tag => first?.tags[tag]),
            ['gold', 'eu', '7', true],
          )
          assert.equal(second?.operationName, 'GET /other')
          assert.deepEqual([second?.tags.tier, second?.tags.region], ['iron', 'eu'])
        },
        { options: { tags: { tier: 'iron', region: 'eu' } } },
      ))

    const bad: [tracing: unknown, message: RegExp][] = [
      [
        { operationname: 'x' },
        /config\.tracing of a route: unknown option 'operationname'; did you mean 'operationName'/,
      ],
      [{ isError: 500 }, /config\.tracing of a route: isError must be a function.*not 500/],
      [{ tags: 'gold' }, /tags must be an object of tags.*not "gold"/],
      [true, /config\.tracing of a route must be false or an object of options, not true; leave it out/],
      [null, /must be false or an object of options, not null/],
      ['off', /must be false or an object of options, not off/],
    ]
    for (const [tracing, message] of bad) {
      test(`F135: ${JSON.stringify(tracing)} is refused when the route is added`, () =>
        traced(fastify, async ({ app }) => {
          const add = () => app.get('/x', { config: { tracing: tracing as never } }, () => 'x')
          assert.throws(add, (error: Error) => error instanceof TypeError && message.test(error.message))
        }))
    }

    test('a route with bad options that was there before the plugin: told once, traced like all others', async () => {
      const tracer = recordingTracer()
      const told: string[] = []
      const app = fastify() as unknown as FastifyInstance
      // Not awaited: the plugin is loaded behind the routes.
      app.register(tracingPlugin, { tracer, onError: (error, place) => told.push(`${place}: ${error}`) })
      app.get('/bad', { config: { tracing: { operationname: 'x' } as never } }, () => 'x')
      app.get('/worse', { config: { tracing: true as never } }, () => 'x')
      app.get('/good', { config: { tracing: { operationName: 'mine' } } }, () => 'x')
      app.get('/off', { config: { tracing: false } }, () => 'x')
      for (const path of ['/bad', '/bad', '/worse', '/good', '/off']) {
        assert.equal((await app.inject(path)).statusCode, 200)
      }
      await app.close()
      assert.deepEqual(
        tracer.finishedSpans.map(span => span.operationName),
        ['GET /bad', 'GET /bad', 'GET /worse', 'mine'],
      )
      assert.equal(told.length, 1)
      assert.match(told[0] ?? '', /^config\.tracing: TypeError: .*did you mean 'operationName'/)
    })

    test('F135: bad options of the plugin are refused when it is loaded', async () => {
      const app = fastify() as unknown as FastifyInstance
      app.register(tracingPlugin, { ignore: 7 } as never)
      await assert.rejects(async () => app.ready(), {
        name: 'TypeError',
        message: /tracingPlugin options: ignore must be .*not 7/,
      })
      await assert.rejects((plugin as unknown as () => Promise<void>)(), {
        name: 'TypeError',
        message: /app\.register\(tracingPlugin, options\)/,
      })
    })
  })

  describe(`${major}: the life of a request (F079)`, () => {
    test('inject: ended, complete, active in the handler and in every hook', () =>
      traced(fastify, async ({ app, ended }) => {
        const seen: string[] = []
        const see = (hook: string) => (request: FastifyRequest) => {
          if (activeSpan() !== undefined && activeSpan() === getSpan(request)) seen.push(hook)
        }
        app.addHook('onRequest', async request => see('onRequest')(request))
        app.addHook('preParsing', async request => see('preParsing')(request))
        app.addHook('preValidation', async request => see('preValidation')(request))
        app.addHook('preHandler', async request => see('preHandler')(request))
        app.addHook('preSerialization', async request => see('preSerialization')(request))
        app.addHook('onSend', async request => see('onSend')(request))
        app.addHook('onResponse', async request => see('onResponse')(request))
        app.post('/users/:id', async request => {
          see('handler')(request)
          return { ok: true }
        })
        const { statusCode } = await app.inject({ method: 'POST', url: '/users/7', payload: { a: 1 } })
        assert.equal(statusCode, 200)
        const [span] = await ended(1)
        assert.deepEqual(seen, [
          'onRequest',
          'preParsing',
          'preValidation',
          'preHandler',
          'handler',
          'preSerialization',
          'onSend',
          'onResponse',
        ])
        assert.deepEqual([span?.operationName, span?.tags.aborted], ['POST /users/:id', undefined])
      }))

    test('hijack: the span is open until the app ends the response itself', () =>
      traced(fastify, async ({ app, tracer, ended }) => {
        let end: () => void = () => {}
        app.get('/events', (_request, reply) => {
          reply.hijack()
          reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: x\n\n')
          end = () => reply.raw.end()
        })
        await app.listen({ port: 0, host: '127.0.0.1' })
        const { port } = app.server.address() as { port: number }
        const answer = ask(port, '/events')
        await eventually(() => tracer.spans.length === 1, 'a request')
        assert.equal(tracer.finishedSpans.length, 0)
        end()
        assert.equal((await answer).body, 'data: x\n\n')
        assert.deepEqual(summary(await ended(1)), [['GET /events', 200, false, undefined]])
      }))

    test('an encapsulated plugin that registers tracing for itself: its routes alone', async () => {
      const tracer = recordingTracer()
      const app = fastify() as unknown as FastifyInstance
      app.get('/outside', () => 'x')
      await app.register(
        async inner => {
          await inner.register(tracingPlugin, { tracer })
          inner.get('/users/:id', () => 'x')
        },
        { prefix: '/api/:v' },
      )
      assert.equal((await app.inject('/outside')).statusCode, 200)
      assert.equal((await app.inject('/api/1/users/7')).statusCode, 200)
      await app.close()
      assert.deepEqual(
        tracer.finishedSpans.map(span => span.operationName),
        ['GET /api/:v/users/:id'],
      )
    })

    test('a hook in front of the plugin that throws or answers: no span, and nothing of ours in the way', async () => {
      const tracer = recordingTracer()
      const app = fastify() as unknown as FastifyInstance
      app.addHook('onRequest', async (request, reply) => {
        if (request.url === '/throws') throw new Error('too early')
        if (request.url === '/answers') return reply.code(429).send('slow down')
      })
      await app.register(plugin, { tracer })
      app.get('/*', () => 'x')
      assert.equal((await app.inject('/throws')).statusCode, 500)
      assert.equal((await app.inject('/answers')).statusCode, 429)
      assert.equal((await app.inject('/fine')).statusCode, 200)
      await app.close()
      assert.deepEqual(
        tracer.finishedSpans.map(span => span.operationName),
        ['GET /*'],
      )
    })

    test('errors of a hook, a handler, a serialiser, reply.send(error): logged once, told as they are', () =>
      traced(fastify, async ({ app, ended }) => {
        const got: unknown[] = []
        const mine = new Error('mine')
        app.setErrorHandler((error, request, reply) => {
          got.push(error, getSpan(request) === activeSpan())
          reply.code((error as { statusCode?: number }).statusCode ?? 500).send('handled')
        })
        app.get('/hook', { preHandler: async () => Promise.reject(mine) }, () => 'x')
        app.get('/send', (_request, reply) => reply.send(mine))
        app.get('/throw', async () => {
          throw mine
        })
        app.get(
          '/serialise',
          {
            preSerialization: async () => {
              throw mine
            },
          },
          () => ({ a: 1 }),
        )
        app.get('/teapot', async () => {
          throw Object.assign(new Error('short'), { statusCode: 418 })
        })
        for (const path of ['/hook', '/send', '/throw', '/serialise', '/teapot']) await app.inject(path)
        assert.deepEqual(summary(await ended(5)), [
          ['GET /hook', 500, true, 'mine'],
          ['GET /send', 500, true, 'mine'],
          ['GET /throw', 500, true, 'mine'],
          ['GET /serialise', 500, true, 'mine'],
          ['GET /teapot', 418, false, 'short'],
        ])
        assert.equal(got.filter(item => item === mine).length, 4)
        assert.equal(got.filter(item => item === true).length, 5)
      }))

    test('the sampler sees the route in the name', async () => {
      const seen: string[] = []
      const sample = ({ operationName }: { operationName: string }) => seen.push(operationName) > 0
      const tracer = createTracer({ exporter: { export() {} }, sampler: { sample } })
      const app = (fastify as typeof import('fastify').default)()
      await app.register(plugin, { tracer })
      app.get('/users/:id', () => 'x')
      for (const path of ['/users/7', '/nowhere']) await app.inject(path)
      await tracer.close()
      assert.deepEqual(seen, ['GET /users/:id', 'GET'])
    })

    test('404 of the default handler, of an own one, and by reply.callNotFound: the method alone', () =>
      traced(fastify, async ({ app, ended }) => {
        app.get('/users/:id', (_request, reply) => reply.callNotFound())
        app.register(
          async inner => {
            inner.setNotFoundHandler((_request, reply) => reply.code(404).send('not here'))
          },
          { prefix: '/api' },
        )
        for (const path of ['/nowhere', '/api/nowhere', '/users/7'])
          assert.equal((await app.inject(path)).statusCode, 404)
        const spans = await ended(3)
        assert.deepEqual(
          spans.map(({ operationName }) => operationName),
          ['GET', 'GET', 'GET'],
        )
        for (const span of spans) assert.equal(span.tags.error, undefined)
      }))

    test('a schema that refuses (400), a body that is no JSON (400), none that is too large (413): no errors of ours', () =>
      traced(
        fastify,
        async ({ app, ended }) => {
          const schema = {
            body: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } },
          }
          app.post('/orders', { schema }, () => 'x')
          const headers = { 'content-type': 'application/json' }
          const post = (payload: string) => app.inject({ method: 'POST', url: '/orders', headers, payload })
          assert.equal((await post('{"id":"x"}')).statusCode, 400)
          assert.equal((await post('{"id"')).statusCode, 400)
          assert.equal((await post(`{"id":"${'x'.repeat(200)}"}`)).statusCode, 413)
          const spans = await ended(3)
          assert.deepEqual(
            spans.map(span => [span.operationName, span.tags['http.status_code'], span.tags.error]),
            [400, 400, 413].map(status => ['POST /orders', status, undefined]),
          )
        },
        { settings: { bodyLimit: 100 } },
      ))

    test('reply.send twice, and done() twice in a hook (F065): one span', () =>
      traced(fastify, async ({ app, ended }) => {
        app.addHook('preHandler', (request, _reply, done) => {
          done()
          if (request.url === '/hook') done()
        })
        app.get('/hook', (_request, reply) => {
          if (!reply.sent) reply.send('x')
        })
        app.get('/send', (_request, reply) => {
          reply.send('first')
          reply.send('second')
        })
        assert.equal((await app.inject('/send')).body, 'first')
        assert.equal((await app.inject('/hook')).statusCode, 200)
        await ended(2)
      }))

    test('a client that leaves while the handler is pending or the stream is half-way: onResponse may not come, the end does', () =>
      traced(fastify, async ({ app, tracer, ended }) => {
        app.get('/hang', () => new Promise(() => {}))
        app.get('/stream', (_request, reply) => {
          const body = new Readable({
            read() {
              setTimeout(() => this.push('x'.repeat(1000)), 1)
            },
          })
          return reply.send(body)
        })
        await app.listen({ port: 0, host: '127.0.0.1' })
        const { port } = app.server.address() as { port: number }
        await leave(port, 'GET /hang HTTP/1.1\r\nHost: x\r\n\r\n', { once: () => tracer.spans.length === 1 })
        await leave(port, 'GET /stream HTTP/1.1\r\nHost: x\r\n\r\n', { afterBytes: 2000 })
        assert.deepEqual(
          (await ended(2)).map(({ tags }) => [tags.aborted, tags.error]),
          [
            ['before response', undefined],
            ['during response', undefined],
          ],
        )
      }))

    test('a HEAD route that Fastify adds to a GET route', () =>
      traced(fastify, async ({ app, ended }) => {
        app.get('/users/:id', () => 'x')
        assert.equal((await app.inject({ method: 'HEAD', url: '/users/7' })).statusCode, 200)
        assert.deepEqual(summary(await ended(1)), [['HEAD /users/:id', 200, false, undefined]])
      }))

    test('a wildcard, a pattern and a constraint in a route', () =>
      traced(fastify, async ({ app, ended }) => {
        app.get('/files/*', () => 'x')
        app.get('/at/:hour(^\\d+)h:minute(^\\d+)m', () => 'x')
        app.get('/versioned', { constraints: { version: '1.2.0' } }, () => 'x')
        await app.inject('/files/a/b')
        await app.inject('/at/12h30m')
        await app.inject({ url: '/versioned', headers: { 'accept-version': '1.x' } })
        assert.deepEqual(
          (await ended(3)).map(({ operationName }) => operationName),
          ['GET /files/*', 'GET /at/:hour(^\\d+)h:minute(^\\d+)m', 'GET /versioned'],
        )
      }))

    test("Fastify's own options of register, and registering it twice: one span", async () => {
      const tracer = recordingTracer()
      const app = fastify() as unknown as FastifyInstance
      await app.register(tracingPlugin, { tracer, prefix: '/api', logLevel: 'warn' } as never)
      await app.register(plugin, { tracer })
      app.get('/x', () => 'x')
      await app.inject('/x')
      await app.close()
      assert.equal(tracer.finishedSpans.length, 1)
    })
  })
}

test('Fastify 5, F079: a handler over its time: 503, ended with the answer, the late handler is ignored', () =>
  traced(fastify5, async ({ app, ended }) => {
    let late: (value: string) => void = () => {}
    const handler = () =>
      new Promise<string>(resolve => {
        late = resolve
      })
    app.get('/slow', { handlerTimeout: 20 }, handler)
    assert.equal((await app.inject('/slow')).statusCode, 503)
    late('too late')
    const [span] = await ended(1)
    assert.deepEqual([span?.tags['http.status_code'], span?.tags.error], [503, true])
    assert.match(String(span?.logs[0]?.fields.message), /timed out/i)
  }))

test('callbacks and the config of a route have the types of Fastify', async () => {
  assert.equal(plugin, tracingPlugin)
  const options: ServerTracingOptions<FastifyRequest> = {
    operationName: ({ request, statusCode }) => `${request.routeOptions.url} ${statusCode?.toFixed()}`,
    ignore: ({ request }) => request.hostname === 'probe',
    samplingPriority: ({ request }) => ((request.query as { debug?: string }).debug ? 1 : undefined),
    decorateSpan: state => {
      state.span.setTag('id', state.request.id)
      if (state.phase === 'end') state.span.setTag('route', state.route ?? 'none')
      // @ts-expect-error: the route is not known at the start
      if (state.phase === 'start') state.route
    },
  }
  const app = fastify5()
  app.register(tracingPlugin, options)
  app.register(tracingPlugin, { operationName: ({ request }) => request.id })
  // @ts-expect-error: a name is a string
  const wrong: ServerTracingOptions<FastifyRequest> = { operationName: () => 7 }
  assert.ok(wrong)
  app.get('/a', { config: { tracing: { operationName: ({ request }) => request.id } } }, () => 'x')
  // @ts-expect-error: a name is a string
  app.get('/c', { config: { tracing: { operationName: () => 7 } } }, () => 'x')
  await app.close()
})
