import { createReadStream } from 'node:fs'
import type fastify5 from 'fastify'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { tracingPlugin } from '../../src/fastify/index.ts'
import {
  type Branch,
  createServer,
  type Host,
  type Reply,
  running,
  type SampleRoute,
  toReply,
  toTree,
} from './sample.ts'

/** The adapter that a host runs: ours, or one that is broken on purpose. */
export interface FastifyAdapter {
  tracingPlugin: typeof tracingPlugin
}

export function fastifyHost(
  name: string,
  fastify: typeof fastify5,
  lacks: Host['lacks'] = {},
  adapter: FastifyAdapter = { tracingPlugin },
): Host {
  return {
    name,
    component: 'fastify',
    lacks,
    async start(sample, options) {
      const ownServer = sample.protocol !== undefined || sample.maxHeaderSize !== undefined
      const serving = ownServer ? { serverFactory: (handler: never) => createServer(sample, handler) } : {}
      const app = fastify({
        trustProxy: sample.trustsProxy ?? false,
        ...serving,
      } as never) as unknown as FastifyInstance
      const mode = sample.tracing ?? 'app'
      const trace = (scope: FastifyInstance) => scope.register(adapter.tracingPlugin, options as never)
      // Fastify parses bodies behind its first hook, wherever that is added.
      if (mode === 'app' || mode === 'twice' || mode === 'behind parsing') await trace(app)
      if (sample.user !== undefined) {
        app.addHook('preHandler', (request, _reply, done) => {
          Object.assign(request, { user: sample.user })
          done()
        })
      }
      if (sample.onError !== undefined) {
        const { onError } = sample
        app.setErrorHandler((error, request, reply) => send(reply, onError(error, { request })))
      }
      const grow = async (scope: FastifyInstance, { routes, below }: Branch): Promise<void> => {
        for (const route of routes) addRoute(scope, route, mode === 'none')
        for (const [prefix, branch] of below) {
          await scope.register(
            async inner => {
              if (mode === 'twice') await trace(inner)
              await grow(inner, branch)
            },
            { prefix },
          )
        }
      }
      const tree = toTree(sample.routes)
      if (mode === 'routes') {
        await app.register(async inner => {
          await trace(inner)
          await grow(inner, tree)
        })
      } else await grow(app, tree)
      if (mode === 'behind routes') await trace(app)
      await app.listen({ port: 0, host: sample.address ?? '127.0.0.1' })
      return running(app.server, () => app.close())
    },
  }
}

function addRoute(app: FastifyInstance, route: SampleRoute, untraced: boolean): void {
  app.route({
    method: (route.method ?? 'GET').toUpperCase(),
    url: route.path,
    ...(untraced || route.tracing === undefined ? {} : { config: { tracing: route.tracing as never } }),
    async handler(request, reply) {
      const takeOver = () => void reply.hijack()
      const at = { req: request.raw, res: reply.raw, request, body: request.body, takeOver }
      const answer = await route.handle(at)
      return send(reply, toReply(answer))
    },
  })
}

function send(reply: FastifyReply, answer: Reply): FastifyReply {
  if (answer.raw) return reply.hijack()
  if (answer.headers) reply.headers(answer.headers)
  if (answer.status !== undefined) reply.code(answer.status)
  if (answer.redirect !== undefined) return reply.redirect(answer.redirect)
  if (answer.file !== undefined) return reply.send(createReadStream(answer.file))
  return reply.send(answer.stream ?? answer.body)
}
