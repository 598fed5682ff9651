// Where a request and its response meet Node and V8. Listeners of both run in the request's scope: Node emits their events
// outside of the request's async context (rows R-EVENTS). The end of the response ends the span. This is the only file that
// knows `_events`, a replaced `emit`, listener counts and how V8 treats an object whose prototype was set.

import { EventEmitter } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { runInScope, type Scope } from '../scope.ts'
import type { Handling } from './seam.ts'

/** A traced request: the scope of its code. */
export interface RequestScope extends Handling, Scope {
  /** How many listeners for `finish` the response had before any handler ran. */
  readonly earlyFinishListeners: number
  /**
   * Ends the span. Called again, it does nothing.
   *
   * @param isCut the connection closed while the response was waiting for it
   */
  end(isCut?: boolean): void
}

/**
 * Express sets the prototype of each request and response. Before Node 24, V8 then gives each of them a hidden class of its
 * own: a property read by name costs 0.4 microseconds, a property added ten times that. `Reflect.get`, a WeakMap and a
 * changed prototype do not depend on the hidden class. This goes when support for Node 22 ends (April 2027).
 */
const SET_PROTOTYPE_IS_SLOW = Number.parseInt(process.versions.node, 10) < 24

const { prototype: plainRequest } = IncomingMessage
const { prototype: plainResponse } = ServerResponse

function isSlow(object: object, plain: object): boolean {
  return SET_PROTOTYPE_IS_SLOW && Object.getPrototypeOf(object) !== plain
}

/** What is read of each request. */
export function readRequest(req: IncomingMessage): Pick<IncomingMessage, 'headers' | 'method' | 'socket'> {
  if (!isSlow(req, plainRequest)) return req
  return {
    headers: Reflect.get(req, 'headers'),
    method: Reflect.get(req, 'method'),
    socket: Reflect.get(req, 'socket'),
  }
}

/** What is read of each response at its end. */
export function readResponse(res: ServerResponse): Pick<ServerResponse, 'statusCode' | 'writableEnded'> {
  if (!isSlow(res, plainResponse)) return res
  return { statusCode: Reflect.get(res, 'statusCode'), writableEnded: Reflect.get(res, 'writableEnded') }
}

// A request and its response remember their scope, for every copy of this package.
const SCOPE: unique symbol = Symbol.for('tracing-middleware.request-scope.1') as never
type Marked = { [SCOPE]?: RequestScope }
const shared = globalThis as { [SCOPE]?: WeakMap<object, RequestScope> }
shared[SCOPE] ??= new WeakMap()
const scopes = shared[SCOPE]

/** The scope of a request or response. */
export function requestScopeOf(object: object): RequestScope | undefined {
  return SET_PROTOTYPE_IS_SLOW ? scopes.get(object) : (object as Marked)[SCOPE]
}

function remember(object: object, scope: RequestScope): void {
  if (SET_PROTOTYPE_IS_SLOW) scopes.set(object, scope)
  else (object as Marked)[SCOPE] = scope
}

/** Runs the listeners of request and response in the scope, and ends it with the response. */
export function follow(
  req: IncomingMessage,
  res: ServerResponse,
  socket: Socket | undefined,
  scope: RequestScope,
): void {
  remember(req, scope)
  remember(res, scope)
  replaceEmit(req, plainRequest, emitOfRequest)
  // Where the prototype was changed, another copy of Express may set another prototype.
  if (!replaceEmit(res, plainResponse, emitOfResponse))
    res.on('close', () => process.nextTick(() => scope.end()))
  if (!(socket instanceof Socket)) {
    // Node's own responses always close; a test double may only finish (row R-INJECT).
    res.on('finish', () => setImmediate(() => scope.end()))
  } else if (res.socket === null) {
    endWithConnection(socket, scope)
  }
  // A middleware that runs late may find that the client has left.
  if (res.destroyed) setImmediate(() => scope.end(true))
}

/**
 * A response without a socket waits behind a pipelined one, or is not known to Node. Before Node 24 it emits no `close` when
 * the connection closes (row R-PIPELINED-CUT). One listener serves all such responses of a connection.
 */
function endWithConnection(socket: Socket, scope: RequestScope): void {
  let waiting = waitingOn.get(socket)
  if (waiting === undefined) {
    waiting = new Set()
    waitingOn.set(socket, waiting)
    const cut = waiting
    socket.once('close', () => {
      for (const one of cut) one.end(true)
    })
  }
  for (const one of waiting) if (one.liveSpan === undefined) waiting.delete(one)
  waiting.add(scope)
}

const waitingOn = new WeakMap<Socket, Set<RequestScope>>()

type Emit = EventEmitter['emit']
type Event = Parameters<Emit>
type Name = Event[0]
type Listened = EventEmitter & { readonly _events?: Readonly<Record<Name, unknown>> }

const { emit: plainEmit } = EventEmitter.prototype

/**
 * Has an emitter emit in its request's scope.
 *
 * @returns whether the emitter itself was changed
 */
function replaceEmit(emitter: EventEmitter, plain: EventEmitter, ours: Emit): boolean {
  if (isSlow(emitter, plain) && replaceEmitOfPrototype(emitter, plain, ours)) return false
  const { emit } = emitter
  if (typeof emit !== 'function' || !Object.isExtensible(emitter)) return false
  // User code may have replaced `emit`: then theirs is called.
  emitter.emit = emit === plain.emit ? ours : emitBy(emit, ours === emitOfResponse)
  return true
}

const changed = new WeakSet<object>()

/** Changes the last prototype in front of Node's own, such as `express.request`, once for all apps. */
function replaceEmitOfPrototype(emitter: EventEmitter, plain: EventEmitter, ours: Emit): boolean {
  if (Object.hasOwn(emitter, 'emit')) return false
  let last: EventEmitter | null = Object.getPrototypeOf(emitter)
  while (last !== null && Object.getPrototypeOf(last) !== plain) last = Object.getPrototypeOf(last)
  if (last === null || !Object.isExtensible(last)) return false
  if (!changed.has(last)) {
    changed.add(last)
    const emit = last.emit === plain.emit ? ours : emitBy(last.emit, ours === emitOfResponse)
    Object.defineProperty(last, 'emit', { value: emit, configurable: true, writable: true })
  }
  return true
}

// One shared function for requests and one for responses: no closure per request. Node's `emit` is looked up at each call,
// since user code may replace it later.

function emitOfRequest(this: EventEmitter, ...event: Event): boolean {
  return emitInScope(this, plainRequest.emit, event)
}

function emitOfResponse(this: EventEmitter, ...event: Event): boolean {
  return emitAndEnd(this, plainResponse.emit, event)
}

function emitBy(emit: Emit, ends: boolean): Emit {
  return function (this: EventEmitter, ...event: Event): boolean {
    return ends ? emitAndEnd(this, emit, event) : emitInScope(this, emit, event)
  }
}

function emitAndEnd(emitter: EventEmitter, emit: Emit, event: Event): boolean {
  try {
    return emitInScope(emitter, emit, event)
  } finally {
    // Behind the last listener, which may still write on the span.
    if (event[0] === 'close') requestScopeOf(emitter)?.end()
  }
}

function emitInScope(emitter: EventEmitter, emit: Emit, event: Event): boolean {
  const [name] = event
  const listeners = listenersOf(emitter)?.[name]
  // Most events have no listener, and Node's own `emit` does nothing for them.
  if (listeners === undefined && emit === plainEmit && name !== 'error') return false
  const scope = requestScopeOf(emitter)
  return scope === undefined || needsNoScope(name, listeners, scope)
    ? emit.apply(emitter, event)
    : runInScope(scope, () => emit.apply(emitter, event))
}

function listenersOf(emitter: EventEmitter): Listened['_events'] {
  return SET_PROTOTYPE_IS_SLOW ? Reflect.get(emitter, '_events') : (emitter as Listened)._events
}

/**
 * Whether the only listeners are those of Node's server and of the framework: for `finish` of each response, and for `end`
 * of a request whose response has ended. They belong to the connection and need no context; on-finished, which Koa uses,
 * restores the async context itself.
 */
function needsNoScope(
  name: Name,
  listeners: unknown,
  { earlyFinishListeners, liveSpan }: RequestScope,
): boolean {
  if (name === 'finish') return countOf(listeners) === earlyFinishListeners
  return (
    name === 'end' && typeof listeners === 'function' && earlyFinishListeners > 0 && liveSpan === undefined
  )
}

/** How many listeners for `finish` a response has; 0 for a test double, whose listeners all get the scope. */
export function finishListenersOf(res: ServerResponse, socket: Socket | undefined): number {
  return socket instanceof Socket ? countOf(listenersOf(res)?.finish) : 0
}

function countOf(listeners: unknown): number {
  return typeof listeners === 'function' ? 1 : ((listeners as readonly unknown[] | undefined)?.length ?? 0)
}
