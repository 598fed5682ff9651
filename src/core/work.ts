// Spans for work inside the process: a block, a function, a method.

import opentracing, { type Span, type SpanContext, type Tracer } from 'opentracing'
import type { Caller, StartOptions } from './beyond-opentracing.ts'
import { currentScope, liveScope, registry, runInScope, type Scope } from './context.ts'
import { NO_TAGS, type RequestFacts } from './facts.ts'
import { failureFields } from './failure.ts'
import { cleanName } from './names.ts'
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
 * @param makeFacts what it says, in the place of `options.tags`; not asked when nobody will see it
 * @returns undefined when no tracer is installed, when a tracer's own work is running, or when the tracer failed
 */
export function startScope(
  name: string,
  given?: SpanOptions,
  makeFacts?: () => RequestFacts,
): Scope | undefined {
  if (registry.insideTracer > 0) return undefined
  const here = currentScope()
  const live = liveScope(here)
  if (live !== undefined) forgetEnded(live)
  const options = given ?? NO_OPTIONS
  registry.insideTracer++
  try {
    const tracer = options.tracer ?? tracerOf(options) ?? (live ?? here)?.tracer ?? opentracing.globalTracer()
    const start = relate(options, live?.span, here?.ended)
    const { startTime } = options
    if (startTime !== undefined) start.startTime = startTime
    if (makeFacts === undefined) start.tags = options.tags ?? {}
    else addFacts(start, makeFacts, tracer === live?.tracer)
    const span = tracer.startSpan(cleanName(name), start)
    watch(span, 'startSpan', report)
    if (span === NOOP_SPAN || typeof span?.finish !== 'function') return undefined
    start.facts?.tellUntaken(span)
    return { span, ended: undefined, tracer, parent: live }
  } catch (error) {
    report('startSpan', error)
    return undefined
  } finally {
    registry.insideTracer--
  }
}

const NO_OPTIONS: SpanOptions = {}

/** Only the tracer that the parent is of knows what becomes of its children. */
function addFacts(start: StartOptions, make: () => RequestFacts, isParents: boolean): void {
  const isRecorded = isParents ? (start.childOf as Caller | undefined)?.isRecorded : undefined
  if (isRecorded === false) {
    start.tags = NO_TAGS
    return
  }
  const facts = make()
  start.facts = facts
  if (isRecorded === undefined) start.tags = facts.tags = facts.toTags()
}

/** Work that starts its own successor before it ends, again and again, must not make an endless chain of scopes. */
function forgetEnded(scope: Scope): void {
  while (scope.parent !== undefined && scope.parent.span === undefined) scope.parent = scope.parent.parent
}

/** Who comes before the new span; one parent and nobody else is what every tracer reads fastest. */
function relate(
  { childOf, followsFrom }: SpanOptions,
  active: Span | undefined,
  ended: SpanContext | undefined,
): StartOptions {
  const parent = childOf === undefined && followsFrom === undefined ? active : childOf
  const above = parent ? contextOf(parent) : undefined
  const earlier = followsFrom ?? (parent === undefined ? ended : undefined)
  const before = earlier ? contextOf(earlier) : undefined
  if (before === undefined) return above === undefined ? {} : { childOf: above }
  const references = [opentracing.followsFrom(before)]
  if (above !== undefined) references.unshift(opentracing.childOf(above))
  return { references }
}

/** The tracer of a span that was named as parent; a context does not tell. */
function tracerOf({ childOf, followsFrom }: SpanOptions): Tracer | undefined {
  const named = childOf ?? followsFrom
  return named && 'tracer' in named && typeof named.tracer === 'function' ? named.tracer() : undefined
}

/** Asked by its shape: a span may be of another copy of opentracing than ours. */
function contextOf(to: Span | SpanContext): SpanContext | undefined {
  if (!('context' in to) || typeof to.context !== 'function') return to as SpanContext
  const context = to.context()
  watch(context, 'context', report)
  return context ?? undefined
}

/** Ends a scope's span, and lets go of it. `failure` is there when the work failed. */
export function endScope(scope: Scope, failure?: { error: unknown }): void {
  const { span } = scope
  if (span === undefined) return
  scope.span = undefined
  registry.insideTracer++
  guard('context', () => {
    scope.ended = span.context() ?? undefined
    return scope.ended
  })
  if (failure !== undefined) {
    guard('addTags', () => span.addTags({ error: true }))
    guard('log', () => span.log(failureFields(failure.error)))
  }
  guard('finish', () => span.finish())
  registry.insideTracer--
}

/** Calls the tracer; what fails there costs that one call. */
function guard(place: string, call: () => unknown): void {
  try {
    watch(call(), place, report)
  } catch (error) {
    report(place, error)
  }
}

/** The part of a span's options that a user of `withSpan` gives. */
export type WithSpanOptions = Omit<SpanOptions, 'tracer'>

/**
 * Runs `fn` inside a span of its own: a child of the active span, active for everything that `fn` starts, ended when
 * `fn` returns, throws, or its promise settles. What `fn` throws is logged on the span and thrown on unchanged.
 *
 * A thenable that is no promise (a query builder) is given back as it is, and its span ends when it has been awaited.
 * A generator or stream has only been made when `fn` returns: wrap the function that consumes it instead.
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
    // A getter of the app's that throws: await will show it to the app, the span has no promise to wait for.
    return undefined
  }
}

/**
 * Ends the scope when a thenable settles, without calling its `then`: that is what makes a query builder run its query,
 * and called by us and by the caller's await it would run twice. So the caller's own call is listened to.
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
    // Frozen: nothing tells us when it settles.
    endScope(scope)
  }
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
  return Object.defineProperties(wrapped, Object.getOwnPropertyDescriptors(fn)) as F
}
