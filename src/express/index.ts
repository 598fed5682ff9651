// Express 4 and 5.

import type { ErrorRequestHandler, Request, RequestHandler } from 'express'
import { createServerTracing, type Framework, getHandling, type ServerTracingOptions } from '../adapter.ts'
import { paramsOf, routeOf } from './route.ts'

export type { ServerTracingOptions } from '../adapter.ts'

const express: Framework<Request> = {
  component: 'express',
  usage: 'tracingMiddleware(options)',
  route: ({ request }) => routeOf(request),
  read: (request, name) =>
    name === 'params' ? paramsOf(request) : (request as unknown as Record<string, unknown>)[name],
}

/**
 * Traces every request that passes: mount it before everything else, on an app, a router or a route.
 *
 * @param options see {@link ServerTracingOptions}; all optional
 * @throws TypeError naming the option, the value and the fix
 * @example
 * app.use(tracingMiddleware())
 * app.get('/users/:id', showUser)
 * app.use(tracingErrorMiddleware())   // after the routes: puts what they throw on the span
 */
export function tracingMiddleware(options?: ServerTracingOptions<Request>): RequestHandler {
  const tracing = createServerTracing(express, options)
  return function tracingMiddleware(req, res, next) {
    tracing.begin({ req, res, target: req.originalUrl, request: req }).run(next)
  }
}

/**
 * Records what routes throw on their request's span, and passes it on to your error handlers unchanged. Express tells
 * errors to error middleware alone: mount it after the routes and before your own error handlers. Without it a failed
 * request still has `error=true`, from its status.
 *
 * @throws TypeError when it is given anything, as by `app.use(tracingErrorMiddleware)`
 * @example
 * app.use(tracingErrorMiddleware())
 */
export function tracingErrorMiddleware(): ErrorRequestHandler
export function tracingErrorMiddleware(...given: unknown[]): ErrorRequestHandler {
  // Handed over itself, it would be taken for a handler that never answers.
  if (given.length > 0)
    throw new TypeError(
      'tracingErrorMiddleware() takes nothing. Write app.use(tracingErrorMiddleware()), with the call.',
    )
  return function tracingErrorMiddleware(error, req, _res, next) {
    getHandling(req)?.fail(error)
    next(error)
  }
}
