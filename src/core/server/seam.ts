// The seam between core and an adapter: what each tells the other. Nothing here runs.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Span } from 'opentracing'

/** What core asks of a framework; made once, with the adapter. */
export interface Framework<Request> {
  /** The `component` tag, such as `express`. */
  readonly component: string
  /** How users call the adapter, for error messages: `tracingMiddleware(options)`. */
  readonly usage: string
  /** The template of the route that matched, with all mounted prefixes; asked when the response has left. */
  route(exchange: Exchange<Request>): string | undefined
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
  /** The template of the route, where the framework knows it before any handler runs. */
  readonly route?: string | undefined
}

/** A request in the hands of core. There is no finish: core ends the span when the response closes. */
export interface Handling {
  /** Whether the request has a span: false for an ignored request, and while no tracer is installed. */
  readonly isTraced: boolean
  /** The request's span; undefined for a request without one and once the span has ended. */
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
