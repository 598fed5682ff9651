// Who is whose parent: what `childOf` and `references` come to, also when they are another tracer's.

import opentracing, { type Reference, type Span, type SpanContext, type SpanOptions } from 'opentracing'
import type { Report } from '../core/settings/report.ts'
import { fromForeign, fromOutside, LeanSpanContext } from './context.ts'
import type { SpanReference } from './export/exporter.ts'
import type { Recorder } from './span.ts'

/** What a new span's references come to. */
export interface Related {
  readonly parent: LeanSpanContext | undefined
  readonly others: SpanReference[]
}

/** The context of a span or context as one of the tracer's own; undefined for none, and for one that cannot be understood. */
export function toContext(
  recorder: Recorder,
  given: Span | SpanContext | null | undefined,
  report: Report,
): LeanSpanContext | undefined {
  if (given === undefined || given === null) return undefined
  try {
    // Nearly always, and quickly told.
    if (given instanceof LeanSpanContext && given.trace.recorder === recorder) return given
    const context = typeof (given as Span).context === 'function' ? (given as Span).context() : given
    if (context instanceof LeanSpanContext) {
      return context.trace.recorder === recorder ? context : fromOutside(recorder, context)
    }
    const foreign = fromForeign(context)
    return foreign === undefined ? undefined : fromOutside(recorder, foreign)
  } catch (error) {
    report('span context', error)
    return undefined
  }
}

/**
 * The first child-of is the parent; without one, the first follows-from is. A parent without ids begins a trace. All
 * other references, and a parent that is followed and not waited for, are told beside it.
 */
export function readReferences(
  recorder: Recorder,
  references: readonly Reference[],
  childOf: SpanOptions['childOf'],
  report: Report,
): Related {
  const first = childOf ? -1 : Math.max(0, references.findIndex(isChildOf))
  const parent = toContext(recorder, childOf || references[first]?.referencedContext(), report)
  const others: SpanReference[] = []
  references.forEach((reference, i) => {
    if (i === first && isChildOf(reference)) return
    const context = i === first ? parent : toContext(recorder, reference.referencedContext(), report)
    if (context === undefined || context.traceId === '') return
    const { traceId, spanId, tracestate } = context
    others.push({ type: isChildOf(reference) ? 'child_of' : 'follows_from', traceId, spanId, tracestate })
  })
  return { parent, others }
}

function isChildOf(reference: Reference): boolean {
  return reference.type() === opentracing.REFERENCE_CHILD_OF
}
