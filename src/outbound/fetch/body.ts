// The end of a response's body, seen from outside: undici tells it on Node's diagnostics channels, so that nobody has
// to touch, wrap or read the caller's Response. Nothing is subscribed before the first call that asks for it.

import diagnostics from 'node:diagnostics_channel'
import { currentScope, type Scope } from '../../core/scope.ts'

/** How a body came to its end. */
export type BodyEnd =
  | { how: 'complete' | 'timeout' | 'unwatched' }
  /** The connection broke, or somebody stopped reading: `error` tells. */
  | { how: 'failed'; error: unknown }

/** One request of undici's: a call has several when it is redirected. */
interface Sent {
  readonly url: string
  end: BodyEnd | undefined
  onEnd: ((end: BodyEnd) => void) | undefined
}

interface UndiciRequest {
  readonly origin: string | URL
  readonly path: string
}

// fetch follows 20 redirects at most.
const MAX_SENT = 32

const sentIn = new WeakMap<Scope, Sent[]>()
const sentAs = new WeakMap<object, Sent>()
let listening = false

/** Remembers what is sent within the scope, from now on. */
export function watchScope(scope: Scope): void {
  if (!listening) listen()
  sentIn.set(scope, [])
}

/**
 * Calls `done` once: when the body of the scope's response has come to its end, or after `timeout` milliseconds, or at
 * once when the end cannot be seen (a fetch that is not undici's, a mock).
 *
 * @param url the response's own URL
 */
export function whenBodyEnds(scope: Scope, url: string, timeout: number, done: (end: BodyEnd) => void): void {
  const wanted = withoutHash(url)
  const sent = sentIn.get(scope)?.findLast(request => request.url === wanted)
  sentIn.delete(scope)
  if (sent === undefined || sent.end !== undefined) {
    done(sent?.end ?? { how: 'unwatched' })
    return
  }
  const settle = (end: BodyEnd): void => {
    clearTimeout(timer)
    sent.onEnd = undefined
    done(end)
  }
  const timer = setTimeout(settle, timeout, { how: 'timeout' }).unref()
  sent.onEnd = settle
}

/**
 * @see https://github.com/nodejs/undici/blob/v6.24.1/docs/docs/api/DiagnosticsChannel.md
 */
function listen(): void {
  listening = true
  diagnostics.subscribe('undici:request:create', message => {
    const { request } = message as { request: UndiciRequest }
    const sent = listOf(currentScope())
    if (sent === undefined) return
    const origin = typeof request.origin === 'string' ? request.origin : request.origin.origin
    const record: Sent = { url: withoutHash(origin + request.path), end: undefined, onEnd: undefined }
    sentAs.set(request, record)
    if (sent.push(record) > MAX_SENT) sent.shift()
  })
  diagnostics.subscribe('undici:request:trailers', message => {
    settle((message as { request: object }).request, { how: 'complete' })
  })
  diagnostics.subscribe('undici:request:error', message => {
    const { request, error } = message as { request: object; error: unknown }
    settle(request, { how: 'failed', error })
  })
}

/** The list of the scope or of one around it: a fetch that opens spans of its own sends from inside those. */
function listOf(scope: Scope | undefined): Sent[] | undefined {
  for (let around = scope; around !== undefined; around = around.parent) {
    const sent = sentIn.get(around)
    if (sent !== undefined) return sent
  }
  return undefined
}

/** As undici sends it: without fragment, and without a lone question mark. */
function withoutHash(text: string): string {
  if (!URL.canParse(text)) return text
  const url = new URL(text)
  return url.origin + url.pathname + url.search
}

function settle(request: object, end: BodyEnd): void {
  const sent = sentAs.get(request)
  if (sent === undefined || sent.end !== undefined) return
  sent.end = end
  sent.onEnd?.(end)
}
