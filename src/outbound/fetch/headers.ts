// The trace's headers on their way into a call: checked, and put beside the caller's own without touching them.

/** Names and values that fetch takes as they are; an object of its own for each call. */
export type TraceHeaders = Record<string, string>

type HeadersGiven = ConstructorParameters<typeof Headers>[0] | null

// https://www.rfc-editor.org/rfc/rfc9110#name-tokens and #name-field-values; a line feed in a value would fail the call.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

// What decides about the message itself is no tracer's to set: https://fetch.spec.whatwg.org/#forbidden-request-header
const FORBIDDEN = new Set(
  (
    'accept-charset accept-encoding access-control-request-headers access-control-request-method authorization ' +
    'connection content-length content-type cookie cookie2 date dnt expect host keep-alive origin referer ' +
    'set-cookie te trailer transfer-encoding upgrade via'
  ).split(' '),
)

// Servers refuse a request whose headers are too long (node: over 16 KiB): ours must not be what makes them so.
const MAX_TRACE_HEADERS = 12 * 1024

/**
 * What a tracer has written into a carrier, without what would fail the call or change its meaning.
 *
 * @param dropped told the name of each header that is left out
 * @returns undefined when none is left
 */
export function checkHeaders(carrier: object, dropped: (name: string) => void): TraceHeaders | undefined {
  const headers: TraceHeaders = {}
  let length = 0
  for (const name of Object.keys(carrier)) {
    const value = (carrier as Record<string, unknown>)[name]
    const text = typeof value === 'number' ? String(value) : value
    if (typeof text === 'string' && mayBeSent(name) && FIELD_VALUE.test(text)) {
      length += name.length + text.length + 4
      if (length <= MAX_TRACE_HEADERS) {
        headers[name] = text
        continue
      }
      length -= name.length + text.length + 4
    }
    dropped(name)
  }
  return length === 0 ? undefined : headers
}

// The names that a tracer writes are few, but for baggage, which has a name for each key.
const MAX_REMEMBERED = 100
const remembered = new Map<string, boolean>()

function mayBeSent(name: string): boolean {
  let may = remembered.get(name)
  if (may === undefined) {
    may = TOKEN.test(name) && !isForbidden(name)
    if (remembered.size < MAX_REMEMBERED) remembered.set(name, may)
  }
  return may
}

function isForbidden(name: string): boolean {
  const lower = name.toLowerCase()
  return FORBIDDEN.has(lower) || lower.startsWith('proxy-') || lower.startsWith('sec-')
}

/**
 * The caller's headers with the trace's: a new object of the same shape, so that names keep the case in which they were
 * written. A header that the caller gave by a trace header's name is replaced. What is no set of headers at all is
 * given back, for fetch to refuse.
 */
export function joinHeaders(given: HeadersGiven | undefined, trace: TraceHeaders): HeadersGiven {
  if (given === undefined) return trace
  if (typeof given !== 'object' || given === null) return given
  if (isHeaders(given)) {
    const joined = given instanceof Headers ? new Headers(given) : sameClass(given)
    for (const [name, value] of Object.entries(trace)) joined.set(name, value)
    return joined
  }
  const names = new Set(Object.keys(trace).map(name => name.toLowerCase()))
  if (typeof (given as Iterable<unknown>)[Symbol.iterator] === 'function') {
    const pairs = Array.from(given as Iterable<unknown>, toPair).filter(pair => !isNamed(pair, names))
    return [...pairs, ...Object.entries(trace)] as [string, string][]
  }
  // A name that is a Symbol: for fetch to refuse.
  if (Object.getOwnPropertySymbols(given).length > 0) return given
  // Key by key: adding to a spread literal is ten times as slow.
  const joined: Record<string, string> = {}
  for (const name of Object.keys(given)) {
    if (!names.has(name.toLowerCase())) joined[name] = (given as Record<string, string>)[name] as string
  }
  return Object.assign(joined, trace)
}

/** A pair may be any iterable, and may be iterable only once; what is no pair stays, for fetch to refuse. */
function toPair(item: unknown): unknown {
  const iterable =
    typeof item === 'object' && item !== null && !Array.isArray(item) && Symbol.iterator in item
  return iterable ? [...(item as Iterable<unknown>)] : item
}

function isNamed(pair: unknown, names: ReadonlySet<string>): boolean {
  return Array.isArray(pair) && typeof pair[0] === 'string' && names.has(pair[0].toLowerCase())
}

/** Only a fetch's own Headers tell it the names' case. */
function sameClass(headers: object): Headers {
  return new (headers.constructor as typeof Headers)(headers as Headers)
}

/** By its tag, not its class: another fetch has Headers of its own, and asking is cheap. */
function isHeaders(given: object): given is Headers {
  return (given as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'Headers'
}
