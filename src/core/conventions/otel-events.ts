// Logs of OpenTracing as events of OpenTelemetry: an error's log is an exception there.
// https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/

import type { SpanLog } from '../../tracer/export/exporter.ts'
import type { SemanticConventions } from './otel-attributes.ts'
import type { TagValue } from './tag-value.ts'

/** A log as OpenTelemetry has it. */
export interface SpanEvent {
  readonly name: string
  readonly attributes: Readonly<Record<string, TagValue>>
}

const EXCEPTION: Readonly<Record<string, string>> = {
  'error.kind': 'exception.type',
  message: 'exception.message',
  stack: 'exception.stacktrace',
}

/** The event that a log is. */
export function toEvent({ fields }: SpanLog, conventions: SemanticConventions): SpanEvent {
  const { event, ...attributes } = fields
  const name = typeof event === 'string' && event !== '' ? event : 'log'
  if (name !== 'error' || conventions === 'opentracing') return { name, attributes }
  const translated: Record<string, TagValue> = {}
  for (const [key, value] of Object.entries(attributes)) {
    const to = EXCEPTION[key]
    if (to !== undefined) translated[to] = value
    if (to === undefined || conventions === 'both') translated[key] = value
  }
  // The error itself is "TypeError: message" by now: kind and message say the same, and say it apart.
  const object = translated['error.object']
  if (object !== undefined && translated['exception.message'] === undefined) {
    translated['exception.message'] = object
  }
  if (conventions === 'opentelemetry') delete translated['error.object']
  return { name: 'exception', attributes: translated }
}
