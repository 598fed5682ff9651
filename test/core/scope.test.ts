// The active span: whatever the app does with time, it is the span of the request (or work) that the code belongs to,
// and nobody else's; and nothing keeps it once it has ended.

import assert from 'node:assert/strict'
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { exec } from 'node:child_process'
import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns'
import domain from 'node:domain'
import { EventEmitter, on } from 'node:events'
import { readFile } from 'node:fs'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import http, { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { gzip } from 'node:zlib'
import { activeSpan, bindSpan } from '../../src/core/scope.ts'
import { withSpan } from '../../src/core/with-span.ts'
import { createTracedFetch } from '../../src/outbound/fetch/index.ts'
import { type RecordedSpan, type RecordingTracer, recordingTracer } from '../../src/testing/index.ts'
import { runProgram, source } from '../support/children.ts'
import { ask, eventually, raw } from '../support/client.ts'
import { type Handle, plainServer } from '../support/plain-server.ts'

/** Serves, lets `use` send requests, and gives the spans once all have ended. */
async function serve(
  handle: Handle,
  use: (port: number) => Promise<unknown>,
  tracer: RecordingTracer = recordingTracer(),
): Promise<readonly RecordedSpan[]> {
  const server = await plainServer(handle, { tracer })
  try {
    await use(server.port)
    await eventually(() => tracer.spans.every(span => span.finishCount > 0), 'all spans end')
  } finally {
    await server.close()
  }
  assert.equal(activeSpan(), undefined, 'no span is left active')
  return tracer.spans
}

/** The path of the request that the active span belongs to. */
function activePath(): string | undefined {
  const url = (activeSpan() as RecordedSpan | undefined)?.tags['http.url']
  return url === undefined ? undefined : new URL(String(url)).pathname
}

function both(port: number): Promise<unknown> {
  return Promise.all([ask(port, '/one'), ask(port, '/two')])
}

describe('the events of request and response', () => {
  test('are answered, passed on and thrown as without us, whether somebody listens or not', async () => {
    const seen: unknown[] = []
    const handle: Handle = (req, res) => {
      for (const emitter of [req, res]) {
        seen.push(emitter.emit('mine', 1), emitter.emit('close-like'))
        emitter.on('mine', (...given) => seen.push(given))
        seen.push(emitter.emit('mine', 1, 2, 3, 4, 5))
        emitter.on('mine', () => {
          throw new Error('from a listener')
        })
        assert.throws(() => emitter.emit('mine'), { message: 'from a listener' })
      }
      assert.throws(() => res.emit('error', new Error('nobody listens')), { message: 'nobody listens' })
      return 'x'
    }
    await serve(handle, port => ask(port, '/'))
    const traced = seen.splice(0)
    const server = await plainServer(handle, 'untraced')
    await ask(server.port, '/')
    await server.close()
    assert.equal(traced.length, 10)
    assert.deepEqual(traced, seen)
  })

  test('all reach an emit that somebody has put in the place of Node’s, those without a listener too', async () => {
    const seen = new Set<string>()
    const restore = [IncomingMessage.prototype, ServerResponse.prototype].map(prototype => {
      const { emit } = prototype
      prototype.emit = function (this: EventEmitter, ...event: Parameters<typeof emit>) {
        seen.add(`${this.constructor.name} ${String(event[0])}`)
        return emit.apply(this, event)
      } as typeof emit
      return () => Reflect.deleteProperty(prototype, 'emit')
    })
    try {
      await serve(
        () => 'x',
        port => ask(port, '/'),
      )
    } finally {
      for (const undo of restore) undo()
    }
    for (const event of ['ServerResponse close', 'ServerResponse prefinish', 'IncomingMessage resume'])
      assert.ok(seen.has(event), `${event} of ${[...seen]}`)
  })
})

describe('inside a request', () => {
  test('F085: the active span is the request’s in every kind of callback', async () => {
    const seen: [kind: string, path: string | undefined, wanted: string | undefined][] = []
    await serve(async req => {
      if (req.url === '/inner') return 'x'
      const wait = (kind: string, start: (done: () => void) => void): Promise<void> =>
        new Promise(resolve => {
          start(() => {
            seen.push([kind, activePath(), req.url])
            resolve()
          })
        })
      await Promise.all([
        wait('setTimeout', done => setTimeout(done, 2)),
        wait('setInterval', done => {
          const interval = setInterval(() => {
            clearInterval(interval)
            done()
          }, 1)
        }),
        wait('setImmediate', done => setImmediate(done)),
        wait('nextTick', done => process.nextTick(done)),
        wait('queueMicrotask', done => queueMicrotask(done)),
        wait('fs', done => readFile(fileURLToPath(import.meta.url), done)),
        wait('dns', done => lookup('127.0.0.1', done)),
        wait('crypto', done => randomBytes(8, done)),
        wait('zlib', done => gzip('x', done)),
        wait('http', done =>
          http.get(`http://${req.headers.host}/inner`, res => res.resume().on('end', done)),
        ),
        wait('child process', done => exec('true', done)),
        wait('abort signal', done => AbortSignal.timeout(2).addEventListener('abort', done)),
        wait('a promise made elsewhere', done => shared.then(done)),
        wait('events.on', async done => {
          const emitter = new EventEmitter()
          setTimeout(() => emitter.emit('event'), 1)
          for await (const _ of on(emitter, 'event')) break
          done()
        }),
      ])
      return 'x'
    }, both)
    assert.ok(seen.length >= 28)
    assert.deepEqual(
      seen.filter(([, path, wanted]) => path !== wanted),
      [],
    )
  })

  test('F086: on a shared emitter a bound listener sees its own span, an unbound one that of who emits', async () => {
    const bus = new EventEmitter()
    const seen: Record<string, string | undefined> = {}
    await serve(
      async req => {
        if (req.url === '/emit') bus.emit('news')
        else {
          bus.once('news', () => {
            seen.unbound = activePath()
          })
          bus.once(
            'news',
            bindSpan(() => {
              seen.bound = activePath()
            }),
          )
          await sleep(30)
        }
        return 'x'
      },
      async port => {
        const listening = ask(port, '/listen')
        await eventually(() => bus.listenerCount('news') === 2, 'both listen')
        await ask(port, '/emit')
        await listening
      },
    )
    assert.deepEqual(seen, { unbound: '/emit', bound: '/listen' })
  })

  test('F087: in the events of streams: request data and end, pipelines, transforms, async iteration', async () => {
    const seen: [kind: string, path: string | undefined][] = []
    const see = (kind: string): void => {
      seen.push([kind, activePath()])
    }
    await serve(
      async (req, res) => {
        req.once('data', () => see('request data')).once('end', () => see('request end'))
        res.once('finish', () => see('response finish')).once('close', () => see('response close'))
        await new Promise(resolve => req.once('end', resolve))
        const transform = new Transform({
          transform(chunk, _encoding, done) {
            see('transform')
            done(null, chunk)
          },
          flush(done) {
            see('flush')
            done()
          },
        })
        await pipeline(
          Readable.from(['a', 'b']),
          transform,
          async function* (chunks) {
            for await (const chunk of chunks) {
              see('generator')
              yield chunk
            }
          },
          async chunks => {
            for await (const _ of chunks) see('sink')
          },
        )
        see('after')
        return 'x'
      },
      port => ask(port, '/stream', { method: 'POST', body: 'body' }),
    )
    const wrong = seen.filter(([kind, path]) => path !== '/stream' && kind !== 'response close')
    assert.deepEqual(wrong, [])
    assert.deepEqual(
      [...new Set(seen.map(([kind]) => kind))].sort(),
      'after flush generator request data request end response close response finish sink transform'.match(
        /request \w+|response \w+|\w+/g,
      ),
    )
  })

  test('F088: a queue and a pool run each task with the span of who asked, when it is bound', async () => {
    const queue: (() => void)[] = []
    const seen: [bound: string | undefined, unbound: string | undefined, own: string | undefined][] = []
    const idle: { use(task: () => void): void }[] = []
    const acquire = (task: (connection: object) => void): void => {
      const connection = idle.pop()
      if (connection) connection.use(() => task(connection))
      else setTimeout(() => acquire(task), 1)
    }
    idle.push({ use: task => setImmediate(task) })
    await serve(
      async req => {
        await new Promise<void>(resolve => {
          const unbound = (): string | undefined => activePath()
          queue.push(
            bindSpan(() => {
              seen.push([activePath(), undefined, req.url])
            }),
            () => {
              ;(seen.at(-1) as unknown[])[1] = unbound()
              resolve()
            },
          )
          // Everything is run by the request that comes last.
          if (queue.length === 6) for (const task of queue.splice(0)) task()
        })
        await new Promise<void>(resolve => {
          acquire(
            bindSpan(connection => {
              assert.equal(activePath(), req.url)
              idle.push(connection as never)
              resolve()
            }),
          )
        })
        return 'x'
      },
      port => Promise.all([ask(port, '/a'), ask(port, '/b'), ask(port, '/c')]),
    )
    assert.equal(seen.length, 3)
    assert.equal(
      new Set(seen.map(([, unbound]) => unbound)).size,
      1,
      'unbound: the span of who runs the queue',
    )
    for (const [bound, , own] of seen) assert.equal(bound, own)
  })

  test('F091: thenables, async iterators, generators, abandoned branches of a race', async () => {
    const seen: [kind: string, path: string | undefined, wanted: string | undefined][] = []
    await serve(async req => {
      const see = (kind: string): void => {
        seen.push([kind, activePath(), req.url])
      }
      const thenable = {
        // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
        then(resolve: (value: string) => void) {
          see('then')
          setTimeout(() => {
            see('then, later')
            resolve('x')
          }, 1)
        },
      }
      await (thenable as unknown as Promise<string>)
      see('after a thenable')
      async function* numbers(): AsyncGenerator<number> {
        for (let i = 0; i < 2; i++) {
          await sleep(1)
          see('async generator')
          yield i
        }
      }
      for await (const _ of numbers()) see('async iteration')
      function* lazily(): Generator<number> {
        see('generator')
        yield 1
      }
      for (const _ of lazily()) see('iteration')
      let isAbandonedDone = false
      const abandoned = sleep(8).then(() => {
        see('abandoned branch')
        isAbandonedDone = true
      })
      await Promise.race([abandoned, sleep(1)])
      see('after a race')
      await Promise.allSettled([Promise.reject(new Error('x')), sleep(1)])
      see('after allSettled')
      while (!isAbandonedDone) await sleep(1)
      return 'x'
    }, both)
    assert.ok(seen.length >= 24)
    assert.deepEqual(
      seen.filter(([, path, wanted]) => path !== wanted),
      [],
    )
  })

  test('F091: a generator that is started in one span and continued in another is in that of its caller', () => {
    const tracer = recordingTracer()
    function* spans(): Generator<string | undefined> {
      for (;;) yield (activeSpan() as RecordedSpan | undefined)?.operationName
    }
    const generator = spans()
    const run = (name: string) =>
      withSpan(name, { childOf: tracer.startSpan('root') }, () => generator.next().value)
    const bound = (name: string) => bindSpan(() => generator.next().value, tracer.startSpan(name))()
    assert.equal(run('zero'), 'zero')
    assert.deepEqual([bound('one'), bound('two'), generator.next().value], ['one', 'two', undefined])
  })

  test('F093: the app’s own AsyncLocalStorage, AsyncResource and domain go on working beside ours', async () => {
    const own = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    await serve(
      async req => {
        const path = String(req.url)
        const result = await own.run(path, async () => {
          await sleep(1)
          const inner = own.exit(() => [own.getStore(), activePath()])
          seen.push(inner, [own.getStore(), activePath()])
          return AsyncResource.bind(() => [own.getStore(), activePath()])
        })
        own.enterWith('entered')
        seen.push(result(), [own.getStore(), activePath()])
        const inDomain = domain.create()
        await new Promise<void>(resolve => {
          inDomain.run(() =>
            setTimeout(() => {
              seen.push([(process as { domain?: unknown }).domain === inDomain, activePath()])
              resolve()
            }, 1),
          )
        })
        return 'x'
      },
      port => ask(port, '/one'),
    )
    assert.deepEqual(seen, [
      [undefined, '/one'],
      ['/one', '/one'],
      ['/one', '/one'],
      ['entered', '/one'],
      [true, '/one'],
    ])
  })
})

const shared = new Promise<void>(resolve => setTimeout(resolve, 5))

describe('outside of a request', () => {
  test('F089: an interval that was started before any request never sees a span, nor does a top-level promise', async () => {
    const seen = new Set<unknown>()
    const interval = setInterval(() => seen.add(activeSpan()), 1)
    const spans = await serve(
      async () => {
        await sleep(10)
        return 'x'
      },
      port => Promise.all(Array.from({ length: 20 }, () => ask(port, '/'))),
    )
    await sleep(5)
    clearInterval(interval)
    assert.equal(spans.length, 20)
    assert.deepEqual([...seen], [undefined])
  })

  test('F089: what a request has started sees no span once the request has ended; its work follows from it', async () => {
    const seen: unknown[] = []
    let isDone = false
    const tracer = recordingTracer()
    await serve(
      () => {
        setTimeout(() => {
          seen.push(activeSpan())
          withSpan('late', () => seen.push((activeSpan() as RecordedSpan).operationName))
          isDone = true
        }, 30)
        return 'x'
      },
      async port => {
        await ask(port, '/')
        await eventually(() => isDone, 'the late work')
      },
      tracer,
    )
    assert.deepEqual(seen, [undefined, 'late'])
    const [request, late] = tracer.spans as [RecordedSpan, RecordedSpan]
    assert.deepEqual(late.references, [
      { type: 'follows_from', traceId: request.traceId, spanId: request.spanId },
    ])
  })

  test('F089: what runs after the handler in the same turn of the event loop sees no span', async () => {
    const seen: unknown[] = []
    const server = await plainServer(() => 'x', { tracer: recordingTracer() })
    server.server.on('request', () => seen.push(activeSpan()))
    await ask(server.port, '/')
    await server.close()
    withSpan('work', { childOf: recordingTracer().startSpan('x') }, () => {})
    seen.push(activeSpan())
    assert.deepEqual(seen, [undefined, undefined])
  })

  test('a function that is bound where no span is active sees none, whoever calls it', async () => {
    const seen: unknown[] = []
    const task = bindSpan(() => seen.push(activePath()))
    await serve(
      () => {
        task()
        seen.push(activePath())
        return 'x'
      },
      port => ask(port, '/own'),
    )
    assert.deepEqual(seen, [undefined, '/own'])
  })

  test('bindSpan keeps this, arguments, result, errors, name, length and properties; refuses what is no function', () => {
    const span = recordingTracer().startSpan('mine')
    const thrown = new Error('mine')
    const plain = Object.assign(
      function add(this: { base: number }, a: number, b: number): number {
        assert.equal(activeSpan(), span)
        return this.base + a + b
      },
      { extra: 'kept' },
    )
    const bound = bindSpan(plain, span)
    assert.equal(bound.call({ base: 1 }, 2, 3), 6)
    assert.deepEqual([bound.name, bound.length, bound.extra], ['add', 2, 'kept'])
    const fails = bindSpan(() => {
      throw thrown
    }, span)
    assert.throws(fails, error => error === thrown)
    assert.equal(activeSpan(), undefined)
    for (const bad of [undefined, null, 'text', {}]) {
      assert.throws(
        () => bindSpan(bad as never),
        /^TypeError: bindSpan\(fn, span\?\): fn must be a function, not/,
      )
    }
  })
})

describe('F090: 1,000 requests at once, each with 3 awaits and 2 outgoing calls', () => {
  const traceOf = (n: number): string => `${'a'.repeat(24)}${n.toString(16).padStart(8, '0')}`

  for (const how of ['each on its own', 'pipelined on 20 sockets']) {
    test(`${how}: no header and no parent of another request`, async () => {
      const tracer = recordingTracer()
      const fetch = createTracedFetch({ tracer })
      const echo = await plainServer(req => req.headers['uber-trace-id'], 'untraced')
      const url = `http://127.0.0.1:${echo.port}/`
      const call = async (): Promise<string> => (await fetch(url)).text()
      const handle: Handle = async () => {
        const { traceId } = activeSpan() as RecordedSpan
        await sleep(Number.parseInt(traceId.slice(-2), 16) % 7)
        const first = await call()
        await sleep(1)
        const second = await call()
        await sleep(0)
        return [traceId, (activeSpan() as RecordedSpan).spanId, first, second].join(' ')
      }
      let answers: string[] = []
      const send = async (port: number): Promise<void> => {
        const header = (n: number) => `${traceOf(n)}:${(n + 1).toString(16)}:0:1`
        if (how === 'each on its own') {
          const all = Array.from({ length: 1000 }, (_, n) =>
            ask(port, '/', { headers: { 'uber-trace-id': header(n) } }),
          )
          answers = (await Promise.all(all)).map(({ body }) => body)
        } else {
          const bytes = (socket: number) =>
            Array.from({ length: 50 }, (_, i) => {
              const end = i === 49 ? 'Connection: close\r\n' : ''
              return `GET / HTTP/1.1\r\nHost: x\r\nuber-trace-id: ${header(socket * 50 + i)}\r\n${end}\r\n`
            }).join('')
          const texts = await Promise.all(
            Array.from({ length: 20 }, (_, socket) => raw(port, bytes(socket), undefined, 15_000)),
          )
          answers = texts.flatMap(text => text.match(/a[0-9a-f]{31} \w{16} \S+:0:1 \w+:\w+:0:1/g) ?? [])
        }
      }
      const spans = await serve(handle, send, tracer)
      await echo.close()

      assert.equal(answers.length, 1000)
      const byId = new Map(spans.map(span => [span.spanId, span]))
      answers.forEach((answer, n) => {
        const [traceId, spanId, ...headers] = answer.split(' ') as [string, string, string, string]
        assert.equal(traceId, traceOf(n), 'the trace of its own caller')
        assert.equal(byId.get(spanId)?.parentId, (n + 1).toString(16).padStart(16, '0'))
        const clients = headers.map(header => header.split(':') as [string, string])
        for (const [trace, client] of clients) {
          assert.equal(trace, traceId)
          assert.equal(byId.get(client)?.parentId, spanId, 'sent by its own request')
        }
        assert.notEqual(clients[0]?.[1], clients[1]?.[1], 'a span of its own for each call')
      })
      assert.equal(spans.length, 3000)
      assert.ok(spans.every(span => span.finishCount === 1))
    })
  }
})

describe('F092: other threads and processes', () => {
  test('a worker thread and a child process: no crash, and no span crosses', async () => {
    const answers: unknown[] = []
    const child = (say: string) => `
      const { activeSpan, withSpan } = await import(${JSON.stringify(`${source}/index.ts`)})
      const said = [activeSpan() === undefined, withSpan('work', () => 'worked')]
      ${say}`
    await serve(
      async () => {
        // tsx does not reach into threads by itself.
        const tsx = JSON.stringify(import.meta.resolve('tsx/esm/api'))
        const program = child('parentPort.postMessage(said)')
        const worker = new Worker(
          `import('node:worker_threads').then(async ({ parentPort }) => {
            (await import(${tsx})).register()
            ${program}
          })`,
          { eval: true },
        )
        answers.push(
          await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject)),
        )
        await worker.terminate()

        const { stdout } = await runProgram(child('console.log(JSON.stringify(said))'))
        answers.push(JSON.parse(stdout))
        answers.push(activePath())
        return 'x'
      },
      async port => assert.equal((await ask(port, '/spawns')).status, 200),
    )
    assert.deepEqual(answers, [[true, 'worked'], [true, 'worked'], '/spawns'])
  })

  test('a cluster: each worker has its own', async () => {
    assert.ok(cluster.isPrimary)
    const { stdout, stderr, code } = await runProgram(`
      import cluster from 'node:cluster'
      import { activeSpan } from '${source}/index.ts'
      import { recordingTracer } from '${source}/testing/index.ts'
      import { plainServer } from '${source.replace(/src$/, 'test')}/support/plain-server.ts'
      if (cluster.isPrimary) {
        // A program of --eval has no file for a worker to run: the workers get it the same way.
        cluster.setupPrimary({ exec: process.argv[1] ?? '-', execArgv: process.execArgv })
        const worker = cluster.fork()
        worker.on('message', async port => {
          const bodies = await Promise.all([1, 2, 3].map(async n => (await fetch('http://127.0.0.1:' + port + '/' + n)).text()))
          console.log(JSON.stringify([bodies, activeSpan() === undefined]))
          worker.kill()
        })
      } else {
        const server = await plainServer(req => activeSpan().tags['http.url'].endsWith(req.url), { tracer: recordingTracer() })
        process.send(server.port)
      }
    `)
    assert.equal(code, 0, stderr)
    assert.deepEqual(JSON.parse(stdout), [['true', 'true', 'true'], true])
  })
})

test('F094: two copies of the package in one process share one registry: one active span, one span per request', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'two-copies-'))
  try {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    await cp(join(root, 'src'), join(folder, 'src'), { recursive: true })
    await cp(join(root, 'package.json'), join(folder, 'package.json'))
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    const load = (path: string) => import(pathToFileURL(join(folder, 'src', path)).href)
    const other: typeof import('../../src/index.ts') = await load('index.ts')
    const { createServerTracing }: typeof import('../../src/adapter.ts') = await load('adapter.ts')
    const { createTracedFetch: otherTracedFetch }: typeof import('../../src/outbound/fetch/index.ts') =
      await load('outbound/fetch/index.ts')
    assert.notEqual(other.activeSpan, activeSpan, 'it is another copy')

    const tracer = recordingTracer()
    const echo = await plainServer(req => req.headers['uber-trace-id'], 'untraced')
    const seen: boolean[] = []
    const framework = { component: 'http', usage: 'x', route: () => undefined, read: () => undefined }
    const tracing = createServerTracing(framework, { tracer })
    const spans = await serve(
      async (req, res) => {
        const mine = activeSpan() as RecordedSpan
        seen.push(other.activeSpan() === mine, other.getSpan(req) === mine)
        // Mounted by both copies: the second finds the request in hand.
        const handling = tracing.begin({ req, res, target: String(req.url), request: req })
        seen.push(handling.span === mine)
        const header = await withSpan('inside', async inside => {
          seen.push(other.activeSpan() === inside)
          return (await otherTracedFetch({ tracer })(`http://127.0.0.1:${echo.port}/`)).text()
        })
        seen.push(header.startsWith(mine.traceId))
        return 'x'
      },
      port => ask(port, '/'),
      tracer,
    )
    await echo.close()
    assert.deepEqual(seen, [true, true, true, true, true])
    assert.deepEqual(
      spans.map(({ operationName }) => operationName),
      ['GET', 'inside', 'GET'],
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
