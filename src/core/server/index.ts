// The tracing of incoming requests, for adapters and for user code that has a request and wants its span.

import type { IncomingMessage } from 'node:http'
import type { Span } from 'opentracing'
import { requestScopeOf } from './node-events.ts'
import { resolveOptions, type ServerTracingOptions } from './options.ts'
import type { Framework, Handling, ServerTracing } from './seam.ts'
import { createStart, UNTRACED } from './start.ts'

/**
 * Makes the tracing of one framework's requests: checks the options once and gives the `begin` that an adapter calls for
 * each request.
 *
 * @param framework what core asks of the framework
 * @param options the user's options
 * @throws TypeError naming the option, the value and the fix
 * @example
 * const tracing = createServerTracing({
 *   component: 'mine',
 *   usage: 'myPlugin(options)',
 *   route: ({ request }) => request.route,
 *   read: (request, name) => request[name],
 * }, options)
 * const handling = tracing.begin({ req, res, target: req.url, request })
 * handling.run(next)
 */
export function createServerTracing<Request>(
  framework: Framework<Request>,
  options?: ServerTracingOptions<Request>,
): ServerTracing<Request> {
  const settings = resolveOptions(options, framework.usage)
  const start = createStart(framework, settings)
  return {
    begin(exchange) {
      try {
        return requestScopeOf(exchange.req) ?? start(exchange)
      } catch (error) {
        settings.report('begin', error)
        return UNTRACED
      }
    },
  }
}

/**
 * The handling of a request, for an adapter's later hooks.
 *
 * @param request what {@link getSpan} takes
 * @returns undefined for a request that is not traced
 * @example
 * getHandling(request)?.fail(error)
 */
export function getHandling(request: object): Handling | undefined {
  const { raw, req } = request as { raw?: IncomingMessage; req?: IncomingMessage }
  return requestScopeOf(request) ?? (raw && requestScopeOf(raw)) ?? (req && requestScopeOf(req))
}

/**
 * The span of a request.
 *
 * @param request Node's `IncomingMessage`, an Express request, a Koa context or a Fastify request
 * @returns undefined for a request that is not traced, or has ended
 * @example
 * app.use((req, res, next) => { getSpan(req)?.setTag('tenant', req.get('x-tenant')); next() })
 */
export function getSpan(request: object): Span | undefined {
  return getHandling(request)?.span
}
