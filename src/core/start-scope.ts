// Spans for work inside the process and for outbound calls: how they start below the active span, and how they end.

import opentracing, {
  type Span,
  type SpanContext,
  type SpanOptions as StartOptions,
  type Tracer,
} from 'opentracing'
import { callTracer, isInsideTracer, isRecording } from './call-tracer.ts'
import { failureFields } from './conventions/error-fields.ts'
import { cleanName } from './conventions/operation-name.ts'
import { ERROR, type Tags } from './conventions/tag-names.ts'
import { isNoopSpan } from './noop.ts'
import { currentScope, liveScope, type Scope } from './scope.ts'
import { createReport, type Report } from './settings/report.ts'

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

const defaultReport = createReport(undefined)
const NO_OPTIONS: SpanOptions = {}
const NO_TAGS: Tags = Object.freeze({})

/**
 * Starts a span below the active one (or after it, when it has ended) and the scope to run its work in.
 *
 * @param makeTags gives tags in the place of those of `given`; not called when the parent is not recorded
 * @returns undefined when no tracer is installed, when a tracer's own work is running, or when the tracer failed
 */
export function startScope(
  name: string,
  given: SpanOptions | null | undefined,
  makeTags?: () => Tags,
  report: Report = defaultReport,
): Scope | undefined {
  if (isInsideTracer()) return undefined
  const options = given ?? NO_OPTIONS
  const here = currentScope()
  const live = liveScope(here)
  if (live !== undefined) skipEnded(live)
  const start = relate(options, live?.liveSpan, here?.ended, report)
  const tracer =
    options.tracer ?? tracerOf(options, report) ?? (live ?? here)?.tracer ?? opentracing.globalTracer()
  const isUnrecorded = tracer === live?.tracer && !isRecording(live.liveSpan)
  if (makeTags === undefined) start.tags = options.tags ?? {}
  else start.tags = isUnrecorded ? NO_TAGS : makeTags()
  if (options.startTime !== undefined) start.startTime = options.startTime
  const span = callTracer(report, 'startSpan', () => tracer.startSpan(cleanName(name), start))
  if (!span || isNoopSpan(span) || typeof span.finish !== 'function') return undefined
  return { liveSpan: span, ended: undefined, tracer, parent: live }
}

/** Work that starts its own successor before it ends, again and again, must not make an endless chain of scopes. */
function skipEnded(scope: Scope): void {
  while (scope.parent !== undefined && scope.parent.liveSpan === undefined) scope.parent = scope.parent.parent
}

/** The parent and the references of a new span. A parent alone goes into `childOf`, which every tracer reads fastest. */
function relate(
  { childOf, followsFrom }: SpanOptions,
  active: Span | undefined,
  ended: SpanContext | undefined,
  report: Report,
): StartOptions {
  const parent = childOf === undefined && followsFrom === undefined ? active : childOf
  const above = parent ? contextOf(parent, report) : undefined
  const earlier = followsFrom ?? (parent === undefined ? ended : undefined)
  const before = earlier ? contextOf(earlier, report) : undefined
  if (before === undefined) return above === undefined ? {} : { childOf: above }
  const references = [opentracing.followsFrom(before)]
  if (above !== undefined) references.unshift(opentracing.childOf(above))
  return { references }
}

/** The tracer of a span that was named as parent; a context does not tell. */
function tracerOf({ childOf, followsFrom }: SpanOptions, report: Report): Tracer | undefined {
  const named = childOf ?? followsFrom
  if (!named || !('tracer' in named) || typeof named.tracer !== 'function') return undefined
  return callTracer(report, 'tracer', () => named.tracer())
}

/** Told apart by the methods: a span may be of another copy of opentracing than ours. */
function contextOf(of: Span | SpanContext, report: Report): SpanContext | undefined {
  if (!('context' in of) || typeof of.context !== 'function') return of as SpanContext
  return callTracer(report, 'context', () => of.context()) ?? undefined
}

/**
 * Ends a scope's span, and forgets it.
 *
 * @param failure what the work failed with
 */
export function endScope(scope: Scope, failure?: { error: unknown }, report: Report = defaultReport): void {
  const span = scope.liveSpan
  if (span === undefined) return
  scope.liveSpan = undefined
  scope.ended = callTracer(report, 'context', () => span.context()) ?? undefined
  if (failure !== undefined) {
    callTracer(report, 'addTags', () => span.addTags({ [ERROR]: true }))
    callTracer(report, 'log', () => span.log(failureFields(failure.error)))
  }
  callTracer(report, 'finish', () => span.finish())
}
