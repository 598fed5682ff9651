// A traced request from its start to the close of its response: what is known then goes onto the span, which ends here
// and nowhere else.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Span, SpanContext, Tracer } from 'opentracing'
import { responseApart } from './apart.ts'
import { pathOf, readAttributes } from './attributes.ts'
import type { Receiver } from './beyond-opentracing.ts'
import { registry, runInScope } from './context.ts'
import { ownFinishListenersOf } from './events.ts'
import { failureFields } from './failure.ts'
import type { Held } from './held.ts'
import { cleanRoute, MAX_NAME_LENGTH, operationNameOf } from './names.ts'
import type { OutcomeState, ServerSettings } from './options.ts'
import { cleanText } from './privacy.ts'
import type { Exchange, Framework } from './seam.ts'
import { wasNamed } from './start.ts'
import { ask, watch } from './trouble.ts'

type Aborted = NonNullable<OutcomeState<never>['aborted']>

/** A traced request. It is the scope that its async code carries, and lets go of everything when it closes. */
export class TracedExchange<Request> implements Held {
  span: Span | undefined
  ended: SpanContext | undefined
  readonly tracer: Tracer
  readonly parent: undefined
  readonly ownFinishListeners: number
  readonly #framework: Framework<Request>
  readonly #settings: ServerSettings<Request>
  #exchange: Exchange<Request> | undefined
  readonly #method: string
  readonly #name: string
  /** The connection of an HTTP/1 request; one of HTTP/2 has a stream instead. */
  #socket: Socket | undefined
  #failure: { error: unknown; afterHeaders: boolean } | undefined

  constructor(
    framework: Framework<Request>,
    settings: ServerSettings<Request>,
    exchange: Exchange<Request>,
    span: Span,
    name: string,
    method: string,
    socket: Socket | undefined,
  ) {
    this.span = span
    this.ended = undefined
    this.tracer = settings.tracer
    this.parent = undefined
    this.ownFinishListeners = socket instanceof Socket ? ownFinishListenersOf(framework, exchange.res) : 0
    this.#framework = framework
    this.#settings = settings
    this.#exchange = exchange
    this.#method = method
    this.#name = name
    this.#socket = socket
    this.#failure = undefined
  }

  run<T>(next: () => T): T {
    return runInScope(this, next)
  }

  fail(error: unknown): void {
    // What comes after the close is nobody's any more, and must not be held on to.
    if (this.#exchange === undefined) return
    // Mounted twice, or wrapped in layers, the first report is the one nearest to the cause.
    this.#failure ??= { error, afterHeaders: this.#exchange.res.headersSent }
  }

  close(): void {
    const { span } = this
    const exchange = this.#exchange
    if (span === undefined || exchange === undefined) return
    const { report, asksOutcome } = this.#settings
    let isHeard = asksOutcome
    registry.insideTracer++
    try {
      const context = span.context()
      this.ended = watch(context, 'span', report) ? undefined : context
      isHeard ||= (span as Receiver).isRecording !== false
    } catch (error) {
      report('span', error)
    } finally {
      registry.insideTracer--
    }
    if (isHeard) this.#account(span, exchange)
    registry.insideTracer++
    try {
      watch(span.finish(), 'finish', report)
    } catch (error) {
      report('finish', error)
    } finally {
      registry.insideTracer--
      this.span = undefined
      this.#exchange = undefined
      this.#socket = undefined
      this.#failure = undefined
    }
  }

  /** Tells the span, and the user's functions, how it went. */
  #account(span: Span, exchange: Exchange<Request>): void {
    const { report, decorateSpan, asksOutcome } = this.#settings
    const { req, res } = exchange
    const { statusCode: sent, writableEnded } = this.#framework.losesShapes ? responseApart(res) : res
    const aborted = wasCut(res, writableEnded, this.#socket) ? cutWhen(req, res) : undefined
    const statusCode = aborted === 'before response' ? undefined : sent
    const route = this.#route(exchange)
    const outcome = asksOutcome ? this.#outcome(span, exchange, route, statusCode, aborted) : undefined
    registry.insideTracer++
    try {
      this.#describe(span, exchange, route, statusCode, aborted, outcome)
    } catch (error) {
      report('span', error)
    } finally {
      registry.insideTracer--
    }
    if (decorateSpan === undefined || outcome === undefined) return
    ask(report, 'decorateSpan', decorateSpan, { ...outcome, phase: 'end' })
    // What it may have named the span is made fit to be written; it is a call into the tracer.
    ask(report, 'setOperationName', wasNamed, span)
  }

  #route(exchange: Exchange<Request>): string | undefined {
    try {
      const route = this.#framework.route(exchange)
      return route === undefined ? undefined : cleanRoute(route)
    } catch (error) {
      this.#settings.report('route', error)
      return undefined
    }
  }

  #outcome(
    span: Span,
    { request, res, target }: Exchange<Request>,
    route: string | undefined,
    statusCode: number | undefined,
    aborted: Aborted | undefined,
  ): OutcomeState<Request> {
    return {
      request,
      response: res,
      method: this.#method,
      path: pathOf(target),
      span,
      route,
      statusCode,
      error: this.#failure?.error,
      aborted,
    }
  }

  #describe(
    span: Span,
    { req, target, request }: Exchange<Request>,
    route: string | undefined,
    statusCode: number | undefined,
    aborted: Aborted | undefined,
    outcome: OutcomeState<Request> | undefined,
  ): void {
    const { lateAttributes, secret, report } = this.#settings
    const failure = this.#failure
    const failed = this.#failed(statusCode, outcome)
    const isOrdinary = failed === undefined && aborted === undefined && lateAttributes.length === 0
    if (!isOrdinary || (span as Receiver).completeFacts?.(statusCode, route) !== true) {
      const tags = endTags(statusCode, route)
      if (aborted !== undefined) tags.aborted = aborted
      if (failed !== undefined) tags.error = failed
      if (lateAttributes.length > 0) {
        const source = { req, target, read: (name: string) => this.#framework.read(request, name) }
        readAttributes(lateAttributes, source, secret, report, tags)
      }
      const added = span.addTags(tags)
      if (added !== span) watch(added, 'addTags', report)
    }
    this.#rename(span, route, outcome)
    if (failure !== undefined) watch(span.log(failureFields(failure.error, secret)), 'log', report)
    if (aborted !== undefined)
      watch(span.log({ event: 'aborted', message: ABORT_MESSAGES[aborted] }), 'log', report)
  }

  /** The tag `error`; undefined: there is no need to say anything. */
  #failed(statusCode: number | undefined, outcome: OutcomeState<Request> | undefined): boolean | undefined {
    const { isError, report } = this.#settings
    if (isError !== undefined && outcome !== undefined) {
      const own = ask(report, 'isError', isError, outcome)
      // Said aloud: a tracer that knows the status rule of its format must not know better than `isError`.
      if (typeof own === 'boolean') return own || (statusCode ?? 0) >= 500 ? own : undefined
    }
    if (statusCode !== undefined && statusCode >= 500) return true
    // An error that the app's own handler has turned into an answer was not thrown past the framework.
    const thrown = this.#failure !== undefined && (statusCode === undefined || this.#failure.afterHeaders)
    return thrown || undefined
  }

  #rename(span: Span, route: string | undefined, outcome: OutcomeState<Request> | undefined): void {
    const { operationName, report } = this.#settings
    if (wasNamed(span) || typeof operationName === 'string') return
    const own =
      operationName !== undefined && outcome !== undefined
        ? ask(report, 'operationName', operationName, outcome)
        : undefined
    const isOwn = typeof own === 'string' && own !== ''
    // Known before any handler ran, it has named the span.
    if (!isOwn && route === this.#exchange?.route) return
    const name = isOwn ? cleanText(own, MAX_NAME_LENGTH) : operationNameOf(this.#method, route)
    if (name === this.#name) return
    const renamed = span.setOperationName(name)
    if (renamed !== span) watch(renamed, 'setOperationName', report)
  }
}

/** In one piece each, as nearly all requests have them: what is added one by one costs more. */
function endTags(statusCode: number | undefined, route: string | undefined): Record<string, unknown> {
  if (statusCode === undefined) return route === undefined ? {} : { 'http.route': route }
  return route === undefined
    ? { 'http.status_code': statusCode }
    : { 'http.status_code': statusCode, 'http.route': route }
}

/** Whether the connection was gone before all of the response was. */
function wasCut(
  res: ServerResponse & { stream?: { rstCode?: number } },
  writableEnded: boolean,
  socket: Socket | undefined,
): boolean {
  // `writableEnded` tells a cut response from a complete one in every protocol; `writableFinished` does not.
  if (!writableEnded) return true
  // What was lost after `end()`, the socket alone knows, or the HTTP/2 stream (rows R-ABORT-AFTER-END, R-H2-RESET).
  return socket === undefined ? (res.stream?.rstCode ?? 0) !== 0 : Boolean(socket.errored)
}

function cutWhen(req: IncomingMessage, res: ServerResponse): Aborted {
  // A whole answer to half an upload was written when nobody was there any more (row R-ABORT-UPLOAD-ANSWERED).
  const toNobody = !req.complete && res.writableEnded
  return res.headersSent && !toNobody ? 'during response' : 'before response'
}

const ABORT_MESSAGES = {
  'before response': 'the connection closed before the response was sent',
  'during response': 'the connection closed before the response was complete',
} as const
