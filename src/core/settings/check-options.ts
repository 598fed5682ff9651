// Options are checked once, when they are given: a bad value, an unknown or mis-cased key is a TypeError that names the
// option, the value and the fix.

import { redactText } from '../text/redact.ts'

/** Whether a value will do, what would, and whether the value is a secret that no error may show. */
export type Check = readonly [accepts: (value: unknown) => boolean, wanted: string, kind?: 'secret']

/** A mapped type over the keys: an option without a check does not compile. */
export type Checks<Options> = { readonly [K in keyof Required<Options>]: Check }

/**
 * Checks options that a user has given.
 *
 * @param usage what they were given to, for the error's text: `tracingMiddleware(options)`
 * @param where `prefix`: where they are nested (`limits.`); `hint`: what may have been meant by what is no object
 * @throws TypeError naming the option, the value and the fix
 */
export function checkOptions<Options extends object>(
  usage: string,
  checks: Checks<Options>,
  options: unknown,
  { prefix = '', hint = '' }: { prefix?: string; hint?: string } = {},
): asserts options is Options | undefined {
  if (options === undefined) return
  if (!isPlainObject(options)) {
    const what = prefix === '' ? ' takes an object of options' : `: ${prefix.slice(0, -1)} must be an object`
    throw new TypeError(`${usage}${what}, not ${show(options)}${hint === '' ? '' : `. ${hint}`}`)
  }
  for (const key of Object.keys(options)) {
    const check = Object.hasOwn(checks, key) ? checks[key as keyof Options] : undefined
    if (check === undefined) {
      throw new TypeError(
        `${usage}: unknown option '${prefix}${key}'; ${suggestion(key, Object.keys(checks))}`,
      )
    }
    const [accepts, wanted, kind] = check
    const value = options[key]
    if (value !== undefined && !accepts(value)) {
      const shown = kind === 'secret' ? '' : `, not ${show(value)}`
      throw new TypeError(`${usage}: ${prefix}${key} must be ${wanted}${shown}`)
    }
  }
}

function suggestion(key: string, known: string[]): string {
  const near = known.find(name => name.toLowerCase() === key.toLowerCase())
  return near === undefined ? `the options are ${known.join(', ')}` : `did you mean '${near}'?`
}

/** A value for the text of an error: short, and without credentials. */
export function show(value: unknown): string {
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`
  try {
    // Its class alone: a request that came instead of options holds what must not be in an error's text.
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlainObject(value)) {
      return `an object of the class ${value.constructor?.name ?? 'unknown'}`
    }
    const text = redactText(JSON.stringify(value) ?? String(value))
    return text.length > 80 ? `${text.slice(0, 79)}…` : text
  } catch {
    return `a value of type ${typeof value}`
  }
}

/** An object as written in code: neither an array nor of a class. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** An OpenTracing tracer, by its shape: it may come from another copy of `opentracing`. */
export const aTracer: Check = [
  value => {
    const tracer = value as Record<string, unknown> | null | undefined
    return ['startSpan', 'inject', 'extract'].every(method => typeof tracer?.[method] === 'function')
  },
  'an OpenTracing tracer (an object with startSpan, inject and extract)',
]

export const aFunction = (value: unknown): boolean => typeof value === 'function'

/** A list of texts that are not empty. */
export const someTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every(item => typeof item === 'string' && item !== '')
