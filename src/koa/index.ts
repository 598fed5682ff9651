// Koa 2 and 3, with @koa/router, koa-mount and koa-route.

import { Stream } from 'node:stream'
import type { Context, Middleware } from 'koa'
import { createServerTracing, type Framework, type Handling, type ServerTracingOptions } from '../adapter.ts'
import { noteMounts, routeOf } from './route.ts'

export type { ServerTracingOptions } from '../adapter.ts'

const koa: Framework<Context> = {
  component: 'koa',
  usage: 'tracingMiddleware(options)',
  route: ({ request }) => routeOf(request),
  read: (ctx, name) =>
    (ctx.request as unknown as Record<string, unknown>)[name] ?? ctx[name] ?? ctx.state?.[name],
}

/**
 * Traces every request that passes: mount it before everything else, on an app or a router.
 *
 * @param options see {@link ServerTracingOptions}; all optional. `request` in callbacks is Koa's `ctx`.
 * @throws TypeError naming the option, the value and the fix
 * @example
 * app.use(tracingMiddleware())
 * app.use(router.routes())
 */
export function tracingMiddleware(options?: ServerTracingOptions<Context>): Middleware {
  const tracing = createServerTracing(koa, options)
  const keptHeader = options?.traceResponseHeader
  let known: unknown
  return function tracingMiddleware(ctx, next) {
    if (ctx.app !== known) {
      known = ctx.app
      noteMounts(ctx.app.context)
    }
    const { req, res } = ctx
    const handling = tracing.begin({ req, res, target: ctx.originalUrl, request: ctx })
    if (keptHeader !== undefined) keepOnError(ctx, keptHeader)
    let done: Promise<unknown>
    try {
      done = handling.run(next)
    } catch (error) {
      handling.fail(error)
      throw error
    }
    // Beside the app's own promise, not around it: nobody waits for one of ours.
    if (handling.isTraced && typeof done?.then === 'function')
      done.then(
        () => followBody(ctx, handling),
        (error: unknown) => handling.fail(error),
      )
    return done
  }
}

/** A body that fails on its way is told to ctx.onerror alone (row R-STREAM-ERROR-BEFORE). */
function followBody({ body }: Context, handling: Handling): void {
  if (body instanceof Stream) body.once('error', error => handling.fail(error))
}

/** Koa's error answer removes every header that was set before the error; this one it does not get to see. */
function keepOnError(ctx: Context, header: string): void {
  const kept = header.toLowerCase()
  const { res } = ctx
  const answer = ctx.onerror
  ctx.onerror = function onerror(this: Context, error: Error) {
    const names = res.getHeaderNames
    res.getHeaderNames = () => names.call(res).filter(name => name !== kept)
    try {
      answer.call(ctx, error)
    } finally {
      res.getHeaderNames = names
    }
  }
}
