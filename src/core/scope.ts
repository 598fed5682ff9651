// The span that is active here: kept by AsyncLocalStorage, let go when its work ends.
// One registry per process, so that two copies of this package see the same active span.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Span, SpanContext, Tracer } from 'opentracing'

/**
 * What async code carries. The span is dropped when its work ends, so that a timer, a pooled connection or a
 * long-lived listener made during a request keeps this small object alive and never the span itself.
 */
export interface Scope {
  /** The span; undefined once its work has ended. */
  liveSpan: Span | undefined
  /** The ended span's context: late work in this scope still joins the trace, by follows-from. */
  ended: SpanContext | undefined
  /** The tracer that the span came from: late work goes to the same. */
  readonly tracer: Tracer
  /** The scope to fall back to when this one has ended first. */
  parent: Scope | undefined
  /** Called before user code gets the span. */
  onExposed?(): void
}

interface Registry {
  readonly storage: AsyncLocalStorage<Scope>
  /** How deep we are inside calls into a tracer: what a tracer does while we call it is never traced. */
  insideTracer: number
}

const KEY: unique symbol = Symbol.for('tracing-middleware.scopes.2') as never
const shared = globalThis as { [KEY]?: Registry }

shared[KEY] ??= { storage: new AsyncLocalStorage<Scope>(), insideTracer: 0 }
/** The process-wide state, shared by every copy of this package that knows version 2 of it. */
export const registry: Registry = shared[KEY]
const storage = registry.storage

/** The scope of the running code, whether its span still lives or not. */
export function currentScope(): Scope | undefined {
  return storage.getStore()
}

/** The nearest scope whose span still lives. */
export function liveScope(scope: Scope | undefined = storage.getStore()): Scope | undefined {
  let found = scope
  while (found !== undefined && found.liveSpan === undefined) found = found.parent
  return found
}

/** Runs `fn` with `scope` current, and gives back what `fn` gives back. */
export function runInScope<T>(scope: Scope, fn: () => T): T {
  return storage.run(scope, fn)
}

/**
 * The span of the work that is running here: the request's, or that of the innermost `withSpan`.
 *
 * Works in callbacks, timers, promises, streams and emitters that the work started. `undefined` outside of a
 * traced request, and once the request has ended.
 *
 * @example
 * activeSpan()?.setTag('user.plan', 'gold')
 */
export function activeSpan(): Span | undefined {
  const scope = liveScope()
  scope?.onExposed?.()
  return scope?.liveSpan
}

/**
 * Binds `fn` to a span: whenever and wherever `fn` is called, that span is active inside it. For listeners on a
 * shared emitter, tasks in a queue, callbacks of a connection pool, or a span that you started yourself.
 *
 * Once the span has ended, work in `fn` follows from it. A span that you started yourself is kept for as long as `fn`.
 *
 * @param fn the function to bind; `this` and arguments pass through
 * @param span the span to make active; default: the one that is active now, and none where none is
 * @returns a function of the same type, name and length
 * @throws TypeError when `fn` is no function
 * @example
 * pool.acquire(bindSpan(connection => activeSpan()?.log({ event: 'acquired' })))
 */
// biome-ignore lint/suspicious/noExplicitAny: the constraint "any function" cannot be said otherwise
export function bindSpan<F extends (...args: any[]) => unknown>(fn: F, span?: Span): F {
  if (typeof fn !== 'function') {
    throw new TypeError(`bindSpan(fn, span?): fn must be a function, not ${typeof fn}`)
  }
  // Bound outside of any span, fn sees none either: not that of whoever happens to call it.
  const scope = (span === undefined ? currentScope() : scopeOf(span)) as Scope
  const bound = function (this: unknown, ...args: unknown[]): unknown {
    return storage.run(scope, () => fn.apply(this, args))
  }
  return Object.defineProperties(bound, Object.getOwnPropertyDescriptors(fn)) as F
}

/** The scope around us that the span lives in, so that it is let go of when that ends; else one of its own. */
function scopeOf(span: Span): Scope {
  for (let scope = currentScope(); scope !== undefined; scope = scope.parent) {
    if (scope.liveSpan === span) return scope
  }
  return { liveSpan: span, ended: undefined, tracer: span.tracer(), parent: liveScope() }
}
