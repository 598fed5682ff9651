// The sample app is data: what each route does. A host translates it into its framework and adds nothing: it never
// catches for the app, and what the app throws is the framework's to handle.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { ServerTracingOptions } from '../../src/core/index.ts'

/** What a handler is given. */
export interface At {
  req: IncomingMessage
  res: ServerResponse
  /** The framework's request: Express `req`, Koa `ctx`, Fastify `request`. */
  request: object
  /** The parsed body, when the app parses bodies. */
  body: unknown
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
  /** The template of a router that the route sits in, below the app: `/tenants/:tenant`. */
  mount?: string
  handle(at: At): unknown
  /** The route's own tracing: Express and Koa mount the middleware there; Fastify takes it as `config.tracing`. */
  tracing?: false | ServerTracingOptions<never>
}

export interface SampleApp {
  routes: SampleRoute[]
  /** Where tracing is mounted; default: once, on the app. */
  tracing?: 'app' | 'twice' | 'routes' | 'none'
  /** Parses JSON bodies, behind tracing. */
  parses?: boolean
  /** Authenticates: sets `user` the way the framework's users do, behind tracing. */
  user?: object
  /** The app's own error handler; default: the framework's. */
  onError?: (error: unknown, at: Pick<At, 'request'>) => Reply
  /** Settings of the HTTP server. */
  http2?: boolean
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

/** Routes by the router that they sit in; `undefined` for the app's own. */
export function byMount(routes: SampleRoute[]): Map<string | undefined, SampleRoute[]> {
  const mounts = new Map<string | undefined, SampleRoute[]>()
  for (const route of routes) mounts.set(route.mount, [...(mounts.get(route.mount) ?? []), route])
  return mounts
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

export function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
}

export function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}
