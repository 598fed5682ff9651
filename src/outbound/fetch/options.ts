// What a user may say about traced fetch, checked and completed once, before the first call.

import type { Span, Tracer } from 'opentracing'
import { cleanTags } from '../../core/server/attributes.ts'
import {
  aFunction,
  aTracer,
  type Checks,
  checkOptions,
  isPlainObject,
  someTexts,
} from '../../core/settings/check-options.ts'
import { createReport, type OnError, type Report } from '../../core/settings/report.ts'
import { createIsSecret, type IsSecret } from '../../core/text/secret-keys.ts'

/** The type of the global `fetch`. */
export type Fetch = typeof globalThis.fetch

/** What is known of a call before it is sent. */
export interface FetchState {
  /** The first argument, as your code gave it. */
  input: Parameters<Fetch>[0]
  /** The second argument, as your code gave it. */
  init: Parameters<Fetch>[1]
  /** The URL, parsed and whole: secrets in it are not redacted here. */
  url: URL
  /** The method as it is sent: `get` is sent as `GET`, `patch` as `patch`. */
  method: string
}

/** What `decorateSpan` is called with: `phase` says whether the call starts or ends. */
export type FetchSpanState =
  | ({ phase: 'start'; span: Span } & FetchState)
  | ({ phase: 'end'; span: Span } & FetchState & {
        /** The very response that your code gets; its body is unread, and must stay so. Undefined: there is none. */
        response: Response | undefined
        /** What the call rejects with; undefined when there is a response. */
        error: unknown
        /** Whether your own signal ended the call. */
        aborted: boolean
      })

/** Options of {@link createTracedFetch}; everything may be left out. */
export interface TracedFetchOptions {
  /** Any OpenTracing 0.14 tracer. @default the active span's, else opentracing.globalTracer() */
  tracer?: Tracer
  /** The fetch that does the work. @default globalThis.fetch, looked up at every call: a mock installed later is used */
  fetch?: Fetch
  /** Whether a call outside of any trace starts one; with `false` such a call has no span and sends no headers. @default true */
  rootSpans?: boolean
  /**
   * Who is sent trace headers: `true` everyone, `false` nobody, a list of origins (`'https://api.example.com'`, or a
   * RegExp for the origin), or a function. Redirects are followed by `fetch` itself, with the headers of the first
   * request. @default true
   */
  propagate?: boolean | readonly (string | RegExp)[] | ((state: FetchState) => boolean)
  /** The operation name. What a function gives that is no string means the default. @default the method: 'GET' */
  operationName?: string | ((state: FetchState) => string | undefined)
  /** Tags for every span, set before the sampler decides; they win over ours. @default {} */
  tags?: Record<string, unknown>
  /** The tag `peer.service`: the name of the service that is called. @default none */
  peerService?: string | ((state: FetchState) => string | undefined)
  /** Whether an answer is a failure (the tag `error`); a call without an answer always is. @default status 400 and above */
  isError?: (state: FetchState & { response: Response }) => boolean
  /** Called when the span starts, and when the headers are there or the call has failed. @default nothing */
  decorateSpan?: (state: FetchSpanState) => void
  /** When the span ends: with the response's headers, or with its body. @default 'headers' */
  endOn?: 'headers' | 'body'
  /** With `endOn: 'body'`, the longest wait for a body that nobody reads, in milliseconds after the headers. @default 60_000 */
  bodyTimeout?: number
  /** Further query keys and fields whose values are secrets; added to the list in docs/privacy.md. @default [] */
  secretKeys?: readonly string[]
  /** Hears of a failing tracer or callback, once per place. @default process.emitWarning */
  onError?: OnError
}

/** The options, checked and completed: the call path asks nothing twice. */
export interface FetchSettings {
  readonly tracer: Tracer | undefined
  readonly fetch: Fetch | undefined
  readonly rootSpans: boolean
  /** undefined: everyone. */
  readonly propagates: ((state: FetchState) => boolean) | undefined
  readonly operationName: TracedFetchOptions['operationName']
  readonly tags: Record<string, unknown> | undefined
  readonly peerService: TracedFetchOptions['peerService']
  readonly isError: TracedFetchOptions['isError']
  readonly decorateSpan: TracedFetchOptions['decorateSpan']
  /** undefined: the span ends with the headers. */
  readonly bodyTimeout: number | undefined
  readonly secret: IsSecret
  readonly report: Report
}

const aBoolean = (value: unknown): boolean => typeof value === 'boolean'
const aName = (value: unknown): boolean => typeof value === 'string' && value !== ''
const MAX_TIMEOUT = 2 ** 31 - 1

const CHECKS: Checks<TracedFetchOptions> = {
  tracer: aTracer,
  fetch: [aFunction, 'a function with the type of the global fetch'],
  rootSpans: [aBoolean, 'true or false'],
  propagate: [
    v => aBoolean(v) || aFunction(v) || (Array.isArray(v) && v.every(isOrigin)),
    "true, false, a function, or an array of origins without path ('https://api.example.com') and RegExps",
  ],
  operationName: [v => aFunction(v) || aName(v), 'a string or a function, such as ({ method }) => method'],
  tags: [isPlainObject, "an object of tags, such as { 'service.tier': 'gold' }"],
  peerService: [v => aFunction(v) || aName(v), 'a string or a function, such as ({ url }) => url.hostname'],
  isError: [aFunction, 'a function, such as ({ response }) => response.status >= 500'],
  decorateSpan: [aFunction, 'a function, such as ({ span, phase, url }) => { ... }'],
  endOn: [v => v === 'headers' || v === 'body', "'headers' or 'body'"],
  bodyTimeout: [
    v => typeof v === 'number' && v > 0 && v <= MAX_TIMEOUT,
    `a number of milliseconds from 1 to ${MAX_TIMEOUT}`,
  ],
  secretKeys: [someTexts, "an array of keys, such as ['iban']"],
  onError: [aFunction, 'a function, such as (error, place) => logger.warn({ error, place })'],
}

/** Checks options and completes them. */
export function resolveOptions(options: TracedFetchOptions | undefined): FetchSettings {
  const hint = 'To make a call, write tracedFetch(url), or createTracedFetch()(url).'
  checkOptions(MADE, CHECKS, options, { hint })
  const given = options ?? {}
  if (given.bodyTimeout !== undefined && given.endOn !== 'body') {
    throw new TypeError(
      `${MADE}: bodyTimeout has a meaning with endOn: 'body' alone; add it, or leave both out`,
    )
  }
  return {
    tracer: given.tracer,
    fetch: given.fetch,
    rootSpans: given.rootSpans ?? true,
    propagates: toPropagates(given.propagate ?? true),
    operationName: given.operationName,
    tags: given.tags && Object.keys(given.tags).length > 0 ? cleanTags(given.tags) : undefined,
    peerService: given.peerService,
    isError: given.isError,
    decorateSpan: given.decorateSpan,
    bodyTimeout: given.endOn === 'body' ? (given.bodyTimeout ?? 60_000) : undefined,
    secret: createIsSecret(given.secretKeys),
    report: createReport(given.onError),
  }
}

const MADE = 'createTracedFetch(options)'

function toPropagates(
  propagate: NonNullable<TracedFetchOptions['propagate']>,
): ((state: FetchState) => boolean) | undefined {
  if (propagate === true) return undefined
  if (propagate === false) return () => false
  if (typeof propagate === 'function') return propagate
  const origins = new Set<string>()
  const patterns: RegExp[] = []
  for (const item of propagate) {
    if (typeof item === 'string') origins.add(new URL(item).origin)
    // Without g and y: those make a pattern remember where its last match ended.
    else patterns.push(new RegExp(item.source, item.flags.replace(/[gy]/g, '')))
  }
  return ({ url }) => origins.has(url.origin) || patterns.some(pattern => pattern.test(url.origin))
}

function isOrigin(value: unknown): boolean {
  if (value instanceof RegExp) return true
  if (typeof value !== 'string' || !URL.canParse(value)) return false
  const url = new URL(value)
  return /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`
}
