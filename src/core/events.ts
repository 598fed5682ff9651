// The events of request and response: their listeners run inside the request's scope, and `close` ends the span. Node
// emits them outside of the request's own async context: without this a listener for `data` or `finish` would not find
// its span (rows R-EVENTS).

import { EventEmitter } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { get } from './apart.ts'
import { registry } from './context.ts'
import { type Held, heldApart, heldBy } from './held.ts'
import type { Framework } from './seam.ts'

type Emit = EventEmitter['emit']
type Event = Parameters<Emit>
type Name = Event[0]

const nodes = { request: IncomingMessage.prototype, response: ServerResponse.prototype }
// Taken from where they are: to look for them on an object without a shape that V8 knows is dear (apart.ts).
const { emit: plainEmit, listenerCount, on } = EventEmitter.prototype

/** Follows a request and its response to their end. */
export function follow(
  { losesShapes }: Framework<never>,
  req: IncomingMessage,
  res: ServerResponse,
  socket: Socket | undefined,
  held: Held,
): void {
  // Where shapes are lost, a property of their own would be dear (apart.ts). An emit that is not Node's is somebody's.
  if (!losesShapes && req.emit === nodes.request.emit) req.emit = emitOfRequest
  else followPrototype(req, nodes.request)
  if (!losesShapes && res.emit === nodes.response.emit) {
    res.emit = emitOfResponse
  } else {
    followPrototype(res, nodes.response)
    closeBehindOthers(res, held)
  }
  // Node's own responses always close; a test double may only finish (row R-INJECT).
  if (!(socket instanceof Socket)) res.on('finish', () => setImmediate(() => held.close()))
}

// One shared function each, no closure per request; written out for each, so that V8 meets in each the shapes of its own
// objects alone.

function emitOfRequest(this: EventEmitter, ...event: Event): boolean {
  const { emit } = nodes.request
  const listeners = (this as Listened)._events?.[event[0]]
  if (listeners === undefined) return isForNobody(event[0], emit) ? false : emit.apply(this, event)
  const held = heldBy(this)
  return held === undefined || isNodesOwn(event[0], listeners, held)
    ? emit.apply(this, event)
    : emitInScope(held, emit, this, ...event)
}

function emitOfResponse(this: EventEmitter, ...event: Event): boolean {
  const { emit } = nodes.response
  const listeners = (this as Listened)._events?.[event[0]]
  const held = heldBy(this)
  try {
    if (listeners === undefined) return isForNobody(event[0], emit) ? false : emit.apply(this, event)
    return held === undefined || isNodesOwn(event[0], listeners, held)
      ? emit.apply(this, event)
      : emitInScope(held, emit, this, ...event)
  } finally {
    // Behind the last listener that may still want to write on the span.
    if (event[0] === 'close') held?.close()
  }
}

/** Node's own table, in which `emit` and `listenerCount` look too. */
type Listened = EventEmitter & { readonly _events?: Readonly<Record<Name, unknown>> }

/** Most events have no listener. There is nothing to do for them then, unless somebody has replaced `emit` after we came. */
function isForNobody(name: Name, emit: Emit): boolean {
  return emit === plainEmit && name !== 'error'
}

/**
 * Whether the only listeners are those of Node's own server and of the framework: for `finish` of each response, and for
 * `end` of a request whose response is through. They need no context, and what they start belongs to the connection, not
 * to the request.
 */
function isNodesOwn(name: Name, listeners: unknown, { ownFinishListeners, span }: Held): boolean {
  if (name === 'finish') return countOf(listeners) === ownFinishListeners
  return name === 'end' && typeof listeners === 'function' && ownFinishListeners > 0 && span === undefined
}

function countOf(listeners: unknown): number {
  return typeof listeners === 'function' ? 1 : ((listeners as readonly unknown[] | undefined)?.length ?? 0)
}

/** The listeners for `finish` that were there before any handler, if they are as many as they should be. */
export function ownFinishListenersOf({ finishListeners = 0 }: Framework<never>, res: ServerResponse): number {
  const own = 1 + finishListeners
  return own === 1 || countOf((res as Listened)._events?.finish) === own ? own : 1
}

function emitInScope(held: Held, emit: Emit, emitter: EventEmitter, ...event: Event): boolean {
  return registry.storage.run(held, () => emit.apply(emitter, event))
}

/** The same for a response whose own `emit` we leave alone. */
function closeBehindOthers(res: ServerResponse, held: Held): void {
  on.call(res, 'close', () => {
    if (listenerCount.call(res, 'close') === 1) held.close()
    else process.nextTick(() => held.close())
  })
}

const KEY: unique symbol = Symbol.for('tracing-middleware.followed.1') as never
const shared = globalThis as { [KEY]?: WeakSet<object> }
shared[KEY] ??= new WeakSet()
const followed = shared[KEY]

/**
 * Has all that share a prototype emit in the scope of whoever has them in hand: done once for all Express apps, whose
 * requests share `express.request`. Somebody's `emit` on the object itself stays in front of it.
 */
function followPrototype(emitter: EventEmitter, node: EventEmitter): void {
  const own: EventEmitter = Object.getPrototypeOf(emitter)
  if (followed.has(own)) return
  followed.add(own)
  const common = commonPrototype(own, node)
  if (common === undefined || !Object.isExtensible(common)) return
  if (common !== own && followed.has(common)) return
  followed.add(common)
  const { emit } = common
  Object.defineProperty(common, 'emit', {
    configurable: true,
    writable: true,
    value(this: EventEmitter, ...event: Event): boolean {
      const listeners = (get(this, '_events' as never) as Listened['_events'])?.[event[0]]
      if (listeners === undefined) return isForNobody(event[0], emit) ? false : emit.apply(this, event)
      const held = heldApart(this)
      return held === undefined || isNodesOwn(event[0], listeners, held)
        ? emit.apply(this, event)
        : emitInScope(held, emit, this, ...event)
    },
  })
}

/** The last prototype in front of Node's own, if there is one: Node's are not for us to change. */
function commonPrototype(own: EventEmitter, node: EventEmitter): EventEmitter | undefined {
  let found: EventEmitter | undefined
  for (let next = own; next !== node; next = Object.getPrototypeOf(next)) {
    if (next === null || next === EventEmitter.prototype) return own
    found = next
  }
  return found
}
