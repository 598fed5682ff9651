// W3C `tracestate`: the other vendors' members are kept as they came, ours goes first.
// We write ours for a debug trace alone, since `traceparent` has no debug flag.

import type { TraceContext } from './context.ts'
import { trimmed } from './header-text.ts'

const MAX_MEMBERS = 32
const MAX_KEY_LENGTH = 256
const MAX_VALUE_LENGTH = 256
const OUR_KEY = 'tracing-middleware'
const OUR_DEBUG = `${OUR_KEY}=d`
const COMMA = 44
const EQUALS = 61

/** What `tracestate` says: the members of others, and whether ours asks for debug. */
export interface Tracestate {
  readonly others: string | undefined
  readonly debug: boolean
}

const NOTHING: Tracestate = { others: undefined, debug: false }

/**
 * Reads `tracestate`. One member against the grammar of level 2, or more than 32 of them: nothing of it is kept.
 * Empty members are allowed and left out.
 */
export function readTracestate(text: string): Tracestate {
  let others = ''
  let debug = false
  let members = 0
  for (let start = 0; start <= text.length; ) {
    let end = text.indexOf(',', start)
    if (end === -1) end = text.length
    const member = trimmed(text.slice(start, end))
    start = end + 1
    if (member === '') continue
    const equals = member.indexOf('=')
    if (++members > MAX_MEMBERS || !isKey(member, equals) || !isValue(member, equals + 1)) return NOTHING
    if (equals === OUR_KEY.length && member.startsWith(OUR_KEY)) debug ||= member === OUR_DEBUG
    else others = others === '' ? member : `${others},${member}`
  }
  return others === '' && !debug ? NOTHING : { others: others === '' ? undefined : others, debug }
}

/** The header to send; undefined when there is nothing to say. */
export function writeTracestate(context: TraceContext): string | undefined {
  const others = context.tracestate
  if (!context.debug) return others
  return others === undefined ? OUR_DEBUG : `${OUR_DEBUG},${upTo(others, MAX_MEMBERS - 1)}`
}

/** The first members alone: with ours in front, the one at the right end gives way (3.3.1.1). */
function upTo(others: string, limit: number): string {
  let members = 1
  for (let i = 0; i < others.length; i++) {
    if (others.charCodeAt(i) === COMMA && members++ === limit) return others.slice(0, i)
  }
  return others
}

/** A letter or digit, then letters, digits, `_`, `-`, `*`, `/`, `@`: lower case, 256 at most. */
function isKey(member: string, end: number): boolean {
  if (end < 1 || end > MAX_KEY_LENGTH) return false
  for (let i = 0; i < end; i++) {
    const c = member.charCodeAt(i)
    const plain = (c >= 97 && c <= 122) || (c >= 48 && c <= 57)
    if (!plain && (i === 0 || (c !== 95 && c !== 45 && c !== 42 && c !== 47 && c !== 64))) return false
  }
  return true
}

/** 1 to 256 visible ASCII characters or blanks, no comma, no equals sign; the end is never a blank (trimmed). */
function isValue(member: string, start: number): boolean {
  if (start === member.length || member.length - start > MAX_VALUE_LENGTH) return false
  for (let i = start; i < member.length; i++) {
    const c = member.charCodeAt(i)
    if (c < 32 || c > 126 || c === EQUALS) return false
  }
  return true
}
