// One HTTP connection to a backend, for bodies that should arrive: retried as OTLP asks for, bounded in every way, and
// never holding the process. It stands on node:http, which nothing of ours traces.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp-response

import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { ExportJob } from './exporter.ts'

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

export interface DeliverySettings {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly gzip: boolean
  /** Milliseconds for one attempt. */
  readonly timeout: number
  readonly tls: TlsOptions
}

/** What the backend said to a body that it took. */
export interface Answer {
  readonly contentType: string
  readonly body: Buffer
}

export interface Delivery {
  /** @throws when the backend refuses, or all attempts failed */
  deliver(body: Uint8Array, contentType: string, job: ExportJob): Promise<Answer>
  close(): void
}

const RETRIED = new Set([429, 502, 503, 504])
const MAX_ATTEMPTS = 5
const FIRST_PAUSE = 1000
const MAX_RETRY_AFTER = 300_000
const MAX_ANSWER = 64 * 1024

const compress = promisify(gzip)

/** A failure that another attempt may mend. */
class Retryable extends Error {
  /** Milliseconds that the backend asks to wait; undefined: it does not say. */
  readonly after: number | undefined

  constructor(message: string, after?: number) {
    super(message)
    this.after = after
  }
}

export function createDelivery(settings: DeliverySettings): Delivery {
  const { url, tls } = settings
  const pool = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 }
  const agent = url.protocol === 'https:' ? new https.Agent({ ...pool, ...tls }) : new http.Agent(pool)
  // Retry-After holds for all that is sent, not for one batch alone.
  let notBefore = 0

  async function deliver(body: Uint8Array, contentType: string, job: ExportJob): Promise<Answer> {
    const payload = settings.gzip ? await compress(body) : body
    for (let attempt = 1; ; attempt++) {
      await pause(notBefore - performance.now(), job)
      try {
        return await attemptOnce(settings, agent, payload, contentType, job.signal)
      } catch (error) {
        if (!(error instanceof Retryable) || job.signal.aborted) throw error
        if (error.after !== undefined) notBefore = performance.now() + Math.min(error.after, MAX_RETRY_AFTER)
        if (attempt === MAX_ATTEMPTS || job.hurry.aborted) throw error
        if (error.after === undefined)
          await pause(FIRST_PAUSE * 2 ** (attempt - 1) * (0.5 + Math.random()), job)
      }
    }
  }

  return { deliver, close: () => agent.destroy() }
}

/** Waits, unless somebody is in a hurry; rejects when the job is given up. */
function pause(milliseconds: number, { signal, hurry }: ExportJob): Promise<void> {
  if (milliseconds <= 0 || hurry.aborted) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, milliseconds)
    timer.unref()
    signal.addEventListener('abort', done)
    hurry.addEventListener('abort', done)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      hurry.removeEventListener('abort', done)
      if (signal.aborted) reject(signal.reason)
      else resolve()
    }
  })
}

function attemptOnce(
  { url, headers, gzip, timeout }: DeliverySettings,
  agent: http.Agent,
  payload: Uint8Array,
  contentType: string,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { request: send } = url.protocol === 'https:' ? https : http
    const request = send(url, {
      method: 'POST',
      agent,
      headers: {
        'user-agent': 'tracing-middleware',
        ...headers,
        'content-type': contentType,
        'content-length': payload.length,
        ...(gzip ? { 'content-encoding': 'gzip' } : undefined),
      },
    })
    let answer: { status: number; response: IncomingMessage; chunks: Buffer[] } | undefined
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeout} ms`)), timeout)
    timer.unref()
    const giveUp = () => request.destroy(signal.reason)
    signal.addEventListener('abort', giveUp)

    function settle(error?: NodeJS.ErrnoException): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
      if (answer === undefined) {
        // A kept connection that the backend closed just now: no reason to wait.
        const after = request.reusedSocket && error?.code === 'ECONNRESET' ? 0 : undefined
        reject(new Retryable(`${url.origin}: ${error?.message || error?.code || 'no answer'}`, after))
      } else if (answer.status >= 200 && answer.status < 300) {
        const type = answer.response.headers['content-type'] ?? ''
        resolve({ contentType: type, body: Buffer.concat(answer.chunks) })
      } else {
        reject(refusal(url, answer.status, answer.response))
      }
    }

    request.on('socket', socket => socket.unref())
    request.on('error', settle)
    request.on('response', response => {
      answer = { status: response.statusCode ?? 0, response, chunks: [] }
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length <= MAX_ANSWER) answer?.chunks.push(chunk)
        else request.destroy()
      })
      response.on('error', settle)
      response.on('close', () => settle())
    })
    request.end(payload)
  })
}

function refusal(url: URL, status: number, { headers }: IncomingMessage): Error {
  const text = `${url.origin} answers ${status}`
  return RETRIED.has(status) ? new Retryable(text, toMilliseconds(headers['retry-after'])) : new Error(text)
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after seconds, or a date */
function toMilliseconds(retryAfter: string | undefined): number | undefined {
  if (retryAfter === undefined) return undefined
  const seconds = Number(retryAfter)
  const milliseconds = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : seconds * 1000
  return milliseconds >= 0 ? milliseconds : undefined
}
