// Traced fetch: fetch as it is, with a client span around each call and the trace's headers in it.

import opentracing, { type Span } from 'opentracing'
import { callTracer, isInsideTracer } from '../../core/call-tracer.ts'
import { currentScope, liveScope, runInScope } from '../../core/scope.ts'
import { watch } from '../../core/settings/report.ts'
import { watchScope } from './body.ts'
import { checkHeaders, joinHeaders, type TraceHeaders } from './headers.ts'
import { copyInit, type Init, keepReferrer, methodOf, readInput } from './input.ts'
import {
  type Fetch,
  type FetchSettings,
  type FetchState,
  resolveOptions,
  type TracedFetchOptions,
} from './options.ts'
import { answered, ask, failed, type SpannedCall, startCall } from './span.ts'

export type { FetchSpanState, FetchState, TracedFetchOptions } from './options.ts'

// Somebody may install a traced fetch as the global one: that must not call itself. Shared by every copy of this package.
const KEY: unique symbol = Symbol.for('tracing-middleware.fetch.1') as never
const shared = globalThis as { [KEY]?: { readonly original: Fetch; readonly traced: WeakSet<Fetch> } }
shared[KEY] ??= { original: globalThis.fetch, traced: new WeakSet() }
const known = shared[KEY]

/**
 * Makes a `fetch` that traces its calls, and is the same in everything else.
 *
 * @param options see {@link TracedFetchOptions}; all optional
 * @throws TypeError naming the option, the value and the fix
 * @example
 * const fetch = createTracedFetch({ propagate: ['https://api.example.com'], peerService: 'orders' })
 * const response = await fetch('https://api.example.com/orders/7')
 */
export function createTracedFetch(options?: TracedFetchOptions): Fetch {
  const settings = resolveOptions(options)
  // Named and counted like the global fetch: both can be seen.
  function fetch(input: Parameters<Fetch>[0], init: Init = undefined): ReturnType<Fetch> {
    const target = settings.fetch ?? globalFetch()
    if (isInsideTracer() || !(settings.rootSpans || isInTrace())) return target(input, init)
    return tracedCall(settings, target, input, init)
  }
  known.traced.add(fetch)
  return fetch
}

/**
 * `fetch` with a client span: a child of the active span, or the root of a new trace; the trace's headers go with it.
 *
 * @example
 * const response = await tracedFetch('https://api.example.com/orders/7')
 */
export const tracedFetch: Fetch = createTracedFetch()

function globalFetch(): Fetch {
  const found = globalThis.fetch
  return known.traced.has(found) ? known.original : found
}

function isInTrace(): boolean {
  return liveScope() !== undefined || currentScope()?.ended !== undefined
}

/** What fetch is given. */
interface Call {
  readonly input: Parameters<Fetch>[0]
  readonly init: Init
}
type TracedCall = Call & SpannedCall

function tracedCall(
  settings: FetchSettings,
  target: Fetch,
  input: Call['input'],
  init: Init,
): ReturnType<Fetch> {
  let call: Call | TracedCall
  try {
    call = prepare(settings, target, input, init)
  } catch (error) {
    // What the caller's own objects throw when they are read: fetch rejects with it.
    return Promise.reject(error)
  }
  return 'scope' in call ? send(settings, target, call) : target(call.input, call.init)
}

function prepare(
  settings: FetchSettings,
  target: Fetch,
  givenInput: Call['input'],
  givenInit: Init,
): Call | TracedCall {
  const { input, request, url } = readInput(givenInput, target !== known.original)
  if (url === undefined || !isInit(givenInit)) return { input, init: givenInit }
  const init = copyInit(givenInit)
  const state: FetchState = { input: givenInput, init: givenInit, url, method: methodOf(init, request) }
  const scope = startCall(settings, state)
  if (scope === undefined) return { input, init: givenInit === undefined ? undefined : init }
  const signal = init.signal === undefined ? request?.signal : init.signal
  const call: TracedCall = { input, init, scope, state, signal }
  try {
    const trace = traceHeaders(settings, call)
    if (trace !== undefined) {
      if (request !== undefined) keepReferrer(init, request)
      const headers = joinHeaders(init.headers === undefined ? request?.headers : init.headers, trace)
      init.headers = headers as NonNullable<typeof headers>
    }
  } catch (error) {
    failed(settings, call, error)
    throw error
  }
  return call
}

/** Anything else than an object fetch refuses: let it. */
function isInit(init: unknown): boolean {
  return init === undefined || typeof init === 'object' || typeof init === 'function'
}

/** undefined: none are sent. */
function traceHeaders(settings: FetchSettings, { scope, state }: TracedCall): TraceHeaders | undefined {
  const { propagates } = settings
  if (propagates !== undefined && ask(settings, 'propagate', propagates, state) !== true) return undefined
  const span = scope.liveSpan as Span
  const { report } = settings
  return callTracer(report, 'inject', () => {
    const carrier = {}
    watch(scope.tracer.inject(span.context(), opentracing.FORMAT_HTTP_HEADERS, carrier), 'inject', report)
    return checkHeaders(carrier, name => {
      report('inject', new TypeError(`the header ${JSON.stringify(name)} cannot be sent and is left out`))
    })
  })
}

function send(settings: FetchSettings, target: Fetch, call: TracedCall): ReturnType<Fetch> {
  const { input, init, scope } = call
  if (settings.bodyTimeout !== undefined) watchScope(scope)
  let sent: ReturnType<Fetch>
  try {
    sent = runInScope(scope, () => target(input, init))
  } catch (error) {
    // fetch rejects and never throws; a mock may.
    failed(settings, call, error)
    throw error
  }
  if (typeof sent?.then !== 'function') return answered(settings, call, sent as never)
  // The promise that follows, not the first one with a listener: a rejection that the caller forgets stays unhandled.
  return sent.then(
    response => answered(settings, call, response),
    error => {
      failed(settings, call, error)
      throw error
    },
  )
}
