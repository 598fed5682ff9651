// What the fetch tests call: real servers on 127.0.0.1 that remember what they were sent, and a way to write down
// everything that a caller can see of an outcome.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createNetServer, type Server, type Socket } from 'node:net'
import { types } from 'node:util'
import { gzipSync } from 'node:zlib'

export type Fetch = typeof globalThis.fetch

/** A request as a server saw it, without the trace's headers. */
export interface Received {
  method: string
  path: string
  headers: string[]
  body: string
}

export interface World {
  /** A server that does what its paths say, and the same on another port. */
  origin: string
  otherOrigin: string
  /** Nobody listens here. */
  closed: string
  received: Received[]
  /** The raw trace headers of each request, in order. */
  traces: Record<string, string>[]
  /** Waits for a request to have arrived. */
  arrival(path: string): Promise<void>
  close(): Promise<void>
}

const TRACE_HEADER = /^(uber-trace-id|uberctx-.*)$/i

export async function openWorld(): Promise<World> {
  const received: Received[] = []
  const traces: Record<string, string>[] = []
  const waiting: { path: string; arrived: () => void }[] = []
  const attempts = new Map<string, number>()
  const answer = (req: IncomingMessage, res: ServerResponse): void => {
    const path = req.url as string
    const entry: Received = { method: req.method as string, path, headers: [], body: '' }
    const trace: Record<string, string> = {}
    for (let i = 0; i < req.rawHeaders.length; i += 2) {
      const [name, value] = req.rawHeaders.slice(i, i + 2) as [string, string]
      if (TRACE_HEADER.test(name)) trace[name] = value
      else if (!/^host$/i.test(name)) entry.headers.push(`${name}: ${value}`)
    }
    received.push(entry)
    traces.push(trace)
    for (const wait of waiting.filter(one => path.startsWith(one.path))) wait.arrived()
    req.setEncoding('latin1')
    req.on('data', chunk => {
      entry.body += chunk
    })
    req.on('error', () => {})
    res.on('error', () => {})
    req.on('end', () => play(req, res, attempts))
  }
  const server = await open(createServer(answer))
  const other = await open(createServer(answer))
  const closed = await open(createNetServer())
  const origin = originOf(server)
  const closedOrigin = originOf(closed)
  await shut(closed)
  return {
    origin,
    otherOrigin: originOf(other),
    closed: closedOrigin,
    received,
    traces,
    arrival: path => new Promise(arrived => waiting.push({ path, arrived })),
    close: async () => {
      for (const one of [server, other]) {
        one.closeAllConnections()
        await shut(one)
      }
    },
  }
}

interface Turn {
  url: URL
  argument: string
  req: IncomingMessage
  res: ServerResponse
  attempts: Map<string, number>
}

const send = (
  res: ServerResponse,
  status: number,
  body = '',
  headers: Record<string, string | string[]> = {},
): unknown => res.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(body)

/** What a path's first part makes the server do. */
const plays: Record<string, (turn: Turn) => unknown> = {
  status: ({ res, argument }) => send(res, Number(argument), argument === '204' ? '' : `status ${argument}`),
  cookies: ({ res }) => send(res, 200, 'cookies', { 'Set-Cookie': ['a=1', 'b=2'], 'X-Two': ['one', 'two'] }),
  gzip: ({ res }) => res.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(10_000))),
  redirect: ({ res, argument, url }) =>
    send(res, Number(argument), '', { location: url.searchParams.get('to') as string }),
  loop: ({ res }) => send(res, 302, '', { location: '/loop' }),
  hang: () => {},
  drip: ({ res }) => res.writeHead(200, { 'content-type': 'text/plain' }).write('first part'),
  cut: ({ res, req }) =>
    res
      .writeHead(200, { 'content-length': '1000' })
      .write('first part', () => setTimeout(() => req.socket.destroy(), 20)),
  reset: ({ req }) => req.socket.destroy(),
  large: ({ res, argument }) => send(res, 200, 'x'.repeat(Number(argument))),
  slow: ({ res, argument }) => {
    res.write('first part')
    setTimeout(() => res.end('second part'), Number(argument))
  },
  flaky: ({ res, url, attempts }) => {
    const attempt = (attempts.get(url.pathname) ?? 0) + 1
    attempts.set(url.pathname, attempt)
    send(res, attempt <= 2 ? 503 : 200, `attempt ${attempt}`)
  },
}

function play(req: IncomingMessage, res: ServerResponse, attempts: Map<string, number>): void {
  const url = new URL(req.url as string, 'http://here')
  const [, what = '', argument = ''] = url.pathname.split('/')
  const turn = plays[what]
  if (turn === undefined) send(res, 200, `${req.method} ${req.url}`)
  else turn({ url, argument, req, res, attempts })
}

export async function open<S extends Server>(server: S): Promise<S> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return server
}

export function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export function shut(server: Server): Promise<unknown> {
  return new Promise(resolve => server.close(resolve))
}

/** A server of plain bytes: `reply` is handed what has come so far, and the socket. */
export async function openRaw(
  reply: (text: string, socket: Socket, requests: number) => void,
): Promise<{ origin: string; close(): Promise<unknown> }> {
  const sockets = new Set<Socket>()
  const server = await open(
    createNetServer(socket => {
      let requests = 0
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('data', chunk => reply(chunk.toString('latin1'), socket, ++requests))
    }),
  )
  return {
    origin: originOf(server),
    close: () => {
      for (const socket of sockets) socket.destroy()
      return shut(server)
    },
  }
}

/** Everything that can be seen of a call: of its response, or of what it rejects with. */
export async function see(call: () => Promise<Response>): Promise<unknown> {
  let promise: Promise<Response> | undefined
  try {
    promise = call()
    const response = await promise
    return { promise: kindOfPromise(promise), ...(await seeResponse(response)) }
  } catch (error) {
    return { promise: promise && kindOfPromise(promise), error: seeError(error) }
  }
}

function kindOfPromise(promise: unknown): unknown {
  return [promise instanceof Promise, Object.getPrototypeOf(promise) === Promise.prototype]
}

export async function seeResponse(response: Response): Promise<Record<string, unknown>> {
  const facts = {
    status: response.status,
    statusText: response.statusText,
    ok: response.ok,
    type: response.type,
    url: response.url,
    redirected: response.redirected,
    headers: [...response.headers].filter(([name]) => name !== 'date'),
    cookies: response.headers.getSetCookie(),
    isResponse: response instanceof Response && Object.getPrototypeOf(response) === Response.prototype,
    isProxy: types.isProxy(response) || types.isProxy(response.headers),
    ownKeys: Reflect.ownKeys(response).map(String),
    bodyUsed: response.bodyUsed,
  }
  return { ...facts, text: await response.text(), usedAfter: response.bodyUsed }
}

export function seeError(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return { value: error }
  const { name, message, code, cause } = error as Error & { code?: unknown }
  return {
    class: error.constructor.name,
    name,
    // OpenSSL starts its messages with the thread's number.
    message: String(message).replace(/^[0-9A-F]{8,}:/, ''),
    code,
    keys: Object.keys(error),
    ...(cause === undefined ? {} : { cause: seeError(cause) }),
  }
}
