// Fastify 4 and 5.

import type { FastifyPluginCallback, FastifyRequest, RouteOptions } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import {
  createServerTracing,
  type Framework,
  getHandling,
  type ServerTracing,
  type ServerTracingOptions,
} from '../core/index.ts'

export type { ServerTracingOptions } from '../core/index.ts'

/** The options that a route may have of its own, in `config: { tracing: { ... } }`; `false` leaves the route untraced. */
export type RouteTracingOptions = Omit<ServerTracingOptions<FastifyRequest>, 'tracer' | 'ignore' | 'onError'>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Tracing of this route: its own options, or `false` for none. */
    tracing?: false | RouteTracingOptions
  }
}

const fastify: Framework<FastifyRequest> = {
  component: 'fastify',
  made: 'tracingPlugin options',
  route: request => request.routeOptions?.url,
  read: (request, name) => (request as unknown as Record<string, unknown>)[name],
}

const tracing: FastifyPluginCallback<ServerTracingOptions<FastifyRequest>> = (app, registered, done) => {
  const options = withoutRegisterOptions(registered)
  const everywhere = createServerTracing(fastify, options)
  const own = new WeakMap<object, ServerTracing<FastifyRequest>>()

  const tracingOf = (config: { tracing?: false | RouteTracingOptions } | undefined) => {
    const given = config?.tracing
    if (given === undefined) return everywhere
    if (given === false) return undefined
    let made = own.get(given)
    if (made === undefined) {
      made = createServerTracing(
        { ...fastify, made: 'config.tracing of a route' },
        { ...options, ...given, tags: { ...options.tags, ...given.tags } },
      )
      own.set(given, made)
    }
    return made
  }

  // Bad options of a route are told when the route is added, not when it is first called.
  app.addHook('onRoute', (route: RouteOptions) => {
    tracingOf(route.config)
  })
  app.addHook('onRequest', function tracingOnRequest(request, reply, next) {
    const { raw, originalUrl } = request
    const handling = tracingOf(request.routeOptions?.config)?.begin({
      req: raw as never,
      res: reply.raw as never,
      target: originalUrl,
      request,
    })
    if (handling === undefined) next()
    else handling.run(next)
  })
  app.addHook('onError', function tracingOnError(request, _reply, error, next) {
    getHandling(request)?.fail(error)
    next()
  })
  done()
}

/** Fastify adds options of its own to those of a plugin. */
function withoutRegisterOptions({
  prefix: _prefix,
  logLevel: _logLevel,
  logSerializers: _logSerializers,
  ...options
}: ServerTracingOptions<FastifyRequest> & {
  prefix?: unknown
  logLevel?: unknown
  logSerializers?: unknown
}): ServerTracingOptions<FastifyRequest> {
  return options
}

/**
 * Traces every request of the app that it is registered on, those of plugins included.
 *
 * Options: see {@link ServerTracingOptions}; all optional. A route has its own in `config: { tracing: ... }`.
 *
 * @throws TypeError naming the option, the value and the fix
 * @example
 * app.register(tracingPlugin)
 * app.get('/health', { config: { tracing: false } }, () => 'ok')
 */
export const tracingPlugin: FastifyPluginCallback<ServerTracingOptions<FastifyRequest>> = fastifyPlugin(
  tracing,
  {
    fastify: '4.x || 5.x',
    name: 'tracing-middleware',
  },
)

export default tracingPlugin
