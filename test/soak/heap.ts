// F095-F097: many requests, a flat heap. Sends --requests (200,000) to an app, first with clients that stay, then with
// every tenth leaving early; collects garbage at every tenth of the way and prints what is left. Fails when the heap
// at the end of a half is more than 5 MB over that after its first quarter, when a span is open or was ended twice, or
// when the listeners on a socket grow.
//
//   node --expose-gc --import tsx test/soak/heap.ts [--requests 200000] [--framework express|koa|fastify] [--leak]
//
// --leak keeps every span on purpose: the command must fail then (with 20,000 requests or more).

import http, { type Server } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Router from '@koa/router'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import opentracing from 'opentracing'
import { activeSpan, bindSpan } from '../../src/core/scope.ts'
import { withSpan } from '../../src/core/with-span.ts'
import { tracingMiddleware as expressMiddleware, tracingErrorMiddleware } from '../../src/express/index.ts'
import { tracingPlugin } from '../../src/fastify/index.ts'
import { tracingMiddleware as koaMiddleware } from '../../src/koa/index.ts'
import { CountingTracer } from './counting-tracer.ts'
import { send } from './load.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '200000' },
    framework: { type: 'string', default: 'express' },
    leak: { type: 'boolean', default: false },
  },
})
const requests = Number(values.requests)
const MEGABYTE = 1024 * 1024
const BOUND = 5 * MEGABYTE
const STEPS = 10
const { gc } = globalThis as { gc?: () => void }
if (gc === undefined) throw new Error('run it with: node --expose-gc --import tsx test/soak/heap.ts')
if (!Number.isInteger(requests) || requests < 2 * STEPS) throw new Error('--requests: a whole number from 20')

const tracer = new CountingTracer(values.leak)
opentracing.initGlobalTracer(tracer)
const options = {
  tracer,
  tracedRequestAttributes: ['headers.user-agent', 'params.id'],
  traceResponseHeader: 'x-trace-id',
}

/** What handlers leave behind: a ring of things that outlive their request. */
const ring: unknown[] = []
let turn = 0
async function work(): Promise<string> {
  activeSpan()?.setTag('seen', true)
  ring[turn++ % 100] = bindSpan(() => activeSpan())
  return withSpan('work', async () => {
    await new Promise(setImmediate)
    return 'done'
  })
}
const slow = (): Promise<string> => sleep(20, 'slow')
const boom = (): never => {
  throw new Error('of the app')
}

const apps: Record<string, () => Promise<Server>> = {
  async express() {
    const app = express().set('env', 'test').disable('etag')
    app.use(expressMiddleware(options))
    app.get('/users/:id', async (_req, res) => {
      res.send(await work())
    })
    app.get('/slow', async (_req, res) => {
      res.send(await slow())
    })
    app.get('/boom', boom)
    app.use(tracingErrorMiddleware())
    app.use(((_error, _req, res, _next) => {
      res.status(500).send('failed')
    }) as express.ErrorRequestHandler)
    return http.createServer(app)
  },
  async koa() {
    const app = new Koa()
    app.silent = true
    const router = new Router()
    router.get('/users/:id', async ctx => {
      ctx.body = await work()
    })
    router.get('/slow', async ctx => {
      ctx.body = await slow()
    })
    router.get('/boom', boom)
    app.use(koaMiddleware(options)).use(router.routes() as never)
    return http.createServer(app.callback())
  },
  async fastify() {
    const app = fastify()
    await app.register(tracingPlugin, options)
    app.get('/users/:id', work)
    app.get('/slow', slow)
    app.get('/boom', boom)
    await app.ready()
    return app.server
  },
}

const start = apps[values.framework]
if (start === undefined) throw new Error(`--framework: one of ${Object.keys(apps).join(', ')}`)
const server = await start()
const sockets = new Set<Socket>()
server.on('connection', socket => {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
})
await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as { port: number }

const failures: string[] = []
process.on('warning', warning => failures.push(`a process warning: ${warning.message}`))

const paths = (n: number): string =>
  n % 50 === 0 ? '/boom' : n % 50 === 1 ? `/nowhere/${n}` : `/users/${n}?page=${n}`
const listenersOf = (socket: Socket): number =>
  socket.eventNames().reduce((sum, name) => sum + socket.listenerCount(name), 0)

/** The heap once everything is at rest. */
async function restingHeap(): Promise<number> {
  for (let i = 0; i < 200 && tracer.open > 0; i++) await sleep(10)
  for (let i = 0; i < 3; i++) {
    gc?.()
    await sleep(10)
  }
  return process.memoryUsage().heapUsed
}

async function half(title: string, count: number, leaves: (n: number) => boolean): Promise<void> {
  console.log(`\n${values.framework}: ${count.toLocaleString('en')} requests, ${title}`)
  console.log(
    '  requests    heap, MB    open spans    ended twice    most listeners on a socket    requests/s',
  )
  const heaps: number[] = []
  let most = 0
  let firstMost = 0
  const probe = setInterval(() => {
    for (const socket of sockets) most = Math.max(most, listenersOf(socket))
  }, 20)
  for (let step = 1; step <= STEPS; step++) {
    const begin = performance.now()
    const share = Math.floor(count / STEPS)
    await send({ port, requests: share, sockets: 20, path: n => (leaves(n) ? '/slow' : paths(n)), leaves })
    const rate = share / ((performance.now() - begin) / 1000)
    heaps.push(await restingHeap())
    if (step === 2) firstMost = most
    const cells = [
      (share * step).toLocaleString('en').padStart(10),
      ((heaps.at(-1) as number) / MEGABYTE).toFixed(2).padStart(12),
      String(tracer.open).padStart(14),
      String(tracer.finishedTwice).padStart(15),
      String(most).padStart(30),
      rate.toFixed(0).padStart(14),
    ]
    console.log(cells.join(''))
  }
  clearInterval(probe)
  const grown = (heaps.at(-1) as number) - (heaps[Math.ceil(STEPS / 4) - 1] as number)
  console.log(
    `  heap at the end over that after the first ${Math.ceil(STEPS / 4)} steps: ${(grown / MEGABYTE).toFixed(2)} MB (bound: ${BOUND / MEGABYTE} MB)`,
  )
  if (grown > BOUND) failures.push(`${title}: the heap grew by ${(grown / MEGABYTE).toFixed(2)} MB`)
  if (tracer.open !== 0) failures.push(`${title}: ${tracer.open} spans are open`)
  if (tracer.finishedTwice !== 0) failures.push(`${title}: ${tracer.finishedTwice} spans were ended twice`)
  if (most > firstMost + 1) failures.push(`${title}: listeners on a socket grew from ${firstMost} to ${most}`)
}

await half('all clients stay', Math.floor(requests / 2), () => false)
await half('every tenth client leaves early', Math.floor(requests / 2), n => n % 10 === 9)
server.close()
server.closeAllConnections()

console.log(`\n${tracer.started.toLocaleString('en')} spans, all ended: ${tracer.open === 0}`)
console.log(failures.length === 0 ? 'passed' : `FAILED\n  ${failures.join('\n  ')}`)
process.exitCode = failures.length === 0 ? 0 : 1
