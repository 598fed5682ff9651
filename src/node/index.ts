// Node's own servers: http, https and http2.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServerTracing, type Framework, type ServerTracingOptions } from '../adapter.ts'

export type { ServerTracingOptions } from '../adapter.ts'

const node: Framework<IncomingMessage> = {
  component: 'http',
  usage: 'tracingListener(handler, options)',
  // Node has no routes: user code that has some names the span by the option operationName.
  route: () => undefined,
  read: (request, name) => (request as unknown as Record<string, unknown>)[name],
}

/**
 * Traces every request that a server of `node:http`, `node:https` or `node:http2` gives to `handler`.
 *
 * What the handler throws, or its promise rejects with, is recorded and thrown on unchanged.
 *
 * @param handler the listener for the event `request`
 * @param options see {@link ServerTracingOptions}; all optional
 * @returns a listener of the same type
 * @throws TypeError when `handler` is no function, or for a bad option, naming the option, the value and the fix
 * @example
 * const server = http.createServer(tracingListener((req, res) => res.end('hello'), { tracer }))
 */
export function tracingListener<Request extends object, Response extends object>(
  handler: (req: Request, res: Response) => unknown,
  options?: ServerTracingOptions<IncomingMessage>,
): (req: Request, res: Response) => unknown {
  if (typeof handler !== 'function') {
    throw new TypeError(
      `tracingListener(handler, options): handler must be a function, not ${typeof handler}; write tracingListener((req, res) => { ... })`,
    )
  }
  const tracing = createServerTracing(node, options)
  return function tracingListener(this: unknown, request, response) {
    const req = request as unknown as IncomingMessage
    const res = response as unknown as ServerResponse
    const handling = tracing.begin({ req, res, target: req.url ?? '/', request: req })
    let result: unknown
    try {
      result = handling.run(() => handler.call(this, request, response))
    } catch (error) {
      handling.fail(error)
      throw error
    }
    if (!(result instanceof Promise)) return result
    // The promise that follows is given back: a rejection without a handler stays unhandled.
    return result.then(undefined, (error: unknown) => {
      handling.fail(error)
      throw error
    })
  }
}
