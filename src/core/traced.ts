// A span around each call of a function or method.

import { withSpan } from './with-span.ts'

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
