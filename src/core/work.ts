// Spans for work inside the process: a block, a function, a method.

import opentracing, { type Span, type SpanContext, type Tracer } from 'opentracing'
import { currentScope, liveScope, registry, runInScope, type Scope } from './context.ts'
import { logFailure } from './failure.ts'
import { createReport, watch } from './trouble.ts'

/** What `opentracing` answers while no tracer is installed: one shared span and one shared context. */
export const NOOP_SPAN: Span = new opentracing.Tracer().startSpan('')
export const NOOP_CONTEXT: SpanContext | null = new opentracing.Tracer().extract('', {})

/** How a span starts; everything may be left out. */
export interface SpanOptions {
  /** Tags set before the sampler decides. */
  tags?: Record<string, unknown>
  /** The parent; default: the active span. `null` starts a new trace. */
  childOf?: Span | SpanContext | null
  /** A span that caused this one and does not wait for it: for work that outlives a request. */
  followsFrom?: Span | SpanContext
  /** Milliseconds since the epoch, fractions allowed; default: now. */
  startTime?: number
  /** The tracer; default: the parent's, else `opentracing.globalTracer()`. */
  tracer?: Tracer
}

const report = createReport(undefined)

/**
 * Starts a span below the active one (or after it, when it has ended) and the scope to run its work in.
 *
 * @returns undefined when no tracer is installed, when a tracer's own work is running, or when the tracer failed
 */
export function startScope(name: string, options: SpanOptions = {}): Scope | undefined {
  if (registry.insideTracer > 0) return undefined
  const here = currentScope()
  const live = liveScope(here)
  registry.insideTracer++
  try {
    const references = []
    const parent =
      options.childOf === undefined && options.followsFrom === undefined ? live?.span : options.childOf
    if (parent) references.push(opentracing.childOf(parent))
    const earlier = options.followsFrom ?? (parent === undefined ? here?.ended : undefined)
    if (earlier) references.push(opentracing.followsFrom(earlier as SpanContext))
    const tracer = options.tracer ?? (live ?? here)?.tracer ?? opentracing.globalTracer()
    const span = tracer.startSpan(name, {
      references,
      tags: options.tags ?? {},
      ...(options.startTime === undefined ? undefined : { startTime: options.startTime }),
    })
    if (!span || span === NOOP_SPAN) return undefined
    return { span, ended: undefined, tracer, parent: live }
  } catch (error) {
    report('startSpan', error)
    return undefined
  } finally {
    registry.insideTracer--
  }
}

/** Ends a scope's span, and lets go of it. `failure` is there when the work failed; `tags` are set before. */
export function endScope(scope: Scope, failure?: { error: unknown }, tags?: Record<string, unknown>): void {
  const span = scope.span
  if (span === undefined) return
  registry.insideTracer++
  try {
    scope.ended = span.context()
    if (tags !== undefined) watch(span.addTags(tags), 'addTags', report)
    if (failure !== undefined) logFailure(span, failure.error)
  } catch (error) {
    report('span', error)
  }
  try {
    watch(span.finish(), 'finish', report)
  } catch (error) {
    report('finish', error)
  } finally {
    scope.span = undefined
    registry.insideTracer--
  }
}

/** The part of a span's options that a user of `withSpan` gives. */
export type WithSpanOptions = Omit<SpanOptions, 'tracer'>

/**
 * Runs `fn` inside a span of its own: a child of the active span, active for everything that `fn` starts, ended when
 * `fn` returns, throws, or its promise settles. What `fn` throws is logged on the span and thrown on unchanged.
 *
 * Work that outlives the request takes the request's span as `followsFrom`; work that is started after its request has
 * ended follows from it by itself.
 *
 * @param name the operation name
 * @param options `tags`, `childOf` (`null`: a new trace), `followsFrom`, `startTime` (ms since the epoch)
 * @param fn the work; it is handed the span (a span that does nothing while no tracer is installed)
 * @returns what `fn` returns
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
    result = runInScope(scope, () => fn(scope.span as Span))
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
  if (isThenable(result)) {
    // A promise with a life of its own (a child process, a query builder) keeps its identity and its extra methods.
    result.then(
      () => endScope(scope),
      error => endScope(scope, { error }),
    )
    return result
  }
  endScope(scope)
  return result
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as PromiseLike<unknown>).then === 'function'
  )
}

// biome-ignore lint/suspicious/noExplicitAny: the constraint "any function" cannot be said otherwise
type AnyFunction = (this: any, ...args: any[]) => any

/** What `@traced()` gives: a standard (stage 3) method decorator. */
export type TracedDecorator = <M extends AnyFunction>(method: M, context: ClassMethodDecoratorContext) => M

/**
 * Gives a function a span around each call, and keeps its type, name, length and `this`; or, as a standard (stage 3)
 * decorator, does the same to a method.
 *
 * @param name the operation name; for a decorator by default the method's name
 * @param fn the function to wrap
 * @throws TypeError when `fn` is no function, or the decorator stands on something else than a method
 * @example
 * const loadOrder = traced('load order', async (id: string) => db.load(id))
 *
 * class Orders {
 *   @traced() async place(order: Order) {}
 *   @traced('cancel order') cancel(id: string) {}
 * }
 */
export function traced<F extends AnyFunction>(name: string, fn: F): F
export function traced(name?: string): TracedDecorator
export function traced<F extends AnyFunction>(name?: string, fn?: F): F | TracedDecorator {
  if (name !== undefined && typeof name !== 'string') {
    throw new TypeError(
      `traced(name, fn): name must be a string, not ${typeof name}; use traced('name', fn) or @traced()`,
    )
  }
  if (fn !== undefined) return tracedFunction(name as string, fn)
  return function decorate<M extends AnyFunction>(method: M, context: ClassMethodDecoratorContext): M {
    if (typeof method !== 'function' || context?.kind !== 'method') {
      throw new TypeError('@traced() stands on methods alone, as a standard (stage 3) decorator')
    }
    return tracedFunction(name ?? String(context.name), method)
  }
}

function tracedFunction<F extends AnyFunction>(name: string, fn: F): F {
  if (typeof fn !== 'function')
    throw new TypeError(`traced('${name}', fn): fn must be a function, not ${typeof fn}`)
  const wrapped = function (this: unknown, ...args: unknown[]): unknown {
    return withSpan(name, () => fn.apply(this, args))
  }
  Object.defineProperty(wrapped, 'name', { value: fn.name, configurable: true })
  Object.defineProperty(wrapped, 'length', { value: fn.length, configurable: true })
  return wrapped as F
}
