// The door for adapters, and the start of a request's life; its end is in exchange.ts.

import type { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Span } from 'opentracing'
import { pathOf } from './attributes.ts'
import { registry } from './context.ts'
import { TracedExchange } from './exchange.ts'
import { operationNameOf, padTraceId } from './names.ts'
import {
  type RequestState,
  resolveOptions,
  type ServerSettings,
  type ServerTracingOptions,
} from './options.ts'
import type { Exchange, Framework, Handling, ServerTracing } from './seam.ts'
import { extract, startSpan, startTags } from './start.ts'
import { ask } from './trouble.ts'
import { NOOP_CONTEXT } from './work.ts'

// Registered: a request that one copy of this package has in hand is known to another.
const HANDLING: unique symbol = Symbol.for('tracing-middleware.handling') as never
// biome-ignore lint/suspicious/noExplicitAny: whichever framework the request belongs to
type Marked = { [HANDLING]?: TracedExchange<any> }

const QUIET: Handling = { span: undefined, run: next => next(), fail() {} }

/**
 * The door for an adapter: checks the options once and gives the `begin` that takes each request in hand.
 *
 * @throws TypeError naming the option, the value and the fix
 * @example
 * const tracing = createServerTracing({ component: 'mine', made: 'myPlugin(options)', route: r => r.route, read: (r, name) => r[name] }, options)
 * const handling = tracing.begin({ req, res, target: req.url, request })
 * handling.run(next)
 */
export function createServerTracing<Request>(
  framework: Framework<Request>,
  options?: ServerTracingOptions<Request>,
): ServerTracing<Request> {
  const settings = resolveOptions(options, framework.made)
  return {
    begin(exchange) {
      try {
        const marked = exchange.req as Marked
        return marked[HANDLING] ?? begin(framework, settings, exchange)
      } catch (error) {
        settings.report('begin', error)
        return QUIET
      }
    },
  }
}

/** The request's handling, for an adapter's later hooks: given what `getSpan` is given. */
export function getHandling(request: object): Handling | undefined {
  const { raw, req } = request as { raw?: Marked; req?: Marked }
  return (request as Marked)[HANDLING] ?? raw?.[HANDLING] ?? req?.[HANDLING]
}

/**
 * The span of a request: of Node's `IncomingMessage`, an Express request, a Koa context or a Fastify request.
 *
 * @returns undefined for a request that is not traced, or has ended
 * @example
 * app.use((req, res, next) => { getSpan(req)?.setTag('tenant', req.get('x-tenant')); next() })
 */
export function getSpan(request: object): Span | undefined {
  return getHandling(request)?.span
}

function begin<Request>(
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
  exchange: Exchange<Request>,
): Handling {
  const { req, res, target } = exchange
  const method = req.method ?? 'GET'
  const state: RequestState<Request> = {
    request: exchange.request,
    response: res,
    method,
    path: pathOf(target),
  }
  if (ask(settings.report, 'ignore', settings.ignored, state) === true) return QUIET
  const caller = extract(settings, req)
  if (caller === NOOP_CONTEXT) return QUIET
  const isPublic = ask(settings.report, 'publicEndpoint', settings.isPublic, state) === true
  const tags = startTags(framework, settings, exchange, method)
  const priority = ask(settings.report, 'samplingPriority', settings.samplingPriority, state)
  if (typeof priority === 'number' && Number.isFinite(priority)) tags['sampling.priority'] = priority

  const name =
    typeof settings.operationName === 'string' ? settings.operationName : operationNameOf(method, undefined)
  const span = startSpan(settings, name, caller, isPublic, tags)
  if (span === undefined) return QUIET
  const handling = new TracedExchange(framework, settings, exchange, state, span)
  ;(req as Marked)[HANDLING] = handling
  ;(res as Marked)[HANDLING] = handling
  if (Object.hasOwn(res, 'emit')) res.on('close', onClose)
  else res.emit = emitOfResponse
  if (!Object.hasOwn(req, 'emit')) req.emit = emitInScope
  // Node's own responses always close; a test double may only finish (row R-INJECT).
  if (!(res.socket instanceof Socket)) res.on('finish', onFinish)
  if (settings.traceResponseHeader !== undefined) writeTraceId(settings, res, span)
  if (settings.decorateSpan !== undefined)
    ask(settings.report, 'decorateSpan', settings.decorateSpan, { ...state, phase: 'start', span })
  return handling
}

/**
 * The response's `close` ends the span, behind the last listener that may still want to write on it. Seen here, it needs
 * no listener of ours on every response.
 */
function emitOfResponse(
  this: EventEmitter & Marked,
  ...event: [name: string | symbol, ...args: unknown[]]
): boolean {
  try {
    return emitInScope.apply(this, event)
  } finally {
    if (event[0] === 'close') this[HANDLING]?.close()
  }
}

/**
 * Node emits the events of request and response outside of the request's own async context: without this a listener
 * for `data` or `finish` would not find its span (rows R-EVENTS). One shared function, no closure per request; most
 * events have no listener, and need no context.
 */
function emitInScope(
  this: EventEmitter & Marked,
  ...event: [name: string | symbol, ...args: unknown[]]
): boolean {
  const { emit } = Object.getPrototypeOf(this) as EventEmitter
  const scope = this[HANDLING]
  return scope === undefined || this.listenerCount(event[0]) === 0
    ? emit.apply(this, event)
    : registry.storage.run(scope, emitOn, emit, this, event)
}

function emitOn(
  emit: EventEmitter['emit'],
  emitter: EventEmitter,
  event: [name: string | symbol, ...args: unknown[]],
): boolean {
  return emit.apply(emitter, event)
}

/** For a response whose `emit` somebody has replaced before us: theirs stays. */
function onClose(this: ServerResponse): void {
  ;(this as Marked)[HANDLING]?.close()
}

function onFinish(this: ServerResponse): void {
  setImmediate(() => (this as Marked)[HANDLING]?.close())
}

function writeTraceId(settings: ServerSettings<never>, res: ServerResponse, span: Span): void {
  try {
    const id = span.context().toTraceId()
    if (id !== '' && !res.headersSent) res.setHeader(settings.traceResponseHeader as string, padTraceId(id))
  } catch (error) {
    settings.report('traceResponseHeader', error)
  }
}
