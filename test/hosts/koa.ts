import { createReadStream, statSync } from 'node:fs'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import type KoaType from 'koa'
import { tracingMiddleware } from '../../src/koa/index.ts'
import {
  type Branch,
  closeServer,
  createServer,
  type Host,
  listen,
  type Reply,
  running,
  type SampleRoute,
  toReply,
  toTree,
} from './sample.ts'

/** The adapter that a host runs: ours, or one that is broken on purpose. */
export interface KoaAdapter {
  tracingMiddleware: typeof tracingMiddleware
}

export function koaHost(
  name: string,
  Koa: typeof KoaType,
  lacks: Host['lacks'] = {},
  adapter: KoaAdapter = { tracingMiddleware },
): Host {
  return {
    name,
    component: 'koa',
    lacks,
    async start(sample, options) {
      const app = new Koa()
      app.proxy = sample.trustsProxy ?? false
      // Koa prints unhandled errors unless it is told to be silent.
      app.silent = true
      const trace = () => adapter.tracingMiddleware(options as never)
      const mode = sample.tracing ?? 'app'
      if (sample.onError !== undefined) {
        const { onError } = sample
        app.context.onerror = function (this: KoaType.Context, error: unknown) {
          if (error === null || error === undefined) return
          const { status = 500, body } = onError(error, { request: this })
          this.res.statusCode = status
          this.res.end(String(body))
        }
      }
      if (mode === 'app' || mode === 'twice') app.use(trace())
      if (sample.parses) app.use(bodyParser() as never)
      if (mode === 'behind parsing') app.use(trace())
      if (sample.user !== undefined) {
        app.use((ctx, next) => {
          ctx.state.user = sample.user
          return next()
        })
      }
      const grow = (router: Router, { routes, below }: Branch): void => {
        for (const route of routes) addRoute(router, route)
        for (const [mount, branch] of below) {
          const inner = new Router()
          if (mode === 'twice') inner.use(trace() as never)
          grow(inner, branch)
          router.use(mount, inner.routes())
        }
      }
      const addRoute = (router: Router, route: SampleRoute): void => {
        const own =
          mode !== 'none' && route.tracing ? [adapter.tracingMiddleware(route.tracing as never)] : []
        if (mode === 'routes') own.unshift(trace())
        const methods = [(route.method ?? 'get').toUpperCase()]
        router.register(route.path, methods, [...own, handlerOf(route)] as never)
      }
      const router = new Router()
      grow(router, toTree(sample.routes))
      app.use(router.routes() as never)
      if (mode === 'behind routes') app.use(trace())
      const server = createServer(sample, app.callback())
      await listen(server, sample.address)
      return running(server, () => closeServer(server))
    },
  }
}

function handlerOf(route: SampleRoute): KoaType.Middleware {
  return async ctx => {
    const body = (ctx.request as { body?: unknown }).body
    const takeOver = () => {
      ctx.respond = false
    }
    send(ctx, toReply(await route.handle({ req: ctx.req, res: ctx.res, request: ctx, body, takeOver })))
  }
}

function send(ctx: KoaType.Context, reply: Reply): void {
  if (reply.raw) {
    ctx.respond = false
    return
  }
  if (reply.status !== undefined) ctx.status = reply.status
  if (reply.headers) ctx.set(reply.headers)
  const body = reply.stream ?? reply.body
  if (reply.redirect !== undefined) ctx.redirect(reply.redirect)
  else if (reply.file !== undefined) {
    ctx.length = statSync(reply.file).size
    ctx.body = createReadStream(reply.file)
  } else if (body !== undefined) ctx.body = body
  else if (reply.status === undefined) ctx.body = ''
}
