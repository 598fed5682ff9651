// A thrown value as the fields of an OpenTracing error log: enough to understand it, none of the luggage (an HTTP
// client's error carries its request, headers and all).

import { types } from 'node:util'
import type { Span } from 'opentracing'
import { cleanLines, cleanText, redactBeginning } from '../text/redact.ts'
import { type IsSecret, isSecret } from '../text/secret-keys.ts'

/** The longest message and stack that we log, in UTF-16 units. */
export const MAX_STACK_LENGTH = 8192

/** Own fields of an error that tell what happened. */
const TELLING_FIELDS = ['code', 'errno', 'syscall', 'status', 'statusCode', 'type', 'expose'] as const

/**
 * The fields of the log `event=error`: `error.kind`, `error.object`, `message`, `stack`, and `cause` when the error
 * names one. Reading any of them may throw (a getter of the app's): what cannot be read is left out.
 *
 * @see https://opentracing.io/specification/conventions/ "Log fields table"
 */
export function failureFields(error: unknown, secret: IsSecret = isSecret): Record<string, unknown> {
  const clean = (text: string): string =>
    cleanLines(redactBeginning(text, MAX_STACK_LENGTH, secret), MAX_STACK_LENGTH)
  const message = clean(messageText(error))
  const stack = read(error, 'stack')
  const shownStack = typeof stack === 'string' ? clean(stack) : undefined
  const fields: Record<string, unknown> = {
    event: 'error',
    'error.kind': kindOf(error),
    'error.object': isError(error) ? withoutLuggage(error, message, shownStack, clean) : message,
    message,
  }
  if (shownStack !== undefined) fields.stack = shownStack
  const cause = read(error, 'cause')
  if (cause !== undefined && cause !== null) {
    const code = read(cause, 'code')
    const text = `${kindOf(cause)}: ${messageText(cause)}${typeof code === 'string' ? ` (${code})` : ''}`
    fields.cause = cleanText(clean(text))
  }
  return fields
}

/** The name that an error goes by: its `name`, else the name of its class, else the type of what was thrown. */
export function kindOf(error: unknown): string {
  const name = read(error, 'name')
  if (typeof name === 'string' && name !== '') return cleanText(name)
  const className = read(read(error, 'constructor'), 'name')
  if (typeof className === 'string' && className !== '' && className !== 'Object') return cleanText(className)
  return error === null ? 'null' : typeof error
}

/** Logs a thrown value on a span and marks the span as failed. The caller guards the call. */
export function logFailure(span: Span, error: unknown, secret: IsSecret = isSecret): void {
  span.setTag('error', true)
  span.log(failureFields(error, secret))
}

function isError(value: unknown): value is Error {
  try {
    return types.isNativeError(value) || value instanceof Error
  } catch {
    return false
  }
}

function messageText(error: unknown): string {
  try {
    return typeof error === 'object' && error !== null ? messageOfObject(error) : String(error)
  } catch {
    return UNREADABLE
  }
}

const UNREADABLE = 'a value that cannot be read'

/** Of an object that is no Error, the message if it has one; never its content. */
function messageOfObject(thrown: object): string {
  const { message } = thrown as { message?: unknown }
  if (isError(thrown)) return String(message)
  return typeof message === 'string' ? message : `a thrown ${Array.isArray(thrown) ? 'array' : 'object'}`
}

function read(value: unknown, key: string): unknown {
  try {
    const holds = (typeof value === 'object' && value !== null) || typeof value === 'function'
    return holds ? (value as Record<string, unknown>)[key] : undefined
  } catch {
    return undefined
  }
}

type Clean = (text: string) => string

/**
 * The error itself when it carries nothing that must not be seen. Else a stand-in with its name, its cleaned message
 * and stack, and the fields that tell what happened: a reporter that serialises objects whole (JSON.stringify,
 * util.inspect) would write out a request's headers.
 */
function withoutLuggage(error: Error, message: string, stack: string | undefined, clean: Clean): Error {
  try {
    if (isLight(error, message, stack, clean)) return error
  } catch {
    // A getter of the app's: the stand-in shows what can be read.
  }
  const standIn = new Error(message)
  define(standIn, 'name', kindOf(error))
  define(standIn, 'stack', stack ?? `${kindOf(error)}: ${message}`)
  for (const key of TELLING_FIELDS) {
    const value = read(error, key)
    if (typeof value === 'number') Object.assign(standIn, { [key]: value })
    else if (typeof value === 'string') Object.assign(standIn, { [key]: cleanText(clean(value)) })
  }
  return standIn
}

function isLight(error: Error, message: string, stack: string | undefined, clean: Clean): boolean {
  // util.inspect shows these two although they are not enumerable.
  if (Object.hasOwn(error, 'cause') || Object.hasOwn(error, 'errors')) return false
  const { toJSON, [INSPECT]: inspect } = error as { toJSON?: unknown; [INSPECT]?: unknown }
  if (toJSON !== undefined || inspect !== undefined) return false
  if (message !== error.message || stack !== error.stack) return false
  return Reflect.ownKeys(error).every(key => {
    const field = Object.getOwnPropertyDescriptor(error, key) as PropertyDescriptor
    if (!field.enumerable || key === 'message' || key === 'stack') return true
    if (key !== 'name' && !(TELLING_FIELDS as readonly unknown[]).includes(key)) return false
    return typeof field.value === 'string' ? clean(field.value) === field.value : isPlain(field.value)
  })
}

function isPlain(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean'
}

const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, configurable: true, writable: true })
}
