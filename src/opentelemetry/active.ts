// Our spans in OpenTelemetry's own context: there its samplers, processors and instrumentations look for the parent.

import {
  type BaggageEntry,
  baggageEntryMetadataFromString,
  type Context,
  context,
  propagation,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import type { Span, SpanContext } from 'opentracing'
import { createReport } from '../core/settings/report.ts'
import type { TraceContext } from '../propagation/index.ts'
import { type BridgedContext, toBridged } from './context.ts'
import { BridgedSpan } from './span.ts'

const report = createReport(undefined)

/**
 * OpenTelemetry's context with this span active in it, and its baggage. Given to `context.with`, it makes the spans that
 * OpenTelemetry instrumentations start (of a database driver, for example) children of this one.
 *
 * @param span a span or span context of any OpenTracing tracer; without one, or without ids, `base` comes back
 * @param base the context to add to; default: the one that is active
 * @example
 * app.use(tracingMiddleware({ tracer }))
 * app.use((req, res, next) => context.with(contextOfSpan(getSpan(req)), next))
 */
export function contextOfSpan(
  span: Span | SpanContext | null | undefined,
  base: Context = context.active(),
): Context {
  const bridged = toBridged(span, report)
  if (bridged === undefined) return base
  const live = span instanceof BridgedSpan && bridged.otel !== undefined ? span.otel : undefined
  return withBaggage(live === undefined ? withParent(base, bridged) : trace.setSpan(base, live), bridged.told)
}

/** The context to start a span in that has this parent, whatever OpenTelemetry span is active. */
export function contextBelow(parent: BridgedContext | undefined, isSampled: boolean): Context {
  const base = context.active()
  const rootless = trace.getSpan(base) === undefined ? base : trace.deleteSpan(base)
  return parent === undefined ? rootless : withBaggage(withParent(rootless, parent, isSampled), parent.told)
}

function withParent(base: Context, { otel }: BridgedContext, isSampled = false): Context {
  if (otel === undefined) return base
  return trace.setSpanContext(
    base,
    isSampled ? { ...otel, traceFlags: otel.traceFlags | TraceFlags.SAMPLED } : otel,
  )
}

function withBaggage(base: Context, { baggage, baggageProperties }: TraceContext): Context {
  if (baggage === undefined || baggage.size === 0) return base
  // Without a prototype: keys come from strangers.
  const entries: Record<string, BaggageEntry> = Object.create(null)
  for (const [key, value] of baggage) {
    const properties = baggageProperties?.get(key)
    entries[key] = {
      value,
      ...(properties !== undefined && { metadata: baggageEntryMetadataFromString(properties) }),
    }
  }
  return propagation.setBaggage(base, propagation.createBaggage(entries))
}
