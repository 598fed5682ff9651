// W3C Trace Context, level 1 and 2: `traceparent` and `tracestate`. https://www.w3.org/TR/trace-context-2/

import type { TraceContext } from './context.ts'
import { type Make, newContext, type TraceFormat } from './format.ts'
import { joined, type Texts, trimmed } from './header-text.ts'
import { lowerHexDigit, readIds, words } from './ids.ts'
import { readTracestate, writeTracestate } from './tracestate.ts'

const LENGTH = 55
/** Far above what a future version may need; "prohibitively large headers" may be refused (3.2.4). */
const MAX_LENGTH = 512
const DASH = 45
const ZERO = 48
const SAMPLED = 1
const RANDOM = 2
const FLAGS = ['-00', '-01', '-02', '-03'] as const

export const tracecontext: TraceFormat = {
  name: 'tracecontext',
  header: 'traceparent',

  extract(headers) {
    const value = headers.traceparent
    if (value === undefined) return undefined
    // Sent twice, neither is right: which of them is the caller's?
    const context = typeof value === 'string' ? readTraceparent(value, newContext) : undefined
    if (context === undefined) return null
    return headers.tracestate === undefined ? context : withTracestate(context, headers.tracestate)
  },

  read: (text, _encoded, make) => readTraceparent(text, make),

  inject(context, carrier) {
    if (context.traceId === '') return false
    const flags = (context.sampled === true || context.debug ? SAMPLED : 0) | (context.random ? RANDOM : 0)
    carrier.traceparent = `00-${context.traceId}-${context.spanId}${FLAGS[flags]}`
    const tracestate = writeTracestate(context)
    if (tracestate !== undefined) carrier.tracestate = tracestate
    return true
  },
}

function readTraceparent<Context>(value: string, make: Make<Context>): Context | undefined {
  const text = value.length === LENGTH ? value : trimmed(value)
  if (text.length < LENGTH || (text.length > LENGTH && !isFuture(text))) return undefined
  if (text.charCodeAt(2) !== DASH || text.charCodeAt(35) !== DASH || text.charCodeAt(52) !== DASH) {
    return undefined
  }
  if (!isVersion(text)) return undefined
  const high = lowerHexDigit(text.charCodeAt(53))
  const flags = lowerHexDigit(text.charCodeAt(54))
  if (high === -1 || flags === -1 || !readIds(text, 3, 36)) return undefined
  const sampled = (flags & SAMPLED) !== 0
  return make(text.slice(3, 35), text.slice(36, 52), '', sampled, false, (flags & RANDOM) !== 0, words)
}

/** A higher version may say more behind a further dash. A comma there means that node joined two headers. */
function isFuture(text: string): boolean {
  return (
    text.length <= MAX_LENGTH && text.charCodeAt(LENGTH) === DASH && !isVersion00(text) && !text.includes(',')
  )
}

function isVersion00(text: string): boolean {
  return text.charCodeAt(0) === ZERO && text.charCodeAt(1) === ZERO
}

function isVersion(text: string): boolean {
  if (isVersion00(text)) return true
  const high = lowerHexDigit(text.charCodeAt(0))
  const low = lowerHexDigit(text.charCodeAt(1))
  return high !== -1 && low !== -1 && high * 16 + low !== 255
}

function withTracestate(context: TraceContext, tracestate: Texts): TraceContext {
  const { others, debug } = readTracestate(joined(tracestate))
  if (others === undefined && !debug) return context
  return { ...context, tracestate: others, debug, sampled: context.sampled === true || debug }
}
