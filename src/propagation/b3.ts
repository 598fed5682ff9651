// B3, single header and several. https://github.com/openzipkin/b3-propagation

import type { TraceContext } from './context.ts'
import { firstValid, type Make, newContext, type TraceFormat } from './format.ts'
import { first, trimmed } from './header-text.ts'
import { isId, narrowTraceId, readIds, words } from './ids.ts'

const DASH = 45

type Decision = Pick<TraceContext, 'sampled' | 'debug'>

const DEFERRED: Decision = { sampled: undefined, debug: false }
const ACCEPTED: Decision = { sampled: true, debug: false }
const DENIED: Decision = { sampled: false, debug: false }
const DEBUG: Decision = { sampled: true, debug: true }

/** `b3: traceId-spanId-state-parentId`, the last two optional, or the state alone. */
export const b3: TraceFormat = {
  name: 'b3',
  header: 'b3',

  extract(headers) {
    return firstValid(headers.b3, readAny)
  },

  read: (text, _encoded, make) => readSingle(text, make),

  inject(context, carrier) {
    const state = stateOf(context)
    if (context.traceId === '') {
      if (state === '') return false
      carrier.b3 = state
      return true
    }
    const ids = `${narrowTraceId(context.traceId)}-${context.spanId}`
    // The parent's place is behind the state: without a state it cannot be said.
    if (state === '') carrier.b3 = ids
    else
      carrier.b3 = context.parentId === undefined ? `${ids}-${state}` : `${ids}-${state}-${context.parentId}`
    return true
  },
}

/** `x-b3-traceid`, `x-b3-spanid`, `x-b3-parentspanid`, `x-b3-sampled`, `x-b3-flags`. */
export const b3multi: TraceFormat = {
  name: 'b3multi',
  header: 'x-b3-traceid',

  extract(headers) {
    if ((headers.b3TraceId ?? headers.b3SpanId ?? headers.b3Sampled ?? headers.b3Flags) === undefined) {
      return undefined
    }
    const traceId = trimmed(first(headers.b3TraceId))
    const spanId = trimmed(first(headers.b3SpanId))
    const decision = decisionOf(trimmed(first(headers.b3Sampled)), trimmed(first(headers.b3Flags)))
    if (traceId === '' && spanId === '') return decision === DEFERRED ? undefined : decided(decision)
    const parentId = trimmed(first(headers.b3ParentSpanId))
    if (!isTraceId(traceId) || !isSpanId(spanId) || (parentId !== '' && !isSpanId(parentId))) return null
    return newContext(widened(traceId), spanId, parentId, decision.sampled, decision.debug, false)
  },

  // A trace id alone is no context.
  read: () => undefined,

  inject(context, carrier) {
    if (context.traceId !== '') {
      carrier['x-b3-traceid'] = narrowTraceId(context.traceId)
      carrier['x-b3-spanid'] = context.spanId
      if (context.parentId !== undefined) carrier['x-b3-parentspanid'] = context.parentId
    }
    if (context.debug) carrier['x-b3-flags'] = '1'
    else if (context.sampled !== undefined) carrier['x-b3-sampled'] = context.sampled ? '1' : '0'
    else return context.traceId !== ''
    return true
  },
}

function readAny(text: string): TraceContext | undefined {
  return readState(text) ?? readSingle(text, newContext)
}

/** A decision that stands alone. */
function readState(text: string): TraceContext | undefined {
  const state = stateFrom(trimmed(text))
  return state === undefined ? undefined : decided(state)
}

function readSingle<Context>(value: string, make: Make<Context>): Context | undefined {
  const text = trimmed(value)
  const traceEnd = text.charCodeAt(16) === DASH ? 16 : 32
  const spanEnd = traceEnd + 17
  const traceId = widened(text.slice(0, traceEnd))
  const spanId = text.slice(traceEnd + 1, spanEnd)
  if (text.charCodeAt(traceEnd) !== DASH || !readIds(traceId + spanId, 0, 32)) return undefined
  const isDeferred = text.length === spanEnd
  const decision = isDeferred ? DEFERRED : stateFrom(text.charAt(spanEnd + 1))
  if (decision === undefined || (!isDeferred && text.charCodeAt(spanEnd) !== DASH)) return undefined
  const stateEnd = spanEnd + 2
  const parentId = text.slice(stateEnd + 1)
  if (text.length > stateEnd && (text.charCodeAt(stateEnd) !== DASH || !isSpanId(parentId))) return undefined
  return make(traceId, spanId, parentId, decision.sampled, decision.debug, false, words)
}

function stateFrom(text: string): Decision | undefined {
  return text === '1' ? ACCEPTED : text === '0' ? DENIED : text === 'd' ? DEBUG : undefined
}

function stateOf(context: TraceContext): '' | '0' | '1' | 'd' {
  if (context.debug) return 'd'
  return context.sampled === undefined ? '' : context.sampled ? '1' : '0'
}

/** What is neither of the four words of `x-b3-sampled`, and flags other than 1, say nothing. */
function decisionOf(sampled: string, flags: string): Decision {
  if (flags === '1') return DEBUG
  if (sampled === '1' || sampled === 'true') return ACCEPTED
  return sampled === '0' || sampled === 'false' ? DENIED : DEFERRED
}

function isTraceId(text: string): boolean {
  return (text.length === 16 || text.length === 32) && isId(text, 0, text.length)
}

function isSpanId(text: string): boolean {
  return text.length === 16 && isId(text, 0, 16)
}

function decided({ sampled, debug }: Decision): TraceContext {
  return newContext('', '', '', sampled, debug, false)
}

function widened(traceId: string): string {
  return traceId.length === 16 ? `0000000000000000${traceId}` : traceId
}
