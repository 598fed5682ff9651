// Bodies that should arrive at a backend: retried as OTLP asks for, bounded in every way, and never holding the process.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp-response

import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { ExportJob } from './exporter.ts'
import { HttpConnection, StaleConnection, type TlsOptions } from './http-connection.ts'

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
  const { url, headers, tls } = settings
  const connect = () => new HttpConnection(url, { 'user-agent': 'tracing-middleware', ...headers }, tls)
  // The first shows at once whether the headers can be sent. There are as many as batches travel at a time.
  const all = [connect()]
  const idle = [...all]
  // Retry-After holds for all that is sent, not for one batch alone.
  let notBefore = 0

  async function deliver(body: Uint8Array, contentType: string, job: ExportJob): Promise<Answer> {
    const payload = settings.gzip ? await compress(body) : body
    const about: Record<string, string> = { 'content-type': contentType }
    if (settings.gzip) about['content-encoding'] = 'gzip'
    for (let attempt = 1; ; attempt++) {
      await pause(notBefore - performance.now(), job)
      try {
        return await post(about, payload, job.signal)
      } catch (error) {
        if (!(error instanceof Retryable) || job.signal.aborted) throw error
        if (error.after !== undefined) notBefore = performance.now() + Math.min(error.after, MAX_RETRY_AFTER)
        if (attempt === MAX_ATTEMPTS || job.hurry.aborted) throw error
        if (error.after === undefined)
          await pause(FIRST_PAUSE * 2 ** (attempt - 1) * (0.5 + Math.random()), job)
      }
    }
  }

  async function post(
    about: Readonly<Record<string, string>>,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Answer> {
    const connection = idle.pop() ?? connect()
    if (!all.includes(connection)) all.push(connection)
    try {
      return await attemptOnce(settings, connection, about, payload, signal)
    } finally {
      idle.push(connection)
    }
  }

  return {
    deliver,
    close() {
      for (const connection of all) connection.close()
    },
  }
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

async function attemptOnce(
  { url, timeout }: DeliverySettings,
  connection: HttpConnection,
  about: Readonly<Record<string, string>>,
  payload: Uint8Array,
  signal: AbortSignal,
): Promise<Answer> {
  const timer = setTimeout(() => connection.close(new Error(`no answer within ${timeout} ms`)), timeout)
  timer.unref()
  const giveUp = () => connection.close(signal.reason)
  signal.addEventListener('abort', giveUp)
  try {
    const reply = await connection.post(about, payload).catch(error => {
      throw lost(url, error)
    })
    const { status, headers, body } = reply
    if (status >= 200 && status < 300) return { contentType: headers['content-type'] ?? '', body }
    throw refusal(url, status, headers['retry-after'])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
}

function lost(url: URL, error: NodeJS.ErrnoException): Error {
  // A kept connection that the backend closed just now: no reason to wait.
  const after = error instanceof StaleConnection ? 0 : undefined
  return new Retryable(`${url.origin}: ${error.message || error.code || 'no answer'}`, after)
}

function refusal(url: URL, status: number, retryAfter: string | undefined): Error {
  const text = `${url.origin} answers ${status}`
  return RETRIED.has(status) ? new Retryable(text, toMilliseconds(retryAfter)) : new Error(text)
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after seconds, or a date */
function toMilliseconds(retryAfter: string | undefined): number | undefined {
  if (retryAfter === undefined) return undefined
  const seconds = Number(retryAfter)
  const milliseconds = Number.isNaN(seconds) ? Date.parse(retryAfter) - Date.now() : seconds * 1000
  return milliseconds >= 0 ? milliseconds : undefined
}
