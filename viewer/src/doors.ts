// The viewer's HTTP servers: who may come in, what is done with a request, how an answer leaves. What is said on the way
// is text for a person; nothing that goes wrong in one request reaches another.

import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { Refusal } from './body.ts'

/** What goes back to a client. */
export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string | Uint8Array
  readonly headers?: OutgoingHttpHeaders
}

/** Answers a request, or has taken it over (a stream of events) and gives nothing back. */
export type Serve = (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
) => Promise<Answer | undefined>

/** A server that listens. */
export interface Door {
  readonly port: number
  close(): Promise<void>
}

/**
 * Opens an HTTP server.
 *
 * @param host where it listens; on a loopback address only requests that name one are served
 * @param port 0 for any free one
 * @throws Error when the port cannot be had
 */
export async function openHttp(host: string, port: number, serve: Serve): Promise<Door> {
  const guarded = isLoopback(host)
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    void answer(request, response, serve, guarded)
  })
  server.maxConnections = 1000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A plain answer in words. */
export function say(status: number, message: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${message}\n` }
}

/** An answer in JSON. */
export function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json; charset=utf-8', body: JSON.stringify(value) }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  serve: Serve,
  guarded: boolean,
): Promise<void> {
  response.on('error', () => response.destroy())
  try {
    refuseStrangers(request, guarded)
    const given = await serve(request, response, new URL(pathOf(request), 'http://viewer'))
    if (given !== undefined) send(request, response, given)
  } catch (error) {
    if (request.destroyed && !request.complete) response.destroy()
    else if (error instanceof Refusal) send(request, response, say(error.status, error.message))
    else send(request, response, say(500, `the viewer failed: ${(error as Error).message}`))
  }
}

/** Sends an answer, unless the client is gone. */
export function send(request: IncomingMessage, response: ServerResponse, given: Answer): void {
  if (response.headersSent || response.destroyed) return
  const body = typeof given.body === 'string' ? Buffer.from(given.body) : given.body
  response.writeHead(given.status, {
    'content-type': given.type,
    'content-length': body.length,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...(given.status === 503 ? { 'retry-after': '1' } : undefined),
    // A body that was not read to its end would be taken for the next request.
    ...(request.complete || request.method === 'GET' ? undefined : { connection: 'close' }),
    ...given.headers,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function pathOf(request: IncomingMessage): string {
  const target = request.url ?? '/'
  // A path that begins with two slashes would be read as a host.
  if (!target.startsWith('/')) throw new Refusal(400, 'the request names no path')
  return target.replace(/^\/+/, '/')
}

/**
 * A web page elsewhere must not read or write traces: neither by its own name for this machine (DNS rebinding: the Host
 * header) nor by a request across origins.
 */
function refuseStrangers(request: IncomingMessage, guarded: boolean): void {
  const host = request.headers.host ?? ''
  if (guarded && !isLoopback(hostnameOf(`http://${host}`))) {
    throw new Refusal(403, 'the viewer serves this machine alone: call it as localhost or 127.0.0.1')
  }
  const { origin } = request.headers
  if (origin !== undefined && origin !== `http://${host}`) {
    throw new Refusal(403, `pages of ${origin.slice(0, 100)} may not use the viewer`)
  }
}

function hostnameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : ''
}

/** Whether a host's name or address is this machine's own. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true
  return isIP(name) === 4 && name.startsWith('127.')
}
