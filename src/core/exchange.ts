// A traced request from its start to the close of its response: what is known then goes onto the span, which ends here
// and nowhere else.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Span, SpanContext, Tracer } from 'opentracing'
import { readAttributes } from './attributes.ts'
import { registry, runInScope, type Scope } from './context.ts'
import { failureFields } from './failure.ts'
import { MAX_NAME_LENGTH, operationNameOf } from './names.ts'
import type { OutcomeState, RequestState, ServerSettings } from './options.ts'
import { cleanText } from './privacy.ts'
import type { Exchange, Framework, Handling } from './seam.ts'
import { wasNamed } from './start.ts'
import { ask, watch } from './trouble.ts'

/** A traced request. It is the scope that its async code carries, and lets go of everything when it closes. */
export class TracedExchange<Request> implements Handling, Scope {
  span: Span | undefined
  ended: SpanContext | undefined
  readonly tracer: Tracer
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
    this.tracer = settings.tracer
    this.#exchange = exchange
    this.#state = state
    this.span = span
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

  /** The response has left, or its connection is gone. */
  close(): void {
    const { span } = this
    if (span === undefined || this.#exchange === undefined || this.#state === undefined) return
    const settings = this.#settings
    const outcome = this.#outcome(span, this.#exchange, this.#state)
    registry.insideTracer++
    try {
      const context = span.context()
      this.ended = watch(context, 'span', settings.report) ? undefined : context
      this.#describe(span, this.#exchange, outcome)
    } catch (error) {
      settings.report('span', error)
    } finally {
      registry.insideTracer--
    }
    if (settings.decorateSpan !== undefined) {
      ask(settings.report, 'decorateSpan', settings.decorateSpan, { ...outcome, phase: 'end' })
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
    { req, res, request }: Exchange<Request>,
    state: RequestState<Request>,
  ): OutcomeState<Request> {
    const aborted = wasCut(req, res) ? cutWhen(req, res) : undefined
    return {
      // Not `...state`: V8 makes a dictionary of it, which costs more than all the rest of this file.
      request: state.request,
      response: state.response,
      method: state.method,
      path: state.path,
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
    // Said aloud: a tracer that knows the status rule of its format must not know better than `isError`.
    else if (settings.isError !== undefined && (statusCode ?? 0) >= 500) tags.error = false
    if (settings.lateAttributes.length > 0) {
      const source = { req, target, read: (name: string) => this.#framework.read(request, name) }
      readAttributes(settings.lateAttributes, source, settings.secret, settings.report, tags)
    }
    watch(span.addTags(tags), 'addTags', settings.report)
    this.#name(span, outcome)
    if (this.#failure !== undefined)
      watch(span.log(failureFields(this.#failure.error, settings.secret)), 'log', settings.report)
    if (aborted !== undefined)
      watch(span.log({ event: 'aborted', message: ABORT_MESSAGES[aborted] }), 'log', settings.report)
  }

  #failed(outcome: OutcomeState<Request>): boolean {
    const { statusCode } = outcome
    const own = ask(this.#settings.report, 'isError', this.#settings.isError, outcome)
    if (typeof own === 'boolean') return own
    if (statusCode !== undefined && statusCode >= 500) return true
    // An error that the app's own handler has turned into an answer was not thrown past the framework.
    return this.#failure !== undefined && (statusCode === undefined || this.#failure.afterHeaders)
  }

  #name(span: Span, outcome: OutcomeState<Request>): void {
    if (wasNamed(span)) return
    const { operationName } = this.#settings
    if (typeof operationName === 'string') return
    const own = ask(this.#settings.report, 'operationName', operationName, outcome)
    const isOwn = typeof own === 'string' && own !== ''
    const name = isOwn ? cleanText(own, MAX_NAME_LENGTH) : operationNameOf(outcome.method, outcome.route)
    watch(span.setOperationName(name), 'setOperationName', this.#settings.report)
  }
}

/** Whether the connection was gone before all of the response was. */
function wasCut(req: IncomingMessage, res: ServerResponse & { stream?: { rstCode?: number } }): boolean {
  // `writableEnded` tells a cut response from a complete one in every protocol; `writableFinished` does not.
  if (!res.writableEnded) return true
  // What was lost after `end()`, the socket alone knows, or the HTTP/2 stream (rows R-ABORT-AFTER-END, R-H2-RESET).
  return req.httpVersionMajor >= 2 ? (res.stream?.rstCode ?? 0) !== 0 : Boolean(req.socket?.errored)
}

function cutWhen(req: IncomingMessage, res: ServerResponse): 'before response' | 'during response' {
  // A whole answer to half an upload was written when nobody was there any more (row R-ABORT-UPLOAD-ANSWERED).
  const toNobody = !req.complete && res.writableEnded
  return res.headersSent && !toNobody ? 'during response' : 'before response'
}

const ABORT_MESSAGES = {
  'before response': 'the connection closed before the response was sent',
  'during response': 'the connection closed before the response was complete',
} as const
