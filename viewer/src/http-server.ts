// The HTTP servers of the viewer: which requests are allowed, how a handler is called, how its reply is sent.

import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { HttpError } from './http-error.ts'

/** What is sent to the client. */
export interface HttpReply {
  readonly status: number
  readonly type: string
  readonly body: string | Uint8Array
  readonly headers?: OutgoingHttpHeaders
}

/** Gives the reply to a request, or undefined when it writes the response itself (a stream of events). */
export type HttpHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
) => Promise<HttpReply | undefined>

/** A server that listens. */
export interface RunningServer {
  readonly port: number
  close(): Promise<void>
}

/**
 * Starts an HTTP server.
 *
 * @param host the address to listen on; on a loopback address only requests with a loopback `Host` header are served
 * @param port 0 for any free one
 * @throws Error when the port cannot be opened
 */
export async function startHttpServer(
  host: string,
  port: number,
  handle: HttpHandler,
): Promise<RunningServer> {
  const loopbackOnly = isLoopback(host)
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    void respond(request, response, handle, loopbackOnly)
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

/** A reply in plain text. */
export function textReply(status: number, message: string): HttpReply {
  return { status, type: 'text/plain; charset=utf-8', body: `${message}\n` }
}

/** A reply in JSON. */
export function jsonReply(status: number, value: unknown): HttpReply {
  return { status, type: 'application/json; charset=utf-8', body: JSON.stringify(value) }
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  handle: HttpHandler,
  loopbackOnly: boolean,
): Promise<void> {
  response.on('error', () => response.destroy())
  try {
    checkSender(request, loopbackOnly)
    const reply = await handle(request, response, new URL(pathOf(request), 'http://viewer'))
    if (reply !== undefined) send(request, response, reply)
  } catch (error) {
    if (request.destroyed && !request.complete) response.destroy()
    else if (error instanceof HttpError) send(request, response, textReply(error.status, error.message))
    else send(request, response, textReply(500, `the viewer failed: ${(error as Error).message}`))
  }
}

function send(request: IncomingMessage, response: ServerResponse, reply: HttpReply): void {
  if (response.headersSent || response.destroyed) return
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'content-length': body.length,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...(reply.status === 503 ? { 'retry-after': '1' } : undefined),
    // On a connection that stays open, the unread rest of a body would be parsed as the next request.
    ...(request.complete || request.method === 'GET' ? undefined : { connection: 'close' }),
    ...reply.headers,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function pathOf(request: IncomingMessage): string {
  const target = request.url ?? '/'
  if (!target.startsWith('/')) throw new HttpError(400, 'the request target must start with /')
  // new URL() takes the text after two slashes for a host.
  return target.replace(/^\/+/, '/')
}

/**
 * Refuses requests that web pages of other sites can make: with a host name of their own that resolves to this machine
 * (DNS rebinding, seen in the Host header), and across origins (seen in the Origin header).
 */
function checkSender(request: IncomingMessage, loopbackOnly: boolean): void {
  const host = request.headers.host ?? ''
  if (loopbackOnly && !isLoopback(hostnameOf(`http://${host}`))) {
    throw new HttpError(403, 'the viewer serves this machine only; use localhost or 127.0.0.1 as the host')
  }
  const { origin } = request.headers
  if (origin !== undefined && origin !== `http://${host}`) {
    throw new HttpError(403, `pages of ${origin.slice(0, 100)} may not use the viewer`)
  }
}

function hostnameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : ''
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true
  return isIP(name) === 4 && name.startsWith('127.')
}
