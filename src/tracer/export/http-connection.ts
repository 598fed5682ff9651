// One connection to a backend, for one request after the other. Not the client of node:http: it has its methods in common with
// the server, and V8 compiles them for both as soon as both are there. A POST for every 512 spans made each request of the
// service 6 % dearer (docs/performance.md).
// https://www.rfc-editor.org/rfc/rfc9112

import { connect, isIP, type Socket } from 'node:net'
import tls from 'node:tls'
import { isHeaders } from '../../core/settings/option-kinds.ts'

/** TLS as `node:tls` takes it. */
export interface TlsOptions {
  ca?: string | Buffer | (string | Buffer)[]
  cert?: string | Buffer
  key?: string | Buffer
  passphrase?: string
  servername?: string
  /** @default true */
  rejectUnauthorized?: boolean
}

export interface Reply {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Its beginning, if it is longer than it may be. */
  readonly body: Buffer
}

/** The backend has closed a kept connection just as it was used again. */
export class StaleConnection extends Error {}

const MAX_HEAD = 64 * 1024
const MAX_BODY = 64 * 1024
const NOTHING: Buffer = Buffer.alloc(0)

/** Somebody waits for an answer. */
interface Waiter {
  readonly isReused: boolean
  resolve(reply: Reply): void
  reject(error: Error): void
}

export class HttpConnection {
  readonly #url: URL
  readonly #tls: TlsOptions
  readonly #maxBody: number
  readonly #head: string
  #socket: Socket | undefined
  #waiter: Waiter | undefined
  #received: Buffer = NOTHING
  /** A kept connection is not used for longer than the backend keeps it. */
  #expires = Number.POSITIVE_INFINITY

  /**
   * @param maxBody bytes of an answer that are read
   * @throws TypeError when a header cannot be sent
   */
  constructor(
    url: URL,
    headers: Readonly<Record<string, string>>,
    tlsOptions: TlsOptions,
    maxBody: number = MAX_BODY,
  ) {
    this.#url = url
    this.#tls = tlsOptions
    this.#maxBody = maxBody
    this.#head = headOf(url, headers)
  }

  /** Posts, and reads the answer. One at a time; rejects when the connection fails before the answer has begun. */
  post(headers: Readonly<Record<string, string>>, body: Uint8Array): Promise<Reply> {
    return this.#ask(`POST ${this.#head}${linesOf(headers)}content-length: ${body.length}\r\n\r\n`, body)
  }

  /** The same without a body. */
  get(): Promise<Reply> {
    return this.#ask(`GET ${this.#head}\r\n`, NOTHING)
  }

  #ask(head: string, body: Uint8Array): Promise<Reply> {
    if (performance.now() > this.#expires) this.#forget()
    const isReused = this.#socket !== undefined
    const socket = this.#socket ?? this.#open()
    return new Promise((resolve, reject) => {
      this.#waiter = { isReused, resolve, reject }
      socket.cork()
      socket.write(head, 'latin1')
      socket.write(body)
      socket.uncork()
    })
  }

  /** Lets go of the connection. What is under way rejects with `reason`. */
  close(reason?: Error): void {
    if (this.#socket !== undefined) this.#lose(this.#socket, reason)
  }

  #open(): Socket {
    const { protocol, hostname, port } = this.#url
    const host = hostname.replace(/^\[|\]$/g, '')
    const isSecure = protocol === 'https:'
    const to = { host, port: Number(port) || (isSecure ? 443 : 80), noDelay: true, keepAlive: true }
    const socket = isSecure
      ? tls.connect({ ...to, ...(isIP(host) === 0 && { servername: host }), ...this.#tls })
      : connect(to)
    let failure: NodeJS.ErrnoException | undefined
    socket.on('error', error => {
      failure = error
    })
    socket.on('data', (chunk: Buffer) => {
      if (this.#socket === socket) this.#take(chunk)
    })
    socket.on('end', () => this.#lose(socket, failure))
    socket.on('close', () => this.#lose(socket, failure))
    socket.unref()
    this.#received = NOTHING
    this.#expires = Number.POSITIVE_INFINITY
    this.#socket = socket
    return socket
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    try {
      this.#look(this.#received.length > MAX_HEAD + this.#maxBody)
    } catch (error) {
      this.close(error as Error)
    }
  }

  /** Nothing more comes. */
  #lose(socket: Socket, failure: NodeJS.ErrnoException | undefined): void {
    if (this.#socket !== socket) return
    this.#socket = undefined
    socket.destroy()
    try {
      this.#look(true)
    } catch (error) {
      const waiter = this.#waiter
      this.#waiter = undefined
      const wasLost = failure === undefined || failure.code === 'ECONNRESET' || failure.code === 'EPIPE'
      const isStale = waiter?.isReused === true && this.#received.length === 0 && wasLost
      waiter?.reject(
        isStale ? new StaleConnection('it closed the connection') : (failure ?? (error as Error)),
      )
    }
  }

  /** Whether the answer is there. */
  #look(isWhole: boolean): void {
    const waiter = this.#waiter
    if (waiter === undefined) {
      // Nobody has asked for anything.
      this.#forget()
      return
    }
    const answered = readReply(this.#received, isWhole)
    if (answered === undefined) return
    const { isKept } = answered
    const reply = { ...answered.reply, body: answered.reply.body.subarray(0, this.#maxBody) }
    this.#waiter = undefined
    this.#received = NOTHING
    if (isKept) this.#expires = expiryOf(reply.headers['keep-alive'])
    else this.#forget()
    waiter.resolve(reply)
  }

  #forget(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }
}

function headOf(url: URL, headers: Readonly<Record<string, string>>): string {
  if (!isHeaders(headers)) throw new TypeError(`HTTP cannot send these headers: ${Object.keys(headers)}`)
  const { host, pathname, search, username, password } = url
  const secret = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const known: Record<string, string> =
    secret === ':' ? {} : { authorization: `Basic ${Buffer.from(secret).toString('base64')}` }
  return `${pathname}${search} HTTP/1.1\r\n${linesOf({ host, ...known, ...headers })}`
}

function linesOf(headers: Readonly<Record<string, string>>): string {
  let lines = ''
  for (const [name, value] of Object.entries(headers)) lines += `${name}: ${value}\r\n`
  return lines
}

interface Answered {
  readonly reply: Reply
  /** Whether the connection serves for another. */
  readonly isKept: boolean
}

const HEAD_END = Buffer.from('\r\n\r\n')

/**
 * The answer, once it is there.
 *
 * @param isWhole nothing more comes, or nothing more is wanted
 * @returns undefined as long as something is missing
 * @throws when the answer can never be there
 */
function readReply(received: Buffer, isWhole: boolean): Answered | undefined {
  const end = received.indexOf(HEAD_END)
  if (end === -1) {
    if (isWhole)
      throw new Error(received.length === 0 ? 'it closed the connection' : 'the answer is not HTTP')
    return undefined
  }
  const [first = '', ...lines] = received.toString('latin1', 0, end).split('\r\n')
  const [, minor, code] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first) ?? []
  if (code === undefined) throw new Error('the answer is not HTTP')
  const rest = received.subarray(end + HEAD_END.length)
  // "100 Continue" and its like stand before the answer.
  if (code.startsWith('1')) return readReply(rest, isWhole)
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const { body, end: bodyEnd } = readBody(rest, Number(code), headers)
  if (bodyEnd === undefined && !isWhole) return undefined
  const connection = (headers.connection ?? (minor === '0' ? 'close' : '')).toLowerCase()
  const isKept = bodyEnd === rest.length && !isWhole && !connection.includes('close')
  return { reply: { status: Number(code), headers, body }, isKept }
}

interface Body {
  readonly body: Buffer
  /** Where it ends; undefined: not here. */
  readonly end: number | undefined
}

function readBody(rest: Buffer, status: number, headers: Reply['headers']): Body {
  if (status === 204 || status === 304) return { body: NOTHING, end: 0 }
  if (/\bchunked$/i.test(headers['transfer-encoding'] ?? '')) return readChunks(rest)
  const length = Number(headers['content-length'] ?? Number.NaN)
  // An answer that does not say how long it is ends with the connection.
  if (Number.isNaN(length)) return { body: rest, end: undefined }
  return { body: rest.subarray(0, length), end: rest.length >= length ? length : undefined }
}

/** @see https://www.rfc-editor.org/rfc/rfc9112#section-7.1 */
function readChunks(rest: Buffer): Body {
  const chunks: Buffer[] = []
  const bodyUpTo = (end: number | undefined): Body => ({ body: Buffer.concat(chunks), end })
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd === -1) return bodyUpTo(undefined)
    const size = Number.parseInt(rest.toString('latin1', at, lineEnd), 16)
    if (!(size >= 0)) throw new Error('the answer is not HTTP')
    const start = lineEnd + 2
    if (size === 0) {
      // Behind the last chunk stand further headers, and in any case an empty line: from the end of its own line on.
      const end = rest.indexOf(HEAD_END, lineEnd)
      return bodyUpTo(end === -1 ? undefined : end + HEAD_END.length)
    }
    if (rest.length < start + size + 2) return bodyUpTo(undefined)
    chunks.push(rest.subarray(start, start + size))
    at = start + size + 2
  }
}

/** `Keep-Alive: timeout=5`, less a second for what is on its way. */
function expiryOf(keepAlive: string | undefined): number {
  const [, seconds] = /\btimeout=(\d+)/i.exec(keepAlive ?? '') ?? []
  return seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + (Number(seconds) - 1) * 1000
}
