// The span around a call: what it says at the start, at the headers, at a failure, and at the end of the body.

import type { Span } from 'opentracing'
import { callTracer, untraced } from '../../core/call-tracer.ts'
import { failureFields, kindOf } from '../../core/conventions/error-fields.ts'
import { MAX_NAME_LENGTH, operationNameOf } from '../../core/conventions/operation-name.ts'
import { ABORTED, ERROR, ERROR_TYPE } from '../../core/conventions/tag-names.ts'
import type { Scope } from '../../core/scope.ts'
import { callUser } from '../../core/settings/report.ts'
import { endScope, startScope } from '../../core/start-scope.ts'
import { cleanText, redactUrl } from '../../core/text/redact.ts'
import { callTags, responseTags } from '../call-tags.ts'
import { type BodyEnd, whenBodyEnds } from './body.ts'
import type { FetchSettings, FetchState } from './options.ts'

/** A call that has a span. */
export interface SpannedCall {
  readonly scope: Scope
  readonly state: FetchState
  /** The caller's own signal. */
  readonly signal: AbortSignal | null | undefined
}

/** Starts the span; undefined when there is no tracer. */
export function startCall(settings: FetchSettings, state: FetchState): Scope | undefined {
  const { tracer, tags, secret, report } = settings
  const { method, url } = state
  const name = nameFor(settings, 'operationName', state) ?? operationNameOf(method, undefined)
  const makeTags = () => {
    const own = callTags('fetch', method, url, secret, nameFor(settings, 'peerService', state))
    return tags === undefined ? own : Object.assign(own, tags)
  }
  const options = tracer === undefined ? undefined : { tracer }
  const scope = startScope(name, options, makeTags, report)
  if (scope?.liveSpan !== undefined && settings.decorateSpan !== undefined) {
    ask(settings, 'decorateSpan', settings.decorateSpan, { ...state, phase: 'start', span: scope.liveSpan })
  }
  return scope
}

function nameFor(
  settings: FetchSettings,
  option: 'operationName' | 'peerService',
  state: FetchState,
): string | undefined {
  const given = settings[option]
  const name = typeof given === 'function' ? ask(settings, option, given, state) : given
  return typeof name === 'string' && name !== '' ? cleanText(name, MAX_NAME_LENGTH) : undefined
}

/** Calls a function of the user's. What it fetches itself is not traced: it would be called for that again, without end. */
export function ask<State, Answer>(
  { report }: FetchSettings,
  option: string,
  fn: (state: State) => Answer,
  state: State,
): Answer | undefined {
  return untraced(() => callUser(report, option, fn, state))
}

/** The headers are there. */
export function answered<R extends Response>(settings: FetchSettings, call: SpannedCall, response: R): R {
  const { scope, state } = call
  describe(settings, scope, span => {
    const { status, redirected } = response
    const own = settings.isError && ask(settings, 'isError', settings.isError, { ...state, response })
    const tags = responseTags(status, typeof own === 'boolean' ? own : undefined)
    if (redirected) tags['http.final_url'] = redactUrl(response.url, settings.secret)
    return span.addTags(tags)
  })
  decorateEnd(settings, call, { response, error: undefined, aborted: false })
  if (settings.bodyTimeout === undefined) endScope(scope, undefined, settings.report)
  else followBody(settings, call, response, settings.bodyTimeout)
  return response
}

/** The call rejects with `error`. */
export function failed(settings: FetchSettings, call: SpannedCall, error: unknown): void {
  let aborted = false
  describe(settings, call.scope, span => {
    aborted = isOwnAbort(call.signal, error)
    describeFailure(settings, span, error, aborted && 'headers')
  })
  decorateEnd(settings, call, { response: undefined, error, aborted })
  endScope(call.scope, undefined, settings.report)
}

/** Writes on the span, whatever the tracer does. */
function describe({ report }: FetchSettings, { liveSpan }: Scope, write: (span: Span) => unknown): void {
  if (liveSpan !== undefined) callTracer(report, 'span', () => write(liveSpan))
}

/** `abortedDuring`: what the caller did not wait for; false when the caller did not end the call. */
function describeFailure(
  settings: FetchSettings,
  span: Span,
  error: unknown,
  abortedDuring: 'headers' | 'body' | false,
): void {
  const { report, secret } = settings
  const fields = failureFields(error, secret)
  const aborted = abortedDuring !== false
  const tags = aborted ? { [ABORTED]: true } : { [ERROR]: true, [ERROR_TYPE]: typeOf(error) }
  const log = aborted ? { event: 'aborted', during: abortedDuring, message: fields.message } : fields
  callTracer(report, 'addTags', () => span.addTags(tags))
  callTracer(report, 'log', () => span.log(log))
}

/** What a network error is about stands in its cause: `ECONNREFUSED`, not `TypeError`. */
function typeOf(error: unknown): string {
  const { cause } = (error ?? {}) as { cause?: { code?: unknown } }
  if (typeof cause?.code === 'string' && cause.code !== '') return cleanText(cause.code)
  return kindOf(cause instanceof Error ? cause : error)
}

/** A signal that the caller pulled is an outcome; one that ran out (`AbortSignal.timeout`) is a failure. */
function isOwnAbort(signal: AbortSignal | null | undefined, error: unknown): boolean {
  if (signal?.aborted !== true || kindOf(signal.reason) === 'TimeoutError') return false
  return error === signal.reason || kindOf(error) === 'AbortError'
}

function decorateEnd(
  settings: FetchSettings,
  { scope, state }: SpannedCall,
  outcome: { response: Response | undefined; error: unknown; aborted: boolean },
): void {
  if (settings.decorateSpan === undefined || scope.liveSpan === undefined) return
  ask(settings, 'decorateSpan', settings.decorateSpan, {
    ...state,
    phase: 'end',
    span: scope.liveSpan,
    ...outcome,
  })
}

function followBody(
  settings: FetchSettings,
  { scope, signal }: SpannedCall,
  response: Response,
  timeout: number,
): void {
  describe(settings, scope, span => span.log({ event: 'headers' }))
  // Neither the response nor the caller's arguments may be held here: undici frees the connection of a response that
  // nobody reads when it is collected.
  whenBodyEnds(scope, response?.url, timeout, end => {
    describe(settings, scope, span => describeBody(settings, span, signal, end))
    endScope(scope, undefined, settings.report)
  })
}

function describeBody(
  settings: FetchSettings,
  span: Span,
  signal: AbortSignal | null | undefined,
  end: BodyEnd,
): void {
  if (end.how !== 'failed') {
    span.setTag('http.response_body', end.how)
    return
  }
  const error = signal?.aborted === true ? signal.reason : end.error
  const aborted = isOwnAbort(signal, error)
  // Without a signal, an AbortError is the reader's own `body.cancel()`, or a response that was collected unread.
  const cancelled = aborted || (signal?.aborted !== true && kindOf(error) === 'AbortError')
  span.setTag('http.response_body', cancelled ? 'cancelled' : 'failed')
  if (aborted || !cancelled) describeFailure(settings, span, error, aborted && 'body')
}
