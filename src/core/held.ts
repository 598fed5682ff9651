// Which request is in whose hands: told by the request itself, to every copy of this package.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { currentScope, type Scope } from './context.ts'
import type { Framework, Handling } from './seam.ts'

/** A request in hand: the scope of its code. */
export interface Held extends Omit<Handling, 'span'>, Scope {
  /** The response has left, or its connection is gone; called again, it does nothing. */
  close(): void
}

const HANDLING: unique symbol = Symbol.for('tracing-middleware.handling') as never
type Marked = { [HANDLING]?: Held }

const KEY: unique symbol = Symbol.for('tracing-middleware.held.1') as never
const shared = globalThis as { [KEY]?: WeakMap<object, Held> }
shared[KEY] ??= new WeakMap()
/**
 * For frameworks that set prototypes (Express): V8 gives each of their objects a shape of its own, and a further one with
 * every property that is added or looked for. That costs ten times as much as this; elsewhere, a property costs less.
 */
const apart = shared[KEY]

/** Remembers who has a request in hand. */
export function hold(
  { setsPrototypes }: Framework<never>,
  req: IncomingMessage,
  res: ServerResponse,
  held: Held,
): void {
  if (setsPrototypes) {
    apart.set(req, held).set(res, held)
  } else {
    ;(req as Marked)[HANDLING] = held
    ;(res as Marked)[HANDLING] = held
  }
}

/** Who has a request or response in hand. */
export function heldBy(object: object): Held | undefined {
  return (object as Marked)[HANDLING] ?? apart.get(object)
}

/** The same for an object of a framework that sets prototypes. */
export function heldApart(object: object): Held | undefined {
  return apart.get(object) ?? (object as Marked)[HANDLING]
}

/** The same for a request that a framework is just handing over: nearly always nobody. */
export function alreadyHeldBy({ setsPrototypes }: Framework<never>, req: IncomingMessage): Held | undefined {
  if (!setsPrototypes) return heldBy(req)
  // Whoever else has it has put its code into a scope.
  return apart.get(req) ?? (currentScope() === undefined ? undefined : heldBy(req))
}
