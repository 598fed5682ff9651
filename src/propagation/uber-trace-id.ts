// Jaeger's own format, as jaeger-client reads and writes it, but strict about what an id is.
// https://www.jaegertracing.io/sdk-migration/#propagation-format

import { firstValid, type Make, newContext, type TraceFormat } from './format.ts'
import { trimmed } from './header-text.ts'
import { hexDigit, narrowTraceId, readIds, toId, words } from './ids.ts'
import { decodePercent } from './percent.ts'
import { writeUberctx } from './uberctx.ts'

/** 32 + 16 + 16 digits of ids, two of flags, and three colons that may be percent-encoded. */
const MAX_LENGTH = 75
const COLON = 58
const ZERO = 48
const SAMPLED = 1
const DEBUG = 2

export const uberTraceId: TraceFormat = {
  name: 'uber-trace-id',
  header: 'uber-trace-id',

  extract(headers, encoded) {
    return firstValid(headers.uberTraceId, encoded ? readEncoded : readPlain)
  },

  read,

  inject(context, carrier, encoded, counts) {
    const more = writeUberctx(context, carrier, encoded, counts)
    if (context.traceId === '') return more
    const flags = context.debug ? SAMPLED | DEBUG : context.sampled === true ? SAMPLED : 0
    carrier['uber-trace-id'] =
      `${narrowTraceId(context.traceId)}:${context.spanId}:${context.parentId ?? '0'}:${flags}`
    return true
  },
}

const readEncoded = (text: string) => read(text, true, newContext)
const readPlain = (text: string) => read(text, false, newContext)

function read<Context>(value: string, encoded: boolean, make: Make<Context>): Context | undefined {
  const isEscaped = encoded && value.length <= MAX_LENGTH && value.includes('%')
  const text = trimmed(isEscaped ? decodePercent(value) : value)
  // Ids of full width stand at fixed places; jaeger-client drops leading zeros.
  if (text.charCodeAt(32) === COLON && text.charCodeAt(49) === COLON && readIds(text, 0, 33))
    return readRest(text.slice(0, 32), text.slice(33, 49), text, 50, make)
  const traceEnd = text.indexOf(':')
  const spanEnd = text.indexOf(':', traceEnd + 1)
  if (spanEnd <= traceEnd) return undefined
  const traceId = toId(text.slice(0, traceEnd), 32)
  const spanId = toId(text.slice(traceEnd + 1, spanEnd), 16)
  if (!readIds(traceId + spanId, 0, 32)) return undefined
  return readRest(traceId, spanId, text, spanEnd + 1, make)
}

/** `parent:flags`; a root span's parent is `0`. */
function readRest<Context>(
  traceId: string,
  spanId: string,
  text: string,
  start: number,
  make: Make<Context>,
): Context | undefined {
  const end = text.indexOf(':', start)
  const flags = flagsOf(text, end + 1)
  if (end === -1 || flags === -1) return undefined
  const isRoot = end === start + 1 && text.charCodeAt(start) === ZERO
  const parent = isRoot ? '' : text.slice(start, end)
  const parentId = isRoot ? '' : toId(parent, 16)
  if (parentId === '' && !isRoot && !/^0{1,16}$/.test(parent)) return undefined
  const debug = (flags & DEBUG) !== 0
  return make(traceId, spanId, parentId, debug || (flags & SAMPLED) !== 0, debug, false, words)
}

/** One or two hex digits to the end of the text; -1 for anything else. */
function flagsOf(text: string, start: number): number {
  const digits = text.length - start
  if (digits !== 1 && digits !== 2) return -1
  const last = hexDigit(text.charCodeAt(text.length - 1))
  if (digits === 1 || last === -1) return last
  const high = hexDigit(text.charCodeAt(start))
  return high === -1 ? -1 : high * 16 + last
}
