// node:http and core, without any framework: for what concerns core alone.

import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServerTracing } from '../../src/core/server/index.ts'
import type { ServerTracingOptions } from '../../src/core/server/options.ts'
import type { Framework } from '../../src/core/server/seam.ts'

const framework: Framework<IncomingMessage> = {
  component: 'http',
  usage: 'plainServer(options)',
  route: () => undefined,
  read: (request, name) => (request as unknown as Record<string, unknown>)[name],
}

export interface PlainServer {
  port: number
  server: Server
  close(): Promise<void>
}

export type Handle = (req: IncomingMessage, res: ServerResponse) => unknown

/**
 * Starts a server on a port of its own. What `handle` gives back is the body; what it throws is answered with 500.
 *
 * @param options `'untraced'`: the same server without tracing
 */
export async function plainServer(
  handle: Handle,
  options: ServerTracingOptions<IncomingMessage> | 'untraced' = {},
): Promise<PlainServer> {
  const tracing = options === 'untraced' ? undefined : createServerTracing(framework, options)
  const server = http.createServer((req, res) => {
    const handling = tracing?.begin({ req, res, target: req.url ?? '/', request: req })
    const answer = async (): Promise<void> => {
      try {
        const body = await handle(req, res)
        if (!res.writableEnded && body !== undefined) res.end(String(body))
      } catch (error) {
        handling?.fail(error)
        res.statusCode = 500
        res.end('failed')
      }
    }
    if (handling === undefined) answer()
    else handling.run(answer)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a port')
  return {
    port: address.port,
    server,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
