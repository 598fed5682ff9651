import type express5 from 'express'
import type { ErrorRequestHandler, RequestHandler, Response, Router } from 'express'
import { tracingErrorMiddleware, tracingMiddleware } from '../../src/express/index.ts'
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
export interface ExpressAdapter {
  tracingMiddleware: typeof tracingMiddleware
  tracingErrorMiddleware: typeof tracingErrorMiddleware
}

export function expressHost(
  name: string,
  express: typeof express5,
  lacks: Host['lacks'] = {},
  adapter: ExpressAdapter = { tracingMiddleware, tracingErrorMiddleware },
): Host {
  return {
    name,
    component: 'express',
    lacks,
    async start(sample, options) {
      const app = express()
      // Express prints unhandled errors unless it runs in a test.
      app.set('env', 'test')
      app.set('trust proxy', sample.trustsProxy ?? false)
      const trace = () => adapter.tracingMiddleware(options as never)
      const mode = sample.tracing ?? 'app'
      if (mode === 'app' || mode === 'twice') app.use(trace())
      if (sample.parses) app.use(express.json())
      if (mode === 'behind parsing') app.use(trace())
      if (sample.user !== undefined) {
        app.use((req, _res, next) => {
          Object.assign(req, { user: sample.user })
          next()
        })
      }
      const grow = (router: Router, { routes, below }: Branch): void => {
        for (const route of routes) addRoute(router, route)
        for (const [mount, branch] of below) {
          const inner = express.Router()
          if (mode === 'twice') inner.use(trace())
          grow(inner, branch)
          router.use(mount, inner)
        }
      }
      const addRoute = (router: Router, route: SampleRoute): void => {
        const own =
          mode !== 'none' && route.tracing ? [adapter.tracingMiddleware(route.tracing as never)] : []
        if (mode === 'routes') own.unshift(trace())
        const verb = (route.method ?? 'get').toLowerCase() as 'get'
        router[verb](route.path, ...own, handlerOf(route))
      }
      grow(app as unknown as Router, toTree(sample.routes))
      if (mode === 'behind routes') app.use(trace())
      if (mode !== 'none') app.use(adapter.tracingErrorMiddleware())
      if (sample.onError !== undefined) {
        const { onError } = sample
        const handler: ErrorRequestHandler = (error, req, res, _next) =>
          send(res, onError(error, { request: req }))
        app.use(handler)
      }
      // Express puts its own prototypes, made of node:http's, under each request and response.
      if (sample.protocol === 'http2') throw new Error('Express does not run on HTTP/2')
      const server = createServer(sample, app)
      await listen(server, sample.address)
      return running(server, () => closeServer(server))
    },
  }
}

function handlerOf(route: SampleRoute): RequestHandler {
  return (req, res, next) => {
    const answer = route.handle({ req, res, request: req, body: req.body, takeOver() {} })
    if (!(answer instanceof Promise)) return send(res, toReply(answer))
    // Express 4 does not look at promises: its users hand rejections to next.
    answer.then(value => send(res, toReply(value))).catch(next)
  }
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
