// The span around a call: what it says at the start, at the headers, at a failure, and at the end of the body.

import type { Span } from 'opentracing'
import {
  cleanText,
  endScope,
  failureFields,
  kindOf,
  MAX_NAME_LENGTH,
  operationNameOf,
  type Receiver,
  redactUrl,
  registry,
  type Scope,
  startScope,
  watch,
} from '../core/index.ts'
import { type BodyEnd, whenBodyEnds } from './body.ts'
import { factsOf } from './facts.ts'
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
  const { tracer, tags } = settings
  const name = nameFor(settings, 'operationName', state) ?? operationNameOf(state.method, undefined)
  const facts = () => factsOf(settings, state, nameFor(settings, 'peerService', state))
  const options = tracer === undefined ? undefined : { tracer }
  const scope =
    tags === undefined
      ? startScope(name, options, facts)
      : startScope(name, { ...options, tags: { ...facts().toTags(), ...tags } })
  if (scope?.span !== undefined && settings.decorateSpan !== undefined) {
    ask(settings, 'decorateSpan', settings.decorateSpan, { ...state, phase: 'start', span: scope.span })
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

/**
 * Asks a function of the user's; what goes wrong in it is reported and counts as undefined. What it fetches itself is
 * not traced: it would be asked again for that call, without end.
 */
export function ask<State, Answer>(
  settings: FetchSettings,
  option: string,
  fn: (state: State) => Answer,
  state: State,
): Answer | undefined {
  registry.insideTracer++
  try {
    const answer = fn(state)
    watch(answer, option, settings.report)
    return answer
  } catch (error) {
    settings.report(option, error)
    return undefined
  } finally {
    registry.insideTracer--
  }
}

/** The headers are there. */
export function answered<R extends Response>(settings: FetchSettings, call: SpannedCall, response: R): R {
  const { scope, state } = call
  describe(settings, scope, span => {
    const { status, redirected } = response
    const own = settings.isError && ask(settings, 'isError', settings.isError, { ...state, response })
    const byStatus = status >= 400
    const failed = typeof own === 'boolean' ? own : byStatus
    // 0 is what Response.error() and an opaque response say.
    const isOrdinary = status > 0 && !byStatus && !failed && !redirected
    if (isOrdinary && (span as Receiver).completeFacts?.(status, undefined) === true) return
    const tags: Record<string, unknown> = status > 0 ? { 'http.status_code': status } : {}
    if (redirected) tags['http.final_url'] = redactUrl(response.url, settings.secret)
    if (failed) tags.error = true
    // Said aloud: a tracer that knows the status rule of its format must not know better than `isError`.
    else if (byStatus) tags.error = false
    watch(span.addTags(tags), 'addTags', settings.report)
  })
  decorateEnd(settings, call, { response, error: undefined, aborted: false })
  if (settings.bodyTimeout === undefined) endScope(scope)
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
  endScope(call.scope)
}

/** Writes on the span, whatever the tracer does. */
function describe(settings: FetchSettings, { span }: Scope, write: (span: Span) => void): void {
  if (span === undefined) return
  registry.insideTracer++
  try {
    write(span)
  } catch (error) {
    settings.report('span', error)
  } finally {
    registry.insideTracer--
  }
}

/** `abortedDuring` tells what the caller did not wait for; false when it was not the caller who ended the call. */
function describeFailure(
  settings: FetchSettings,
  span: Span,
  error: unknown,
  abortedDuring: 'headers' | 'body' | false,
): void {
  const fields = failureFields(error, settings.secret)
  if (abortedDuring !== false) {
    watch(span.addTags({ aborted: true }), 'addTags', settings.report)
    watch(
      span.log({ event: 'aborted', during: abortedDuring, message: fields.message }),
      'log',
      settings.report,
    )
    return
  }
  watch(span.addTags({ error: true, 'error.type': typeOf(error) }), 'addTags', settings.report)
  watch(span.log(fields), 'log', settings.report)
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
  if (settings.decorateSpan === undefined || scope.span === undefined) return
  ask(settings, 'decorateSpan', settings.decorateSpan, {
    ...state,
    phase: 'end',
    span: scope.span,
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
    endScope(scope)
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
