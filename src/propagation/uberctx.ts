// Jaeger's baggage (`uberctx-*`, `jaeger-baggage`) and its debug id, as jaeger-client has them.
// https://www.jaegertracing.io/sdk-migration/#propagation-format

import { addMember, type Gathered, isVisible, MAX_BYTES, MAX_MEMBERS, readList } from './baggage.ts'
import type { TraceContext } from './context.ts'
import type { Headers } from './find-headers.ts'
import type { WritableCarrier } from './format.ts'
import { first, joined, type Texts, trimmed } from './header-text.ts'
import type { FormatCounts } from './meter.ts'
import { consistsOf, decodePercent, encodePercent, TOKEN, URI_PLAIN } from './percent.ts'

const PREFIX = 'uberctx-'

/**
 * A baggage key as jaeger-client for node keeps it: lower case, `-` for `_`. Its `getBaggageItem('user_id')` looks
 * for `user-id`, so that this is what must be sent.
 *
 * @example
 * uberctxKey('User_Id') // 'user-id'
 */
export function uberctxKey(key: string): string {
  // Most keys are spelled so already, and asking is cheaper than making a copy.
  return /[A-Z_]/.test(key) ? key.toLowerCase().replaceAll('_', '-') : key
}

/**
 * Reads `uberctx-*` and `jaeger-baggage` into what `baggage` has given before. An item that is there under the same key
 * in `uberctxKey`'s spelling is the same item, and stays as it is.
 *
 * @returns how many items were new; `gathered.shared` counts those that were not
 */
export function readUberctx(headers: Headers, encoded: boolean, gathered: Gathered): number {
  const before = gathered.items.size
  const known = before === 0 ? undefined : spelledAlike(gathered.items)
  const pairs = headers.uberctx
  for (let i = 0; pairs !== undefined && i < pairs.length; i += 2) {
    readItem(pairs[i] as string, pairs[i + 1] as string, encoded, known, gathered)
  }
  readJaegerBaggage(joined(headers.jaegerBaggage), encoded, known, gathered)
  return gathered.items.size - before
}

function readJaegerBaggage(text: string, encoded: boolean, known: Known, gathered: Gathered): void {
  readList(text, gathered, item => {
    const equals = item.indexOf('=')
    // As jaeger-client has it: with two equals signs it is no item.
    if (equals === -1 || item.includes('=', equals + 1)) gathered.dropped++
    else readItem(trimmed(item.slice(0, equals)), trimmed(item.slice(equals + 1)), encoded, known, gathered)
  })
}

type Known = ReadonlyMap<string, string> | undefined

function spelledAlike(items: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const alike = new Map<string, string>()
  for (const [key, value] of items) alike.set(uberctxKey(key), value)
  return alike
}

function readItem(key: string, text: string, encoded: boolean, known: Known, gathered: Gathered): void {
  if (key === '' || !consistsOf(key, TOKEN) || (encoded && !isVisible(text))) {
    gathered.dropped++
    return
  }
  const value = encoded ? decodePercent(text) : text
  const there = known?.get(uberctxKey(key))
  if (there === undefined) addMember(gathered, key, value, key.length + 1 + text.length)
  else {
    gathered.shared++
    if (there !== value) gathered.disputed++
  }
}

/** `jaeger-debug-id`: undefined when it is absent, empty or no text that may stand in a header. */
export function readDebugId(header: Texts, encoded: boolean): string | undefined {
  const text = first(header)
  if (text === '' || (encoded && !isVisible(text))) return undefined
  return encoded ? decodePercent(text) : text
}

/**
 * Writes the baggage as `uberctx-*`, whole items within the limits; and the debug id of a context without a trace (with
 * one, jaeger-client does not send it either: the trace's own debug flag says it).
 *
 * @param encoded percent-encodes values: for HTTP headers, not for a text map
 * @returns whether anything was written
 */
export function writeUberctx(
  context: TraceContext,
  carrier: WritableCarrier,
  encoded: boolean,
  counts: FormatCounts,
): boolean {
  const { baggage, debugId } = context
  const sendsDebugId = debugId !== undefined && context.traceId === ''
  if (sendsDebugId) carrier['jaeger-debug-id'] = encoded ? encodePercent(debugId, URI_PLAIN) : debugId
  if (baggage === undefined) return sendsDebugId
  let bytes = 0
  let written = 0
  for (const [key, item] of baggage) {
    if (written === MAX_MEMBERS || key === '' || !consistsOf(key, TOKEN)) continue
    const value = encoded ? encodePercent(item, URI_PLAIN) : item
    if (bytes + key.length + 1 + value.length > MAX_BYTES) continue
    bytes += key.length + 1 + value.length
    carrier[`${PREFIX}${uberctxKey(key)}`] = value
    written++
  }
  counts.dropped += baggage.size - written
  return sendsDebugId || written > 0
}
