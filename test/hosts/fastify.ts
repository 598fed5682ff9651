import { createReadStream } from 'node:fs'
import type fastify5 from 'fastify'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { tracingPlugin } from '../../src/fastify/index.ts'
import { byMount, type Host, type Reply, running, type SampleRoute, toReply } from './sample.ts'

export function fastifyHost(name: string, fastify: typeof fastify5, lacks: Host['lacks'] = {}): Host {
  return {
    name,
    component: 'fastify',
    lacks,
    async start(sample, options) {
      const app = fastify() as unknown as FastifyInstance
      const mode = sample.tracing ?? 'app'
      if (mode === 'app' || mode === 'twice') await app.register(tracingPlugin, options as never)
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
      for (const [mount, routes] of byMount(sample.routes)) {
        await app.register(
          async inner => {
            if (mode === 'twice' || mode === 'routes') await inner.register(tracingPlugin, options as never)
            for (const route of routes) addRoute(inner, route)
          },
          mount === undefined ? {} : { prefix: mount },
        )
      }
      await app.listen({ port: 0, host: '127.0.0.1' })
      return running(app.server, () => app.close())
    },
  }
}

function addRoute(app: FastifyInstance, route: SampleRoute): void {
  app.route({
    method: (route.method ?? 'GET').toUpperCase(),
    url: route.path,
    ...(route.tracing === undefined ? {} : { config: { tracing: route.tracing as never } }),
    async handler(request, reply) {
      const answer = await route.handle({ req: request.raw, res: reply.raw, request, body: request.body })
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
