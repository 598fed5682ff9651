// The option `propagation`, the same everywhere, checked once.

import type { FormatName } from './find-headers.ts'

/** Which trace headers are read and written: the option `propagation` of everything that makes a tracer. */
export interface PropagationOptions {
  /**
   * The formats to read, in order of precedence: the first that is valid tells the trace. Baggage and debug headers of
   * every listed format are honoured whichever wins. An empty list trusts nobody.
   * @default ['tracecontext', 'baggage', 'uber-trace-id', 'b3', 'b3multi']
   */
  extract?: readonly FormatName[]
  /**
   * The formats to write, all with the same ids. An empty list writes nothing.
   * @default ['tracecontext', 'baggage', 'uber-trace-id']
   */
  inject?: readonly FormatName[]
  /**
   * A request header, in lower case in the carrier, that tells who calls (`'x-caller'`, `'user-agent'`), for the migration meter. Of at most 100
   * callers the meter keeps apart what they send; the others are counted together.
   * @default none: the peer that is told to `extract`, where one is
   */
  callerHeader?: string
}

/** The options, checked and completed. */
export interface PropagationSettings {
  readonly extract: readonly FormatName[]
  readonly inject: readonly FormatName[]
  readonly callerHeader: string | undefined
}

/** All formats, in the default order of precedence. */
export const FORMAT_NAMES: readonly FormatName[] = [
  'tracecontext',
  'baggage',
  'uber-trace-id',
  'b3',
  'b3multi',
]
const DEFAULT_INJECT: readonly FormatName[] = ['tracecontext', 'baggage', 'uber-trace-id']

type Resolve = {
  readonly [K in keyof Required<PropagationOptions>]: (value: unknown) => PropagationSettings[K]
}

// A mapped type over the keys: an option that is not resolved here does not compile.
const RESOLVE: Resolve = {
  extract: value => (value === undefined ? FORMAT_NAMES : formats('extract', value)),
  inject: value => (value === undefined ? DEFAULT_INJECT : formats('inject', value)),
  callerHeader: headerName,
}

/**
 * Checks options and completes them.
 *
 * @throws TypeError naming the option, the value and the fix
 */
export function resolvePropagation(options: PropagationOptions | undefined): PropagationSettings {
  const given: Record<string, unknown> = { ...options }
  if (options !== undefined && (typeof options !== 'object' || options === null || Array.isArray(options))) {
    throw new TypeError(
      `propagation must be an object, such as { inject: ['tracecontext', 'baggage'] }, not ${show(options)}`,
    )
  }
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(RESOLVE, key)) continue
    throw new TypeError(`propagation: unknown option '${key}'; ${nearest(key, Object.keys(RESOLVE))}`)
  }
  return {
    extract: RESOLVE.extract(given.extract),
    inject: RESOLVE.inject(given.inject),
    callerHeader: RESOLVE.callerHeader(given.callerHeader),
  }
}

function formats(option: string, value: unknown): readonly FormatName[] {
  if (!Array.isArray(value)) {
    throw new TypeError(
      `propagation.${option} must be an array of format names, such as ['tracecontext', 'baggage'], not ${show(value)}`,
    )
  }
  value.forEach((name, i) => {
    if (!(FORMAT_NAMES as readonly unknown[]).includes(name)) {
      const fix = nearest(String(name), FORMAT_NAMES)
      throw new TypeError(`propagation.${option}[${i}]: ${show(name)} is no format; ${fix}`)
    }
    if (value.indexOf(name) !== i) {
      throw new TypeError(`propagation.${option}[${i}]: '${name}' is listed twice; leave one of them out`)
    }
  })
  return [...value]
}

function headerName(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(value)) return value.toLowerCase()
  throw new TypeError(
    `propagation.callerHeader must be a header's name, such as 'x-caller', not ${show(value)}`,
  )
}

/** The name that was meant, by its letters and digits; else all of them. */
function nearest(wrong: string, names: readonly string[]): string {
  const meant = names.find(name => letters(name) === letters(wrong))
  return meant === undefined ? `use ${names.map(name => `'${name}'`).join(', ')}` : `use '${meant}'`
}

function letters(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '')
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`
  if (Array.isArray(value)) return 'an array'
  if (value !== null && typeof value === 'object') return 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
