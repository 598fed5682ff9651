// The span that is active here: kept by AsyncLocalStorage, let go when its work ends.
// One registry per process, so that two copies of this package see the same active span.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { Span, SpanContext, Tracer } from 'opentracing'

/**
 * What async code carries. The span is dropped when its work ends, so that a timer, a pooled connection or a
 * long-lived listener made during a request keeps this small object alive and never the span itself.
 */
export interface Scope {
  /** The live span; undefined once its work has ended. */
  span: Span | undefined
  /** The ended span's context: late work in this scope still joins the trace, by follows-from. */
  ended: SpanContext | undefined
  /** The tracer that the span came from: late work goes to the same. */
  readonly tracer: Tracer
  /** The scope to fall back to when this one has ended first. */
  readonly parent: Scope | undefined
}

interface Registry {
  readonly storage: AsyncLocalStorage<Scope>
  /** How deep we are inside calls into a tracer: what a tracer does while we call it is never traced. */
  insideTracer: number
}

const KEY: unique symbol = Symbol.for('tracing-middleware.context.1') as never
const shared = globalThis as { [KEY]?: Registry }

shared[KEY] ??= { storage: new AsyncLocalStorage<Scope>(), insideTracer: 0 }
/** The process-wide state, shared by every copy of this package that speaks version 1 of it. */
export const registry: Registry = shared[KEY]
const storage = registry.storage

/** The scope of the running code, whether its span still lives or not. */
export function currentScope(): Scope | undefined {
  return storage.getStore()
}

/** The nearest scope whose span still lives. */
export function liveScope(scope: Scope | undefined = storage.getStore()): Scope | undefined {
  let found = scope
  while (found !== undefined && found.span === undefined) found = found.parent
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
  return liveScope()?.span
}

/**
 * Binds `fn` to a span: whenever and wherever `fn` is called, that span is active inside it. For listeners on a
 * shared emitter, tasks in a queue, callbacks of a connection pool, or a span that you started yourself.
 *
 * @param fn the function to bind; `this` and arguments pass through
 * @param span the span to make active; default: the one that is active now
 * @returns a function of the same type
 * @example
 * pool.acquire(bindSpan(connection => activeSpan()?.log({ event: 'acquired' })))
 */
// biome-ignore lint/suspicious/noExplicitAny: the constraint "any function" cannot be said otherwise
export function bindSpan<F extends (...args: any[]) => unknown>(fn: F, span?: Span): F {
  const scope =
    span === undefined
      ? currentScope()
      : { span, ended: undefined, tracer: span.tracer(), parent: liveScope() }
  if (scope === undefined) return fn
  return function (this: unknown, ...args: unknown[]) {
    return storage.run(scope, () => fn.apply(this, args))
  } as F
}
