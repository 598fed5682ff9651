// What the caller asks fetch for: read once, as fetch itself would read it, and never written to.

import type { Fetch } from './options.ts'

type Input = Parameters<Fetch>[0]
export type Init = Parameters<Fetch>[1]

/** The first argument: what to hand on, and what it says. */
export interface Asked {
  /** What fetch is given: the caller's object, or the text that an object of another kind stands for. */
  readonly input: Input
  readonly request: Request | undefined
  /** The URL of an HTTP call; undefined for anything else (`data:`, `blob:`, relative, invalid). */
  readonly url: URL | undefined
}

/**
 * Reads fetch's first argument. May throw what the caller's own object throws, as fetch would reject with it.
 *
 * @param foreign whether another fetch than Node's does the work: then a Request may be of another class than Node's
 */
export function readInput(input: Input, foreign: boolean): Asked {
  if (typeof input === 'string') return { input, request: undefined, url: parse(input) }
  if (input instanceof URL) return { input, request: undefined, url: parse(input.href) }
  if (isRequest(input, foreign)) return { input, request: input, url: parse(input.url) }
  if (typeof input !== 'object' && typeof input !== 'function')
    return { input, request: undefined, url: undefined }
  // Converted here, once: its toString may not be called twice.
  const text = input === null ? 'null' : String(input)
  return { input: text, request: undefined, url: parse(text) }
}

function isRequest(input: Input, foreign: boolean): input is Request {
  if (input instanceof Request) return true
  const { url, headers } = (foreign ? (input ?? {}) : {}) as Partial<Request>
  return typeof url === 'string' && typeof headers === 'object'
}

function parse(text: string): URL | undefined {
  try {
    const url = new URL(text)
    return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined
  } catch {
    return undefined
  }
}

// https://fetch.spec.whatwg.org/#requestinit, and undici's `dispatcher`
const INIT_KEYS = [
  'method',
  'headers',
  'body',
  'referrer',
  'referrerPolicy',
  'mode',
  'credentials',
  'cache',
  'redirect',
  'integrity',
  'keepalive',
  'signal',
  'priority',
  'window',
  'duplex',
  'dispatcher',
] as const

/** A copy of fetch's second argument: also of what it inherits, what it computes, and what other fetches know. */
export function copyInit(init: Init): RequestInit {
  if (init === undefined || init === null) return {}
  const copy = { ...init } as Record<string, unknown>
  const given = init as Record<string, unknown>
  for (const key of INIT_KEYS) {
    if (key in copy) continue
    const value = given[key]
    if (value !== undefined) copy[key] = value
  }
  if (typeof copy.method === 'object' && copy.method !== null) copy.method = String(copy.method)
  return copy as RequestInit
}

/**
 * Keeps a Request's own referrer. Fetch resets it as soon as there is a second argument, and our headers make one.
 *
 * @see https://fetch.spec.whatwg.org/#dom-request step 13
 */
export function keepReferrer(init: RequestInit, request: Request): void {
  if (INIT_KEYS.some(key => (init as Record<string, unknown>)[key] !== undefined)) return
  if (!isReferrerKept()) return
  init.referrer = request.referrer
  init.referrerPolicy = request.referrerPolicy
}

let referrerIsKept: boolean | undefined

/** The fetch of Node 24 loses a Request's referrer by itself: then it is not ours to give back. */
function isReferrerKept(): boolean {
  if (referrerIsKept === undefined) {
    const [url, referrer] = ['http://localhost/', 'http://localhost/from']
    referrerIsKept = new Request(new Request(url, { referrer })).referrer === referrer
  }
  return referrerIsKept
}

const NORMALIZED = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])

/**
 * The method as it is sent.
 *
 * @see https://fetch.spec.whatwg.org/#concept-method-normalize
 */
export function methodOf(init: RequestInit, request: Request | undefined): string {
  const method = init.method === undefined ? (request?.method ?? 'GET') : String(init.method)
  if (NORMALIZED.has(method)) return method
  const upper = method.toUpperCase()
  return NORMALIZED.has(upper) ? upper : method
}
