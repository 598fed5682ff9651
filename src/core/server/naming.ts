// OpenTracing cannot be asked whether user code has renamed a span. A name from user code is kept, so calls of
// `setOperationName` on a request's span are noticed.

import type { Span } from 'opentracing'
import { cleanName } from '../conventions/operation-name.ts'

const NAMED: unique symbol = Symbol('tracing-middleware.named') as never
type Named = Span & { [NAMED]?: true }

type SetOperationName = Span['setOperationName']

/**
 * Notices a later `setOperationName`.
 *
 * @returns the span's own method, which is not noticed
 */
export function watchName(span: Span): SetOperationName {
  const { setOperationName } = span
  // One shared function, no closure per span, unless the span has a method of its own.
  const isOwn = Object.hasOwn(span, 'setOperationName')
  span.setOperationName = isOwn ? nameBy(setOperationName) : nameByPrototype
  return setOperationName
}

/** Whether user code has named the span. */
export function wasNamedByUser(span: Span): boolean {
  return (span as Named)[NAMED] === true
}

function nameByPrototype(this: Named, name: string): Span {
  this[NAMED] = true
  return (Object.getPrototypeOf(this) as Span).setOperationName.call(this, cleanName(name))
}

function nameBy(setOperationName: SetOperationName): SetOperationName {
  return function (this: Named, name: string): Span {
    this[NAMED] = true
    return setOperationName.call(this, cleanName(name))
  }
}
