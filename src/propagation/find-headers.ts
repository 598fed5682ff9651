// Finding our headers in a carrier: any case, any prototype, a Proxy that throws; cheap for what node:http parses.

import { first, type Texts, texts } from './header-text.ts'

/** The names of the formats, as `extract` and `inject` of the option `propagation` list them. */
export type FormatName = 'tracecontext' | 'baggage' | 'uber-trace-id' | 'b3' | 'b3multi'

/** What the carrier has under our names. */
export interface Headers {
  traceparent: Texts
  tracestate: Texts
  baggage: Texts
  uberTraceId: Texts
  jaegerBaggage: Texts
  jaegerDebugId: Texts
  /** The keys behind `uberctx-` as the carrier spells them, each followed by its first text. */
  uberctx: string[] | undefined
  b3: Texts
  b3TraceId: Texts
  b3SpanId: Texts
  b3ParentSpanId: Texts
  b3Sampled: Texts
  b3Flags: Texts
}

/** Finds our headers; undefined when the carrier has none of them. */
export type Find = (carrier: object) => Headers | undefined

type Readable = Record<string, unknown>

const UBERCTX = 'uberctx-'

/**
 * Makes the search for the headers that these formats read.
 *
 * `uberctx-*` can only be found by going through all keys, and so can a header in odd case. A carrier with `host` or
 * `:authority` in lower case comes from a server that lower-cases all names: there, direct look-ups are enough as long
 * as `uber-trace-id` is not listed.
 */
export function createFind(formats: readonly FormatName[]): Find {
  if (formats.includes('uber-trace-id')) return guarded(scan)
  const traceContext = formats.includes('tracecontext')
  const baggage = formats.includes('baggage')
  const b3 = formats.includes('b3')
  const b3multi = formats.includes('b3multi')
  return guarded(carrier => {
    const headers = carrier as Readable
    if (headers.host === undefined && headers[':authority'] === undefined) return scan(carrier)
    let found: Headers | undefined
    const traceparent = traceContext ? headers.traceparent : undefined
    if (traceparent !== undefined) {
      found = none()
      found.traceparent = texts(traceparent)
      found.tracestate = texts(headers.tracestate)
    }
    if (baggage && headers.baggage !== undefined) {
      found ??= none()
      found.baggage = texts(headers.baggage)
    }
    if (b3 && headers.b3 !== undefined) {
      found ??= none()
      found.b3 = texts(headers.b3)
    }
    if (!b3multi) return found
    const traceId = headers['x-b3-traceid']
    const spanId = headers['x-b3-spanid']
    const sampled = headers['x-b3-sampled']
    const flags = headers['x-b3-flags']
    if ((traceId ?? spanId ?? sampled ?? flags) !== undefined) {
      found ??= none()
      found.b3TraceId = texts(traceId)
      found.b3SpanId = texts(spanId)
      found.b3ParentSpanId = texts(headers['x-b3-parentspanid'])
      found.b3Sampled = texts(sampled)
      found.b3Flags = texts(flags)
    }
    return found
  })
}

/** The key of the only header that may be ours; undefined when there is none, or more than one. Throws as the carrier does. */
export function onlyKey(carrier: object): string | undefined {
  let only: string | undefined
  for (const key in carrier) {
    if (!mayBeOurs(key)) continue
    if (only !== undefined) return undefined
    only = key
  }
  return only
}

function none(): Headers {
  return {
    traceparent: undefined,
    tracestate: undefined,
    baggage: undefined,
    uberTraceId: undefined,
    jaegerBaggage: undefined,
    jaegerDebugId: undefined,
    uberctx: undefined,
    b3: undefined,
    b3TraceId: undefined,
    b3SpanId: undefined,
    b3ParentSpanId: undefined,
    b3Sampled: undefined,
    b3Flags: undefined,
  }
}

function scan(carrier: object): Headers | undefined {
  let found: Headers | undefined
  for (const key of Object.keys(carrier)) {
    if (mayBeOurs(key)) found = take(carrier as Readable, key, texts((carrier as Readable)[key]), found)
  }
  return found
}

/** Sorts out nearly all other headers by a few characters, in either case: tr.c, ub, ja, ba, b3, x-b. */
function mayBeOurs(key: string): boolean {
  const second = key.charCodeAt(1) | 32
  switch (key.charCodeAt(0) | 32) {
    case 116:
      return second === 114 && (key.charCodeAt(3) | 32) === 99
    case 117:
      return second === 98
    case 106:
      return second === 97
    case 98:
      return second === 97 || second === 51
    case 120:
      return second === 45 && (key.charCodeAt(2) | 32) === 98
    default:
      return false
  }
}

function take(
  carrier: Readable,
  key: string,
  value: Texts,
  before: Headers | undefined,
): Headers | undefined {
  if (value === undefined) return before
  const found = before ?? none()
  if (put(found, key, value)) return found
  if (!isOddCase(key)) return putUberctx(found, key, key, value) ? found : before
  const name = key.toLowerCase()
  if (putUberctx(found, key, name, value)) return found
  // The same header in lower case, met earlier or later, is the one that counts.
  return carrier[name] === undefined && put(found, name, value) ? found : before
}

function putUberctx(found: Headers, key: string, name: string, value: Texts): boolean {
  if (name.length === UBERCTX.length || !name.startsWith(UBERCTX)) return false
  found.uberctx ??= []
  found.uberctx.push(key.slice(UBERCTX.length), first(value))
  return true
}

function put(found: Headers, name: string, value: Texts): boolean {
  switch (name) {
    case 'traceparent':
      found.traceparent = value
      return true
    case 'tracestate':
      found.tracestate = value
      return true
    case 'baggage':
      found.baggage = value
      return true
    case 'uber-trace-id':
      found.uberTraceId = value
      return true
    case 'jaeger-baggage':
      found.jaegerBaggage = value
      return true
    case 'jaeger-debug-id':
      found.jaegerDebugId = value
      return true
    case 'b3':
      found.b3 = value
      return true
    case 'x-b3-traceid':
      found.b3TraceId = value
      return true
    case 'x-b3-spanid':
      found.b3SpanId = value
      return true
    case 'x-b3-parentspanid':
      found.b3ParentSpanId = value
      return true
    case 'x-b3-sampled':
      found.b3Sampled = value
      return true
    case 'x-b3-flags':
      found.b3Flags = value
      return true
    default:
      return false
  }
}

function isOddCase(key: string): boolean {
  for (let i = 0; i < key.length; i++) {
    const c = key.charCodeAt(i)
    if (c >= 65 && c <= 90) return true
  }
  return false
}

/** A carrier may be anything, with getters and traps that throw: then what can be read of it is read. */
function guarded(find: Find): Find {
  return carrier => {
    try {
      return find(carrier)
    } catch {
      return find(readableCopy(carrier))
    }
  }
}

function readableCopy(carrier: object): object {
  const copy: Readable = Object.create(null)
  for (const key of readableKeys(carrier)) {
    try {
      copy[key] = texts((carrier as Readable)[key])
    } catch {
      // This one cannot be read; the others may.
    }
  }
  return copy
}

function readableKeys(carrier: object): string[] {
  try {
    return Object.keys(carrier)
  } catch {
    return []
  }
}
