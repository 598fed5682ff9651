import http from 'node:http'
import type express5 from 'express'
import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import { tracingErrorMiddleware, tracingMiddleware } from '../../src/express/index.ts'
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

export function expressHost(name: string, express: typeof express5, lacks: Host['lacks'] = {}): Host {
  return {
    name,
    component: 'express',
    lacks,
    async start(sample, options) {
      const app = express()
      // Express prints unhandled errors unless it runs in a test.
      app.set('env', 'test')
      const trace = () => tracingMiddleware(options as never)
      const mode = sample.tracing ?? 'app'
      if (mode === 'app' || mode === 'twice') app.use(trace())
      if (sample.parses) app.use(express.json())
      if (sample.user !== undefined) {
        app.use((req, _res, next) => {
          Object.assign(req, { user: sample.user })
          next()
        })
      }
      for (const [mount, routes] of byMount(sample.routes)) {
        const router = mount === undefined ? app : express.Router()
        if (mode === 'twice' && mount !== undefined) router.use(trace())
        for (const route of routes) addRoute(router as never, route, mode === 'routes' ? trace() : undefined)
        if (mount !== undefined) app.use(mount, router as never)
      }
      if (mode !== 'none') app.use(tracingErrorMiddleware())
      if (sample.onError !== undefined) {
        const { onError } = sample
        const handler: ErrorRequestHandler = (error, req, res, _next) =>
          send(res, onError(error, { request: req }))
        app.use(handler)
      }
      const server = http.createServer(app)
      await listen(server)
      return running(server, () => closeServer(server))
    },
  }
}

type Verb = (path: string, ...handlers: RequestHandler[]) => unknown

function addRoute(router: Record<string, Verb>, route: SampleRoute, trace: RequestHandler | undefined): void {
  const verb = (route.method ?? 'get').toLowerCase()
  const handler: RequestHandler = (req, res, next) => {
    const answer = route.handle({ req, res, request: req, body: req.body })
    if (!(answer instanceof Promise)) return send(res, toReply(answer))
    // Express 4 does not look at promises: its users hand rejections to next.
    answer.then(value => send(res, toReply(value))).catch(next)
  }
  const own = route.tracing ? [tracingMiddleware(route.tracing as never)] : trace ? [trace] : []
  router[verb]?.(route.path, ...own, handler)
}

function send(res: Response, reply: Reply): void {
  if (reply.raw) return
  if (reply.headers) res.set(reply.headers)
  if (reply.status !== undefined) res.status(reply.status)
  if (reply.redirect !== undefined) res.redirect(reply.redirect)
  else if (reply.file !== undefined) res.sendFile(reply.file)
  else if (reply.stream !== undefined) {
    reply.stream.on('error', () => res.destroy())
    reply.stream.pipe(res)
  } else res.send(reply.body)
}
