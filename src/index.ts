// What people who trace a service call: spans of their own, the request's span, redaction, and what they need of
// OpenTracing itself.

import opentracing from 'opentracing'

export type { Reference, Span, SpanContext, Tracer } from 'opentracing'
export { activeSpan, bindSpan } from './core/scope.ts'
export { getSpan } from './core/server/index.ts'
export type {
  Ignore,
  OutcomeState,
  RequestState,
  ServerTracingOptions,
  SpanState,
} from './core/server/options.ts'
export type { OnError } from './core/settings/report.ts'
export { redactText, redactUrl } from './core/text/redact.ts'
export { createIsSecret, type IsSecret } from './core/text/secret-keys.ts'
export { type TracedDecorator, traced } from './core/traced.ts'
export { type WithSpanOptions, withSpan } from './core/with-span.ts'

/** OpenTracing's global tracer: what the middleware and the traced fetch use without the option `tracer`. */
export const globalTracer: typeof opentracing.globalTracer = opentracing.globalTracer
/** Installs OpenTracing's global tracer. */
export const initGlobalTracer: typeof opentracing.initGlobalTracer = opentracing.initGlobalTracer
/** The format of HTTP headers, for `tracer.inject` and `tracer.extract`. */
export const FORMAT_HTTP_HEADERS: typeof opentracing.FORMAT_HTTP_HEADERS = opentracing.FORMAT_HTTP_HEADERS
/** The format of text maps, for `tracer.inject` and `tracer.extract`. */
export const FORMAT_TEXT_MAP: typeof opentracing.FORMAT_TEXT_MAP = opentracing.FORMAT_TEXT_MAP
/** The format of binary carriers, for `tracer.inject` and `tracer.extract`. */
export const FORMAT_BINARY: typeof opentracing.FORMAT_BINARY = opentracing.FORMAT_BINARY
