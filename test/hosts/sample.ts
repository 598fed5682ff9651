// The sample app is data: what each route does. A host translates it into its framework and adds nothing: it never
// catches for the app, and what the app throws is the framework's to handle.

import http, { type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { Readable } from 'node:stream'
import type { ServerTracingOptions } from '../../src/core/server/options.ts'

/** What a handler is given. */
export interface At {
  req: IncomingMessage
  res: ServerResponse
  /** The framework's request: Express `req`, Koa `ctx`, Fastify `request`. */
  request: object
  /** The parsed body, when the app parses bodies. */
  body: unknown
  /** Takes the response out of the framework's hands, where it has a way for that. */
  takeOver(): void
}

/** What a handler answers; a string or a plain object is the body with status 200. */
export interface Reply {
  status?: number
  headers?: Record<string, string>
  body?: string | object
  stream?: Readable
  redirect?: string
  file?: string
  /** The handler has answered, or never will, on the raw response. */
  raw?: true
}

export interface SampleRoute {
  method?: string
  path: string
  /** The templates of the routers that the route sits in, outermost first: `/tenants/:tenant`. */
  mount?: string | string[]
  handle(at: At): unknown
  /** The route's own tracing: Express and Koa mount the middleware there; Fastify takes it as `config.tracing`. */
  tracing?: false | ServerTracingOptions<never>
}

export interface SampleApp {
  routes: SampleRoute[]
  /** Where tracing is mounted. @default 'app': once, before everything else */
  tracing?: 'app' | 'twice' | 'routes' | 'behind parsing' | 'behind routes' | 'none'
  /** Parses JSON bodies, behind tracing. */
  parses?: boolean
  /** Authenticates: sets `user` the way the framework's users do, behind tracing. */
  user?: object
  /** The app's own error handler; default: the framework's. */
  onError?: (error: unknown, at: Pick<At, 'request'>) => Reply
  /** What the server speaks. @default 'http' */
  protocol?: 'http' | 'https' | 'http2'
  /** The framework is told to trust a proxy in front of it. */
  trustsProxy?: boolean
  /** The address to listen on. @default '127.0.0.1' */
  address?: string
  /** What Node takes of headers, in bytes. @default 16384 */
  maxHeaderSize?: number
}

export interface Running {
  port: number
  server: Server
  close(): Promise<void>
}

export interface Host {
  name: string
  component: 'express' | 'koa' | 'fastify'
  /** Rows that this host cannot have, each with the reason. */
  lacks: Record<string, string>
  start(app: SampleApp, options: ServerTracingOptions<never>): Promise<Running>
}

export function toReply(answer: unknown): Reply {
  if (typeof answer === 'object' && answer !== null) {
    const keys = ['status', 'headers', 'body', 'stream', 'redirect', 'file', 'raw']
    if (Object.keys(answer).every(key => keys.includes(key)) && Object.keys(answer).length > 0)
      return answer as Reply
  }
  return { body: answer as string | object }
}

/** Routes and the routers below them, each by the template that it is mounted at. */
export interface Branch {
  routes: SampleRoute[]
  below: Map<string, Branch>
}

export function toTree(routes: SampleRoute[]): Branch {
  const root: Branch = { routes: [], below: new Map() }
  for (const route of routes) {
    let branch = root
    for (const mount of [route.mount ?? []].flat()) {
      const below = branch.below.get(mount) ?? { routes: [], below: new Map() }
      branch.below.set(mount, below)
      branch = below
    }
    branch.routes.push(route)
  }
  return root
}

/** TLS by a key that both sides know, so that no certificate has to lie in the repository or to run out. */
export const TLS: https.ServerOptions & https.RequestOptions = {
  ciphers: 'PSK',
  maxVersion: 'TLSv1.2',
  pskCallback: (() => PSK_IDENTITY) as never,
  checkServerIdentity: () => undefined,
}
const PSK = Buffer.from('known to both sides')
// A server wants the key alone, a client the key with its name; a key with a name does for both.
const PSK_IDENTITY = Object.assign(PSK, { psk: PSK, identity: 'test' })

export function createServer({ protocol, maxHeaderSize }: SampleApp, handler: RequestListener): Server {
  if (protocol === 'https') return https.createServer(TLS, handler)
  if (protocol === 'http2') return http2.createServer(handler as never) as unknown as Server
  return http.createServer({ maxHeaderSize }, handler)
}

export async function running(server: Server, closing: () => Promise<void>): Promise<Running> {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a port')
  return {
    port: address.port,
    server,
    async close() {
      const closed = closing()
      server.closeAllConnections?.()
      await closed
    },
  }
}

export function listen(server: Server, address = '127.0.0.1'): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, address, resolve)
  })
}

export function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}
