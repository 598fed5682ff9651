// The tracer of `opentracing` that does nothing: what it answers while no tracer is installed.

import opentracing, { type Span, type SpanContext } from 'opentracing'

/** One shared span, handed to user code where there is no other. */
export const NOOP_SPAN: Span = new opentracing.Tracer().startSpan('')
const NOOP_CONTEXT: SpanContext | null = new opentracing.Tracer().extract('', {})

export function isNoopSpan(span: Span): boolean {
  return span === NOOP_SPAN
}

export function isNoopContext(context: SpanContext | null): boolean {
  return context === NOOP_CONTEXT
}
