// The server side of one exchange: from the caller's headers to the end of the response. An adapter says what its
// framework knows and when; everything else, and the end of the span, is decided here.

import type { IncomingMessage, ServerResponse } from 'node:http'
import opentracing, { type Span, type SpanContext } from 'opentracing'
import { type Attribute, type AttributeSource, pathOf, readAttribute } from './attributes.ts'
import { registry, runInScope, type Scope } from './context.ts'
import { failureFields } from './failure.ts'
import { MAX_NAME_LENGTH, operationNameOf, padTraceId } from './names.ts'
import {
  type OutcomeState,
  type RequestState,
  resolveOptions,
  type ServerSettings,
  type ServerTracingOptions,
} from './options.ts'
import { cleanText, redactUrl } from './privacy.ts'
import { watch } from './trouble.ts'
import { NOOP_CONTEXT, NOOP_SPAN } from './work.ts'

/** What core asks of a framework; made once, with the adapter. */
export interface Framework<Request> {
  /** The `component` tag, such as `express`. */
  readonly component: string
  /** What the options are given to, for errors: `tracingMiddleware(options)`. */
  readonly made: string
  /** The template of the route that matched, with all mounted prefixes; asked when the response has left. */
  route(request: Request): string | undefined
  /** A property of the framework's request (`params`, `user`, `body`), for `tracedRequestAttributes`. */
  read(request: Request, name: string): unknown
}

/** One request on its way through a framework. */
export interface Exchange<Request> {
  /** Node's own request. */
  readonly req: IncomingMessage
  /** Node's own response. */
  readonly res: ServerResponse
  /** Path and query as the client sent them, whatever mounted routers have cut off. */
  readonly target: string
  /** The framework's request, for callbacks and attributes. */
  readonly request: Request
}

/** A request in the hands of core. There is no finish: core ends the span when the response closes. */
export interface Handling {
  /** The request's span; undefined for an ignored request and once the span has ended. */
  readonly span: Span | undefined
  /** Goes on with the request inside its span, and gives back what `next` gives back. */
  run<T>(next: () => T): T
  /** Records what was thrown; the adapter throws or passes it on itself. */
  fail(error: unknown): void
}

/** What `createServerTracing` makes. */
export interface ServerTracing<Request> {
  /** Takes a request in hand. Never throws; a request that is already in hand stays in the same. */
  begin(exchange: Exchange<Request>): Handling
}

// Registered: a span begun by one copy of this package is found by another.
const HANDLING: unique symbol = Symbol.for('tracing-middleware.handling') as never
type Marked = { [HANDLING]?: Handling & Partial<Closing> }
interface Closing {
  close(): void
}

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
  if (ask(settings, 'ignore', settings.ignored, state) === true) return QUIET
  const caller = extract(settings, req)
  if (caller === NOOP_CONTEXT) return QUIET
  const isPublic = ask(settings, 'publicEndpoint', settings.isPublic, state) === true
  const tags = startTags(framework, settings, exchange, method)
  const priority = ask(settings, 'samplingPriority', settings.samplingPriority, state)
  if (typeof priority === 'number') tags['sampling.priority'] = priority

  const span = startSpan(settings, operationNameAtStart(settings, method), caller, isPublic, tags)
  if (span === undefined) return QUIET
  const handling = new TracedExchange(framework, settings, exchange, state, span)
  ;(req as Marked)[HANDLING] = handling
  ;(res as Marked)[HANDLING] = handling
  res.on('close', onClose)
  // Node's own responses always close; a test double may only finish.
  if (!res.socket) res.on('finish', onFinish)
  if (settings.traceResponseHeader !== undefined) writeTraceId(settings, res, span)
  if (settings.decorateSpan !== undefined)
    ask(settings, 'decorateSpan', settings.decorateSpan, { ...state, phase: 'start', span })
  return handling
}

function onClose(this: ServerResponse): void {
  ;(this as Marked)[HANDLING]?.close?.()
}

function onFinish(this: ServerResponse): void {
  setImmediate(() => (this as Marked)[HANDLING]?.close?.())
}

function operationNameAtStart<Request>(settings: ServerSettings<Request>, method: string): string {
  return typeof settings.operationName === 'string'
    ? settings.operationName
    : operationNameOf(method, undefined)
}

/** Asks a function of the user's; what goes wrong in it is reported and counts as undefined. */
function ask<State, Answer>(
  settings: Pick<ServerSettings<never>, 'report'>,
  place: string,
  fn: ((state: State) => Answer) | undefined,
  state: State,
): Answer | undefined {
  if (fn === undefined) return undefined
  try {
    const answer = fn(state)
    watch(answer, place, settings.report)
    return answer
  } catch (error) {
    settings.report(place, error)
    return undefined
  }
}

function extract(settings: ServerSettings<never>, req: IncomingMessage): SpanContext | null {
  registry.insideTracer++
  try {
    return settings.tracer.extract(opentracing.FORMAT_HTTP_HEADERS, req.headers)
  } catch (error) {
    settings.report('extract', error)
    return null
  } finally {
    registry.insideTracer--
  }
}

function startSpan(
  settings: ServerSettings<never>,
  name: string,
  caller: SpanContext | null,
  isPublic: boolean,
  tags: Record<string, unknown>,
): Span | undefined {
  registry.insideTracer++
  try {
    const span = settings.tracer.startSpan(name, startOptions(settings, caller, isPublic, tags))
    if (!span || span === NOOP_SPAN) return undefined
    span.setOperationName = keepName
    return span
  } catch (error) {
    settings.report('startSpan', error)
    return undefined
  } finally {
    registry.insideTracer--
  }
}

function startOptions(
  settings: ServerSettings<never>,
  caller: SpanContext | null,
  isPublic: boolean,
  tags: Record<string, unknown>,
): opentracing.SpanOptions {
  if (!caller) return { tags }
  // An invalid context is handed on too: jaeger-client keeps baggage and debug ids in one (test row R-DEBUG-ID).
  if (!isPublic) return { childOf: caller, tags }
  if (caller.toTraceId() === '') return { tags }
  // OpenTracing has no word for "new root that follows from": a parent without ids makes the root, the reference tells.
  const nobody = settings.tracer.extract(opentracing.FORMAT_HTTP_HEADERS, {}) ?? new opentracing.SpanContext()
  return { references: [opentracing.childOf(nobody), opentracing.followsFrom(caller)], tags }
}

// OpenTracing cannot be asked for a span's name. The first call from outside is remembered, so that a name which the
// user's code has set is not overwritten with the route; one shared function, no closure per span.
const NAMED: unique symbol = Symbol('tracing-middleware.named') as never
function keepName(this: Span & { [NAMED]?: true }, name: string): Span {
  this[NAMED] = true
  return (Object.getPrototypeOf(this) as Span).setOperationName.call(this, name)
}

function startTags<Request>(
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
  { req, target, request }: Exchange<Request>,
  method: string,
): Record<string, unknown> {
  const { socket, headers } = req
  const host = headers.host ?? headers[':authority'] ?? ''
  const scheme = (socket as { encrypted?: boolean } | undefined)?.encrypted ? 'https' : 'http'
  const origin = target.charCodeAt(0) === 47 /* / */ ? `${scheme}://${host}` : ''
  const tags: Record<string, unknown> = {
    'span.kind': 'server',
    component: framework.component,
    'http.method': method,
    'http.url': redactUrl(origin + target, settings.secret),
  }
  const address = socket?.remoteAddress
  if (address !== undefined) {
    // An IPv4 peer of a dual-stack socket shows as ::ffff:192.0.2.1
    if (address.startsWith('::ffff:')) tags['peer.ipv4'] = address.slice(7)
    else tags[address.includes(':') ? 'peer.ipv6' : 'peer.ipv4'] = address
    tags['peer.port'] = socket.remotePort
  }
  if (settings.tags !== undefined) Object.assign(tags, settings.tags)
  if (settings.earlyAttributes.length > 0) {
    readAttributes(settings.earlyAttributes, framework, settings, req, target, request, tags)
  }
  return tags
}

function readAttributes<Request>(
  attributes: readonly Attribute[],
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
  req: IncomingMessage,
  target: string,
  request: Request,
  tags: Record<string, unknown>,
): void {
  const source: AttributeSource = { req, target, read: name => framework.read(request, name) }
  for (const attribute of attributes) {
    try {
      const value = readAttribute(attribute, source, settings.secret)
      if (value !== undefined) tags[attribute.tag] = value
    } catch (error) {
      settings.report(`tracedRequestAttributes: ${attribute.tag}`, error)
    }
  }
}

function writeTraceId(settings: ServerSettings<never>, res: ServerResponse, span: Span): void {
  try {
    const id = span.context().toTraceId()
    if (id !== '' && !res.headersSent) res.setHeader(settings.traceResponseHeader as string, padTraceId(id))
  } catch (error) {
    settings.report('traceResponseHeader', error)
  }
}

/** A traced request. It is the scope that its async code carries, and lets go of everything when it closes. */
class TracedExchange<Request> implements Handling, Scope, Closing {
  span: Span | undefined
  ended: SpanContext | undefined
  readonly parent = undefined
  #framework: Framework<Request>
  #settings: ServerSettings<Request>
  #exchange: Exchange<Request> | undefined
  #state: RequestState<Request> | undefined
  #failure: { error: unknown; afterHeaders: boolean } | undefined

  constructor(
    framework: Framework<Request>,
    settings: ServerSettings<Request>,
    exchange: Exchange<Request>,
    state: RequestState<Request>,
    span: Span,
  ) {
    this.#framework = framework
    this.#settings = settings
    this.#exchange = exchange
    this.#state = state
    this.span = span
  }

  run<T>(next: () => T): T {
    return runInScope(this, next)
  }

  fail(error: unknown): void {
    // Mounted twice, or wrapped in layers, the first report is the one nearest to the cause.
    this.#failure ??= { error, afterHeaders: this.#exchange?.res.headersSent === true }
  }

  close(): void {
    const { span } = this
    if (span === undefined || this.#exchange === undefined || this.#state === undefined) return
    const settings = this.#settings
    const outcome = this.#outcome(span, this.#exchange, this.#state)
    registry.insideTracer++
    try {
      this.ended = span.context()
      this.#describe(span, this.#exchange, outcome)
    } catch (error) {
      settings.report('span', error)
    } finally {
      registry.insideTracer--
    }
    if (settings.decorateSpan !== undefined) {
      ask(settings, 'decorateSpan', settings.decorateSpan, { ...outcome, phase: 'end' })
    }
    registry.insideTracer++
    try {
      watch(span.finish(), 'finish', settings.report)
    } catch (error) {
      settings.report('finish', error)
    } finally {
      registry.insideTracer--
      this.span = undefined
      this.#exchange = undefined
      this.#state = undefined
      this.#failure = undefined
    }
  }

  #outcome(
    span: Span,
    { res, request }: Exchange<Request>,
    state: RequestState<Request>,
  ): OutcomeState<Request> {
    // `writableEnded` tells a cut response from a complete one in every protocol; `writableFinished` does not.
    const aborted = res.writableEnded ? undefined : res.headersSent ? 'during response' : 'before response'
    return {
      ...state,
      span,
      route: this.#route(request),
      statusCode: aborted === 'before response' ? undefined : res.statusCode,
      error: this.#failure?.error,
      aborted,
    }
  }

  #route(request: Request): string | undefined {
    try {
      const route = this.#framework.route(request)
      return route === undefined ? undefined : cleanText(route, MAX_NAME_LENGTH)
    } catch (error) {
      this.#settings.report('route', error)
      return undefined
    }
  }

  #describe(span: Span, { req, target, request }: Exchange<Request>, outcome: OutcomeState<Request>): void {
    const settings = this.#settings
    const { route, statusCode, aborted } = outcome
    const tags: Record<string, unknown> = {}
    if (statusCode !== undefined) tags['http.status_code'] = statusCode
    if (route !== undefined) tags['http.route'] = route
    if (aborted !== undefined) tags.aborted = aborted
    if (this.#failed(outcome)) tags.error = true
    if (settings.lateAttributes.length > 0) {
      readAttributes(settings.lateAttributes, this.#framework, settings, req, target, request, tags)
    }
    watch(span.addTags(tags), 'addTags', settings.report)
    this.#name(span, outcome)
    if (this.#failure !== undefined) span.log(failureFields(this.#failure.error, settings.secret))
    if (aborted !== undefined) span.log({ event: 'aborted', message: ABORT_MESSAGES[aborted] })
  }

  #failed(outcome: OutcomeState<Request>): boolean {
    const { statusCode } = outcome
    const own = ask(this.#settings, 'isError', this.#settings.isError, outcome)
    if (typeof own === 'boolean') return own
    if (statusCode !== undefined && statusCode >= 500) return true
    // An error that the app's own handler has turned into an answer was not thrown past the framework.
    return this.#failure !== undefined && (statusCode === undefined || this.#failure.afterHeaders)
  }

  #name(span: Span, outcome: OutcomeState<Request>): void {
    if ((span as { [NAMED]?: true })[NAMED]) return
    const { operationName } = this.#settings
    if (typeof operationName === 'string') return
    const own = ask(this.#settings, 'operationName', operationName, outcome)
    const name = typeof own === 'string' && own !== '' ? own : operationNameOf(outcome.method, outcome.route)
    watch(span.setOperationName(cleanText(name, MAX_NAME_LENGTH)), 'setOperationName', this.#settings.report)
  }
}

const ABORT_MESSAGES = {
  'before response': 'the connection closed before the response was sent',
  'during response': 'the connection closed before the response was complete',
} as const
