// A thrown value as the fields of an OpenTracing error log: enough to understand it, none of the luggage (an HTTP
// client's error carries its request, headers and all).

import type { Span } from 'opentracing'
import { cleanLines, cleanText, type IsSecret, isSecret, redactText } from './privacy.ts'

/** The longest stack that we log, in UTF-16 units. */
export const MAX_STACK_LENGTH = 8192

/** Own fields of an error that tell what happened and cannot hold a secret. */
const TELLING_FIELDS = ['code', 'errno', 'syscall', 'status', 'statusCode', 'type'] as const

/**
 * The fields of the log `event=error`: `error.kind`, `error.object`, `message`, `stack`, and `cause` when the error
 * names one. Reading any of them may throw (a getter of the app's): what cannot be read is left out.
 *
 * @see https://opentracing.io/specification/conventions/ "Log fields table"
 */
export function failureFields(error: unknown, secret: IsSecret = isSecret): Record<string, unknown> {
  const fields: Record<string, unknown> = { event: 'error', 'error.kind': kindOf(error) }
  const message = cleanLines(redactText(messageText(error), secret), MAX_STACK_LENGTH)
  const stack = read(error, 'stack')
  fields['error.object'] = error instanceof Error ? withoutLuggage(error, message) : message
  fields.message = message
  if (typeof stack === 'string') fields.stack = cleanLines(redactText(stack, secret), MAX_STACK_LENGTH)
  const cause = read(error, 'cause')
  if (cause !== undefined && cause !== null) {
    const code = read(cause, 'code')
    const text = `${kindOf(cause)}: ${messageText(cause)}${typeof code === 'string' ? ` (${code})` : ''}`
    fields.cause = cleanText(redactText(text, secret))
  }
  return fields
}

/** The name that an error goes by: its `name`, else the name of its class, else the type of what was thrown. */
export function kindOf(error: unknown): string {
  const name = read(error, 'name')
  if (typeof name === 'string' && name !== '') return cleanText(name)
  return error === null ? 'null' : typeof error
}

/** Logs a thrown value on a span and marks the span as failed. The caller guards the call. */
export function logFailure(span: Span, error: unknown, secret: IsSecret = isSecret): void {
  span.setTag('error', true)
  span.log(failureFields(error, secret))
}

function messageText(error: unknown): string {
  try {
    if (error instanceof Error) return String(error.message)
    return typeof error === 'object' && error !== null ? summary(error) : String(error)
  } catch {
    return 'a value that cannot be read'
  }
}

/** A thrown object that is no Error: its message if it has one; never its content. */
function summary(thrown: object): string {
  const message = read(thrown, 'message')
  return typeof message === 'string' ? message : `a thrown ${Array.isArray(thrown) ? 'array' : 'object'}`
}

function read(value: unknown, key: string): unknown {
  try {
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
  } catch {
    return undefined
  }
}

/**
 * The error itself when it carries nothing but name, message and stack. Else a stand-in of the same class without its
 * other fields: a reporter that serialises objects whole would write out a request's headers.
 */
function withoutLuggage(error: Error, message: string): Error {
  try {
    const light = Object.keys(error).every(isTelling) && message === error.message
    if (light && typeof (error as { toJSON?: unknown }).toJSON !== 'function') return error
    const copy = Object.create(Object.getPrototypeOf(error) as object) as Error
    define(copy, 'message', message)
    define(copy, 'name', error.name)
    define(copy, 'stack', `${error.name}: ${message}`)
    for (const key of TELLING_FIELDS) {
      const value = read(error, key)
      if (typeof value === 'string' || typeof value === 'number') define(copy, key, value)
    }
    define(copy, 'toJSON', undefined)
    return copy
  } catch {
    return new Error(message)
  }
}

function isTelling(key: string): boolean {
  return key === 'expose' || (TELLING_FIELDS as readonly string[]).includes(key)
}

function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, configurable: true, writable: true })
}
