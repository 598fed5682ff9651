// A span around a block of code.

import type { Span } from 'opentracing'
import { NOOP_SPAN } from './noop.ts'
import { runInScope, type Scope } from './scope.ts'
import { endScope, type SpanOptions, startScope } from './start-scope.ts'

/** The part of a span's options that a user of `withSpan` gives. */
export type WithSpanOptions = Omit<SpanOptions, 'tracer'>

/**
 * Runs `fn` inside a span of its own: a child of the active span, active for everything that `fn` starts, ended when
 * `fn` returns, throws, or its promise settles. What `fn` throws is logged on the span and thrown on unchanged.
 *
 * A thenable that is no promise (a query builder) is given back as it is, and its span ends when it has been awaited.
 * A generator or stream has only been created when `fn` returns: wrap the function that consumes it instead.
 *
 * Work that outlives the request takes the request's span as `followsFrom`. Work that starts after its request has ended
 * follows from it by itself.
 *
 * @param name the operation name
 * @param options `tags`, `childOf` (`null`: a new trace), `followsFrom`, `startTime` (ms since the epoch)
 * @param fn the work; it is given the span (a span that does nothing while no tracer is installed)
 * @returns what `fn` returns
 * @throws TypeError when `fn` is no function
 * @example
 * const order = await withSpan('load order', { tags: { 'order.id': id } }, span => db.load(id))
 */
export function withSpan<T>(name: string, fn: (span: Span) => T): T
export function withSpan<T>(name: string, options: WithSpanOptions, fn: (span: Span) => T): T
export function withSpan<T>(
  name: string,
  optionsOrFn: WithSpanOptions | ((span: Span) => T),
  maybeFn?: (span: Span) => T,
): T {
  const fn = typeof optionsOrFn === 'function' ? optionsOrFn : maybeFn
  if (typeof fn !== 'function') throw new TypeError('withSpan(name, options?, fn): fn must be a function')
  const scope = startScope(name, typeof optionsOrFn === 'function' ? undefined : optionsOrFn)
  if (scope === undefined) return fn(NOOP_SPAN)
  let result: T
  try {
    result = runInScope(scope, () => fn(scope.liveSpan as Span))
  } catch (error) {
    endScope(scope, { error })
    throw error
  }
  return endWhenSettled(scope, result)
}

function endWhenSettled<T>(scope: Scope, result: T): T {
  if (result instanceof Promise && result.constructor === Promise) {
    return result.then(
      value => {
        endScope(scope)
        return value
      },
      error => {
        endScope(scope, { error })
        throw error
      },
    ) as T
  }
  const then = thenOf(result)
  if (then === undefined) endScope(scope)
  else if (result instanceof Promise) {
    // A subclass keeps its identity and its extra methods.
    result.then(
      () => endScope(scope),
      error => endScope(scope, { error }),
    )
  } else followThenable(scope, result as object, then)
  return result
}

type Then = PromiseLike<unknown>['then']

function thenOf(value: unknown): Then | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined
  try {
    const { then } = value as { then?: unknown }
    return typeof then === 'function' ? (then as Then) : undefined
  } catch {
    // A getter of the app's that throws: `await` will show it to the app, the span has no promise to wait for.
    return undefined
  }
}

/**
 * Ends the scope when a thenable settles. Calling its `then` makes a query builder run its query: called by us and by the
 * caller's `await`, the query would run twice. So we wait for the caller's own call.
 */
function followThenable(scope: Scope, thenable: object, then: Then): void {
  const followed: Then = function (this: unknown, onValue, onError) {
    const settled = then.bind(this as PromiseLike<unknown>)
    return runInScope(scope, () =>
      settled(
        value => {
          endScope(scope)
          return onValue ? onValue(value) : (value as never)
        },
        error => {
          endScope(scope, { error })
          if (onError) return onError(error)
          throw error
        },
      ),
    )
  }
  try {
    Object.defineProperty(thenable, 'then', { value: followed, configurable: true, writable: true })
  } catch {
    // Frozen: its end cannot be seen.
    endScope(scope)
  }
}
