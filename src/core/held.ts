// Which request is in whose hands: told by the request itself, to every copy of this package.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { settingPrototypesLosesShapes } from './apart.ts'
import { currentScope, type Scope } from './context.ts'
import type { Framework, Handling } from './seam.ts'

/** A request in hand: the scope of its code. */
export interface Held extends Omit<Handling, 'span'>, Scope {
  /**
   * How many of the response's listeners for `finish` are those of Node's own HTTP/1 server and of the framework, and so
   * need no context; 0: it came another way.
   */
  readonly ownFinishListeners: number
  /** The response has left, or its connection is gone; called again, it does nothing. */
  close(): void
}

const HANDLING: unique symbol = Symbol.for('tracing-middleware.handling') as never
type Marked = { [HANDLING]?: Held }

const KEY: unique symbol = Symbol.for('tracing-middleware.held.1') as never
const shared = globalThis as { [KEY]?: WeakMap<object, Held> }
shared[KEY] ??= new WeakMap()
/** For objects that have lost their shape (apart.ts), by request. */
const apart = shared[KEY]

/** Remembers who has a request in hand. */
export function hold(
  { losesShapes }: Framework<never>,
  req: IncomingMessage,
  res: ServerResponse,
  held: Held,
): void {
  if (losesShapes) {
    apart.set(req, held)
  } else {
    ;(req as Marked)[HANDLING] = held
    ;(res as Marked)[HANDLING] = held
  }
}

/** Who has a request or response in hand. */
export function heldBy(object: object): Held | undefined {
  return (object as Marked)[HANDLING] ?? (settingPrototypesLosesShapes ? apart.get(object) : undefined)
}

/** The same for a request or response that has lost its shape. */
export function heldApart(object: object): Held | undefined {
  return apart.get(object) ?? apart.get(Reflect.get(object, 'req')) ?? (object as Marked)[HANDLING]
}

/** The same for a request that a framework is just handing over: nearly always nobody. */
export function alreadyHeldBy({ losesShapes }: Framework<never>, req: IncomingMessage): Held | undefined {
  if (!losesShapes) return heldBy(req)
  // Whoever else has it has put its code into a scope.
  return apart.get(req) ?? (currentScope() === undefined ? undefined : heldBy(req))
}
