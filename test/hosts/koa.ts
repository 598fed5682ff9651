import { createReadStream, statSync } from 'node:fs'
import http from 'node:http'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import type KoaType from 'koa'
import { tracingMiddleware } from '../../src/koa/index.ts'
import {
  byMount,
  closeServer,
  type Host,
  listen,
  type Reply,
  running,
  type SampleRoute,
  toReply,
} from './sample.ts'

export function koaHost(name: string, Koa: typeof KoaType, lacks: Host['lacks'] = {}): Host {
  return {
    name,
    component: 'koa',
    lacks,
    async start(sample, options) {
      const app = new Koa()
      // Koa prints unhandled errors unless it is told to be silent.
      app.silent = true
      const trace = () => tracingMiddleware(options as never)
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
      if (sample.user !== undefined) {
        app.use((ctx, next) => {
          ctx.state.user = sample.user
          return next()
        })
      }
      const router = new Router()
      for (const [mount, routes] of byMount(sample.routes)) {
        const target = mount === undefined ? router : new Router()
        if (mode === 'twice' && mount !== undefined) target.use(trace() as never)
        for (const route of routes) addRoute(target, route, mode === 'routes' ? trace() : undefined)
        if (mount !== undefined) router.use(mount, target.routes())
      }
      app.use(router.routes() as never)
      const server = http.createServer(app.callback())
      await listen(server)
      return running(server, () => closeServer(server))
    },
  }
}

function addRoute(router: Router, route: SampleRoute, trace: unknown): void {
  const own = route.tracing ? [tracingMiddleware(route.tracing as never)] : trace ? [trace] : []
  router.register(route.path, [(route.method ?? 'get').toUpperCase()], [
    ...own,
    async (ctx: KoaType.Context) => {
      const body = (ctx.request as { body?: unknown }).body
      send(ctx, toReply(await route.handle({ req: ctx.req, res: ctx.res, request: ctx, body })))
    },
  ] as never)
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
