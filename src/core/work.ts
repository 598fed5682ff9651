// Spans for work inside the process: a block, a function, a method.

import opentracing, { type Span, type SpanContext, type Tracer } from 'opentracing'
import { currentScope, liveScope, registry, type Scope } from './context.ts'
import { logFailure } from './failure.ts'
import { createReport, watch } from './trouble.ts'

/** What `opentracing` answers while no tracer is installed: one shared span and one shared context. */
export const NOOP_SPAN: Span = new opentracing.Tracer().startSpan('')
export const NOOP_CONTEXT: SpanContext | null = new opentracing.Tracer().extract('', {})

/** How a span starts; everything may be left out. */
export interface SpanOptions {
  /** Tags set before the sampler decides. */
  tags?: Record<string, unknown>
  /** The parent; default: the active span. `null` starts a new trace. */
  childOf?: Span | SpanContext | null
  /** A span that caused this one and does not wait for it: for work that outlives a request. */
  followsFrom?: Span | SpanContext
  /** Milliseconds since the epoch, fractions allowed; default: now. */
  startTime?: number
  /** The tracer; default: the parent's, else `opentracing.globalTracer()`. */
  tracer?: Tracer
}

const report = createReport(undefined)

/**
 * Starts a span below the active one (or after it, when it has ended) and the scope to run its work in.
 *
 * @returns undefined when no tracer is installed, when a tracer's own work is running, or when the tracer failed
 */
export function startScope(name: string, options: SpanOptions = {}): Scope | undefined {
  if (registry.insideTracer > 0) return undefined
  const here = currentScope()
  const live = liveScope(here)
  registry.insideTracer++
  try {
    const references = []
    const parent =
      options.childOf === undefined && options.followsFrom === undefined ? live?.span : options.childOf
    if (parent) references.push(opentracing.childOf(parent))
    const earlier = options.followsFrom ?? (parent === undefined ? here?.ended : undefined)
    if (earlier) references.push(opentracing.followsFrom(earlier as SpanContext))
    const tracer = options.tracer ?? live?.span?.tracer() ?? opentracing.globalTracer()
    const span = tracer.startSpan(name, {
      references,
      tags: options.tags ?? {},
      ...(options.startTime === undefined ? undefined : { startTime: options.startTime }),
    })
    if (!span || span === NOOP_SPAN) return undefined
    return { span, ended: undefined, parent: live }
  } catch (error) {
    report('startSpan', error)
    return undefined
  } finally {
    registry.insideTracer--
  }
}

/** Ends a scope's span, and lets go of it. `failure` is there when the work failed; `tags` are set before. */
export function endScope(scope: Scope, failure?: { error: unknown }, tags?: Record<string, unknown>): void {
  const span = scope.span
  if (span === undefined) return
  registry.insideTracer++
  try {
    scope.ended = span.context()
    if (tags !== undefined) watch(span.addTags(tags), 'addTags', report)
    if (failure !== undefined) logFailure(span, failure.error)
  } catch (error) {
    report('span', error)
  }
  try {
    watch(span.finish(), 'finish', report)
  } catch (error) {
    report('finish', error)
  } finally {
    scope.span = undefined
    registry.insideTracer--
  }
}
