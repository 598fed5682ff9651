// Fastify 4 and 5.

import type { FastifyPluginAsync, FastifyRequest, RouteOptions } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import {
  createReport,
  createServerTracing,
  type Framework,
  getHandling,
  type ServerTracing,
  type ServerTracingOptions,
} from '../adapter.ts'
import { createConfigReader, type RouteConfig } from './route.ts'

export type { ServerTracingOptions } from '../adapter.ts'

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
  usage: 'tracingPlugin options',
  route: ({ request, route }) => (request.is404 ? undefined : route),
  read: (request, name) => (request as unknown as Record<string, unknown>)[name],
}

// Async, for Fastify to tell bad options by ready() and listen(): what a plugin with a callback throws ends the process.
const tracing: FastifyPluginAsync<ServerTracingOptions<FastifyRequest>> = async (app, registered) => {
  if (typeof app?.addHook !== 'function') {
    throw new TypeError('tracingPlugin is handed over without a call: app.register(tracingPlugin, options)')
  }
  const options = withoutRegisterOptions(registered)
  const everywhere = createServerTracing(fastify, options)
  const own = new WeakMap<object, ServerTracing<FastifyRequest>>()
  const report = createReport(options.onError)

  const tracingOf = (given: false | RouteTracingOptions | undefined) => {
    if (given === undefined) return everywhere
    if (given === false) return undefined
    if (typeof given !== 'object' || given === null) {
      throw new TypeError(
        `config.tracing of a route must be false or an object of options, not ${given}; leave it out to trace the route like all others`,
      )
    }
    let made = own.get(given)
    if (made === undefined) {
      const route = { ...fastify, usage: 'config.tracing of a route' }
      createServerTracing(route, given)
      made = createServerTracing(route, {
        ...options,
        ...given,
        tags: { ...options.tags, ...given.tags },
      })
      own.set(given, made)
    }
    return made
  }

  // Bad options of a route are told when the route is added, not when it is first called.
  app.addHook('onRoute', (route: RouteOptions) => {
    tracingOf(route.config?.tracing)
  })
  // Only a route that was added before this plugin was loaded comes here unchecked: then it is too late to refuse.
  const tracingOfRoute = (config: RouteConfig | undefined) => {
    try {
      return tracingOf(config?.tracing)
    } catch (error) {
      report('config.tracing', error)
      return everywhere
    }
  }
  const configOf = createConfigReader()
  app.addHook('onRequest', function tracingOnRequest(request, reply, next) {
    const config = configOf(request)
    const handling = tracingOfRoute(config)?.begin({
      req: request.raw as never,
      res: reply.raw as never,
      target: request.originalUrl,
      request,
      route: config?.url,
    })
    if (handling === undefined) next()
    else handling.run(next)
  })
  app.addHook('onError', function tracingOnError(request, _reply, error, next) {
    getHandling(request)?.fail(error)
    next()
  })
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
 * @throws TypeError from `ready()` and `listen()`, naming the option, the value and the fix; bad options of a route are
 * refused where the route is added
 * @example
 * app.register(tracingPlugin)
 * app.get('/health', { config: { tracing: false } }, () => 'ok')
 */
export const tracingPlugin: FastifyPluginAsync<ServerTracingOptions<FastifyRequest>> = fastifyPlugin(
  tracing,
  {
    fastify: '4.x || 5.x',
    name: 'tracing-middleware',
  },
)

export default tracingPlugin
