// Options are checked once, when they are given: a bad value, an unknown or mis-cased key is a TypeError that names the
// option, the value and the fix.

import { validateHeaderName, validateHeaderValue } from 'node:http'

/** Whether a value will do, and what would. */
export type Check = readonly [accepts: (value: unknown) => boolean, wanted: string]

/** A mapped type over the keys: an option without a check does not compile. */
export type Checks<Options> = { readonly [K in keyof Required<Options>]: Check }

/**
 * @param made what the options were given to, for the error's text: `createTracer(options)`
 * @param prefix where the options are nested: `limits.`
 * @throws TypeError
 */
export function checkOptions<Options extends object>(
  made: string,
  prefix: string,
  checks: Checks<Options>,
  options: Options | undefined,
): void {
  if (options === undefined) return
  if (!isObject(options)) {
    throw new TypeError(
      `${made}: ${prefix ? prefix.slice(0, -1) : 'options'} must be an object, not ${show(options)}`,
    )
  }
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, key)) {
      throw new TypeError(
        `${made}: unknown option '${prefix}${key}'; ${suggestion(key, Object.keys(checks))}`,
      )
    }
    const [accepts, wanted] = checks[key as keyof Options]
    if (value !== undefined && !accepts(value)) {
      throw new TypeError(`${made}: ${prefix}${key} must be ${wanted}, not ${show(value)}`)
    }
  }
}

function suggestion(key: string, known: string[]): string {
  const near = known.find(name => name.toLowerCase() === key.toLowerCase())
  return near === undefined ? `the options are ${known.join(', ')}` : `did you mean '${near}'?`
}

/** A value for the text of an error, short. */
export function show(value: unknown): string {
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`
  try {
    const text = JSON.stringify(value) ?? String(value)
    return text.length > 80 ? `${text.slice(0, 79)}…` : text
  } catch {
    return `a value of type ${typeof value}`
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const aText: Check = [
  value => typeof value === 'string' && value.trim() !== '',
  'a text that is not empty',
]
export const aFlag: Check = [value => typeof value === 'boolean', 'true or false']
export const aFunction: Check = [value => typeof value === 'function', 'a function']
export const milliseconds: Check = [
  value => typeof value === 'number' && value > 0 && value < 2 ** 31,
  'a number of milliseconds above 0',
]

/** A whole number from `least` on. */
export function atLeast(least: number): Check {
  return [
    value => Number.isSafeInteger(value) && (value as number) >= least,
    `a whole number from ${least} on`,
  ]
}

export function oneOf(...values: readonly unknown[]): Check {
  return [value => values.includes(value), `one of ${values.map(show).join(', ')}`]
}

/** Tags of a process. */
export const aResource: Check = [
  value =>
    isObject(value) &&
    Object.values(value).every(item => ['string', 'number', 'boolean'].includes(typeof item)),
  "an object of texts, numbers and booleans, such as { 'deployment.environment.name': 'test' }",
]

export const aUrl: Check = [
  value => toHttpUrl(value) !== undefined,
  "a URL, such as 'http://localhost:4318/v1/traces'",
]

/** An http or https URL; undefined for anything else. */
export function toHttpUrl(value: unknown): URL | undefined {
  const text = value instanceof URL ? value.href : value
  if (typeof text !== 'string' || !/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) return undefined
  return new URL(text)
}

export const someHeaders: Check = [
  isHeaders,
  "an object of header names and values, such as { 'x-api-key': '...' }",
]

/** Names and values that node:http will send. */
export function isHeaders(value: unknown): value is Record<string, string> {
  if (!isObject(value)) return false
  try {
    for (const [name, text] of Object.entries(value)) {
      if (typeof text !== 'string') return false
      validateHeaderName(name)
      validateHeaderValue(name, text)
    }
    return true
  } catch {
    return false
  }
}
