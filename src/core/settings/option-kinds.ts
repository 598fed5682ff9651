// What the options of the tracer and its exporters may be.

import { validateHeaderName, validateHeaderValue } from 'node:http'
import { type Check, show } from './check-options.ts'

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
