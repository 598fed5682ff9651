// How a request's span starts: the caller's context, the tags that a sampler may want, the references.

import type { IncomingHttpHeaders } from 'node:http'
import opentracing, { type Span, type SpanContext } from 'opentracing'
import { readAttributes } from './attributes.ts'
import type { StartOptions } from './beyond-opentracing.ts'
import { registry } from './context.ts'
import type { RequestFacts } from './facts.ts'
import { cleanName } from './names.ts'
import { type ServerSettings, stateOf } from './options.ts'
import type { Exchange, Framework } from './seam.ts'
import { ask, watch } from './trouble.ts'
import { NOOP_SPAN } from './work.ts'

const { FORMAT_HTTP_HEADERS } = opentracing

type Tags = Record<string, unknown>

/** What the caller's headers say; null when they say nothing or the tracer fails on them. */
export function extract(settings: ServerSettings<never>, headers: IncomingHttpHeaders): SpanContext | null {
  registry.insideTracer++
  try {
    const caller = settings.tracer.extract(FORMAT_HTTP_HEADERS, headers)
    return watch(caller, 'extract', settings.report) ? null : caller
  } catch (error) {
    settings.report('extract', error)
    return null
  } finally {
    registry.insideTracer--
  }
}

/** The request's span; undefined while no tracer is installed, or when the tracer failed. */
export function startSpan(
  settings: ServerSettings<never>,
  name: string,
  caller: SpanContext | null,
  isPublic: boolean,
  tags: Tags | undefined,
  facts: RequestFacts | undefined,
): Span | undefined {
  registry.insideTracer++
  try {
    const span = settings.tracer.startSpan(
      name,
      startOptions(settings, caller, isPublic, tags as Tags, facts),
    )
    if (watch(span, 'startSpan', settings.report) || !span || span === NOOP_SPAN) return undefined
    if ((span as Renamable).renamed === undefined) span.setOperationName = keepName
    facts?.tellUntaken(span)
    return span
  } catch (error) {
    settings.report('startSpan', error)
    return undefined
  } finally {
    registry.insideTracer--
  }
}

function startOptions(
  settings: ServerSettings<never>,
  caller: SpanContext | null,
  isPublic: boolean,
  tags: Tags,
  facts: RequestFacts | undefined,
): StartOptions {
  // An invalid context is handed on too: jaeger-client keeps baggage and debug ids in one (test row R-DEBUG-ID).
  if (caller && !isPublic) return { childOf: caller, tags, facts }
  if (!caller || caller.toTraceId() === '') return { tags, facts }
  // OpenTracing has no word for "new root that follows from": a parent without ids makes the root, the reference tells.
  const nobody = settings.tracer.extract(FORMAT_HTTP_HEADERS, {}) ?? new opentracing.SpanContext()
  return {
    references: [opentracing.childOf(nobody), opentracing.followsFrom(caller)],
    tags,
    facts,
  }
}

/** OpenTracing cannot be asked whether a span was renamed. Those of our own tracer can. */
interface Renamable {
  readonly renamed?: boolean
  readonly operationName?: string
  [NAMED]?: true
}

// From any other span the first call from outside is remembered, so that a name which the user's code has set is not
// overwritten with the route; one shared function, no closure per span.
const NAMED: unique symbol = Symbol('tracing-middleware.named') as never
function keepName(this: Span & Renamable, name: string): Span {
  this[NAMED] = true
  return (Object.getPrototypeOf(this) as Span).setOperationName.call(this, cleanName(name))
}

/** Whether the user's code has named the span; if so, the name is fit to be written from here on. */
export function wasNamed(span: Span): boolean {
  const { renamed, operationName } = span as Renamable
  if (renamed === undefined) return (span as Renamable)[NAMED] === true
  if (renamed) {
    const name = cleanName(operationName)
    if (name !== operationName) span.setOperationName(name)
  }
  return renamed
}

/** The tags that a sampler may want to see. */
export function startTags<Request>(
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
  exchange: Exchange<Request>,
  facts: RequestFacts,
): Record<string, unknown> {
  const { samplingPriority, report } = settings
  const tags = facts.toTags()
  if (settings.tags !== undefined) Object.assign(tags, settings.tags)
  if (settings.earlyAttributes.length > 0) {
    const { req, target, request } = exchange
    const source = { req, target, read: (name: string) => framework.read(request, name) }
    readAttributes(settings.earlyAttributes, source, settings.secret, report, tags)
  }
  if (samplingPriority !== undefined) {
    const priority = ask(report, 'samplingPriority', samplingPriority, stateOf(exchange))
    if (typeof priority === 'number' && Number.isFinite(priority)) tags['sampling.priority'] = priority
  }
  return tags
}
