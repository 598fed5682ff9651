// A traced request from its start to the end of its response. Its span ends here and nowhere else.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Span, SpanContext, Tracer } from 'opentracing'
import { callTracer, isRecording } from '../call-tracer.ts'
import { failureFields } from '../conventions/error-fields.ts'
import { cleanRoute, MAX_NAME_LENGTH, operationNameOf } from '../conventions/operation-name.ts'
import { isFailedStatus } from '../conventions/status.ts'
import { ABORTED, ERROR } from '../conventions/tag-names.ts'
import { runInScope } from '../scope.ts'
import { callUser } from '../settings/report.ts'
import { cleanText } from '../text/redact.ts'
import { pathOf, readAttributes } from './attributes.ts'
import { wasNamedByUser, watchName } from './naming.ts'
import { finishListenersOf, type RequestScope, readResponse } from './node-events.ts'
import type { OutcomeState, ServerSettings } from './options.ts'
import { responseTags } from './request-tags.ts'
import type { Exchange, Framework } from './seam.ts'

type Aborted = NonNullable<OutcomeState<never>['aborted']>

/** What the end of a request says about it. */
interface Outcome {
  readonly route: string | undefined
  readonly statusCode: number | undefined
  readonly aborted: Aborted | undefined
}

/** A traced request: the scope of its code. It keeps neither the span nor the request when it has ended. */
export class TracedRequest<Request> implements RequestScope {
  readonly isTraced = true
  liveSpan: Span | undefined
  ended: SpanContext | undefined
  readonly tracer: Tracer
  readonly parent: undefined
  readonly earlyFinishListeners: number
  readonly #framework: Framework<Request>
  readonly #settings: ServerSettings<Request>
  #exchange: Exchange<Request> | undefined
  readonly #method: string
  readonly #name: string
  /** The span's own method, once the calls of user code are noticed. */
  #setOperationName: Span['setOperationName'] | undefined
  /** The connection of an HTTP/1 request; one of HTTP/2 has a stream instead. */
  #socket: Socket | undefined
  #failure: { readonly error: unknown; readonly isAfterHeaders: boolean } | undefined

  constructor(
    framework: Framework<Request>,
    settings: ServerSettings<Request>,
    exchange: Exchange<Request>,
    span: Span,
    name: string,
    method: string,
    socket: Socket | undefined,
  ) {
    this.liveSpan = span
    this.ended = undefined
    this.tracer = settings.tracer
    this.parent = undefined
    this.earlyFinishListeners = finishListenersOf(exchange.res, socket)
    this.#framework = framework
    this.#settings = settings
    this.#exchange = exchange
    this.#method = method
    this.#name = name
    this.#setOperationName = undefined
    this.#socket = socket
    this.#failure = undefined
  }

  get span(): Span | undefined {
    this.onExposed()
    return this.liveSpan
  }

  /** User code gets the span, and may name it. Most requests end without that. */
  onExposed(): void {
    const span = this.liveSpan
    if (span === undefined || this.#setOperationName !== undefined) return
    this.#setOperationName = callTracer(this.#settings.report, 'setOperationName', () => watchName(span))
  }

  run<T>(next: () => T): T {
    return runInScope(this, next)
  }

  fail(error: unknown): void {
    // After the end an error must not be kept alive.
    if (this.#exchange === undefined) return
    // The first report is the one nearest to the cause, if the middleware is mounted twice.
    this.#failure ??= { error, isAfterHeaders: this.#exchange.res.headersSent }
  }

  end(isCut = false): void {
    const span = this.liveSpan
    const exchange = this.#exchange
    if (span === undefined || exchange === undefined) return
    const { report, asksOutcome } = this.#settings
    this.ended = callTracer(report, 'context', () => span.context())
    if (asksOutcome || isRecording(span)) this.#describe(span, exchange, isCut)
    callTracer(report, 'finish', () => span.finish())
    this.liveSpan = undefined
    this.#exchange = undefined
    this.#socket = undefined
    this.#failure = undefined
  }

  /** Tells the span, and the user's functions, how the request went. */
  #describe(span: Span, exchange: Exchange<Request>, isCut: boolean): void {
    const { report, decorateSpan, asksOutcome } = this.#settings
    const { req, res } = exchange
    const { statusCode, writableEnded } = readResponse(res)
    const aborted = isCut || wasCut(res, writableEnded, this.#socket) ? abortedWhen(req, res) : undefined
    const outcome: Outcome = {
      route: this.#route(exchange),
      statusCode: aborted === 'before response' ? undefined : statusCode,
      aborted,
    }
    if (asksOutcome) this.onExposed()
    const state = asksOutcome ? this.#stateFor(span, exchange, outcome) : undefined
    const tags = this.#tags(exchange, outcome, state)
    callTracer(report, 'addTags', () => span.addTags(tags))
    this.#rename(span, exchange, outcome, state)
    const failure = this.#failure
    if (failure !== undefined)
      callTracer(report, 'log', () => span.log(failureFields(failure.error, this.#settings.secret)))
    if (aborted !== undefined)
      callTracer(report, 'log', () => span.log({ event: 'aborted', message: ABORT_MESSAGES[aborted] }))
    if (decorateSpan === undefined || state === undefined) return
    callUser(report, 'decorateSpan', decorateSpan, { ...state, phase: 'end' })
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

  #stateFor(
    span: Span,
    { request, res, target }: Exchange<Request>,
    outcome: Outcome,
  ): OutcomeState<Request> {
    return {
      request,
      response: res,
      method: this.#method,
      path: pathOf(target),
      span,
      error: this.#failure?.error,
      ...outcome,
    }
  }

  #tags(
    { req, target, request }: Exchange<Request>,
    { statusCode, route, aborted }: Outcome,
    state: OutcomeState<Request> | undefined,
  ): Record<string, unknown> {
    const { lateAttributes, secret, report } = this.#settings
    const tags = responseTags(statusCode, route)
    if (aborted !== undefined) tags[ABORTED] = aborted
    const failed = this.#failed(statusCode, state)
    if (failed !== undefined) tags[ERROR] = failed
    if (lateAttributes.length > 0) {
      const source = { req, target, read: (name: string) => this.#framework.read(request, name) }
      readAttributes(lateAttributes, source, secret, report, tags)
    }
    return tags
  }

  /** The tag `error`; undefined where the absence of the tag says enough. */
  #failed(statusCode: number | undefined, state: OutcomeState<Request> | undefined): boolean | undefined {
    const { isError, report } = this.#settings
    const byStatus = isFailedStatus('server', statusCode)
    if (isError !== undefined && state !== undefined) {
      const own = callUser(report, 'isError', isError, state)
      // `false` is written for a 5xx: a tracer that knows the status rule of its format must not know better.
      if (typeof own === 'boolean') return own || byStatus ? own : undefined
    }
    if (byStatus) return true
    // An error that the app's own handler has turned into an answer was not thrown past the framework.
    const isThrown = this.#failure !== undefined && (statusCode === undefined || this.#failure.isAfterHeaders)
    return isThrown || undefined
  }

  #rename(
    span: Span,
    exchange: Exchange<Request>,
    { route }: Outcome,
    state: OutcomeState<Request> | undefined,
  ): void {
    const { operationName, report } = this.#settings
    if (wasNamedByUser(span) || typeof operationName === 'string') return
    const own =
      operationName !== undefined && state !== undefined
        ? callUser(report, 'operationName', operationName, state)
        : undefined
    const isOwn = typeof own === 'string' && own !== ''
    // A route that was known at the start has named the span already.
    if (!isOwn && route === exchange.route) return
    const name = isOwn ? cleanText(own, MAX_NAME_LENGTH) : operationNameOf(this.#method, route)
    if (name === this.#name) return
    callTracer(report, 'setOperationName', () =>
      (this.#setOperationName ?? span.setOperationName).call(span, name),
    )
  }
}

/** Whether the connection was gone before all of the response was. */
function wasCut(
  res: ServerResponse & { stream?: { rstCode?: number } },
  writableEnded: boolean,
  socket: Socket | undefined,
): boolean {
  // `writableEnded` tells a cut response from a complete one in every protocol; `writableFinished` does not.
  if (!writableEnded) return true
  // Only the socket, or the HTTP/2 stream, knows what was lost after `end()` (rows R-ABORT-AFTER-END, R-H2-RESET).
  return socket === undefined ? (res.stream?.rstCode ?? 0) !== 0 : Boolean(socket.errored)
}

function abortedWhen(req: IncomingMessage, res: ServerResponse): Aborted {
  // A whole answer to half an upload was written after the client had left (row R-ABORT-UPLOAD-ANSWERED).
  const isUnread = !req.complete && res.writableEnded
  return res.headersSent && !isUnread ? 'during response' : 'before response'
}

const ABORT_MESSAGES = {
  'before response': 'the connection closed before the response was sent',
  'during response': 'the connection closed before the response was complete',
} as const
