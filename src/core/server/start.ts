// How a request's span starts: the caller's context, the tags that a sampler may want, the references.

import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import opentracing, { type Span, type SpanContext, type SpanOptions } from 'opentracing'
import { callTracer, isRecording } from '../call-tracer.ts'
import { operationNameOf, padTraceId } from '../conventions/operation-name.ts'
import { SAMPLING_PRIORITY, type Tags } from '../conventions/tag-names.ts'
import { isNoopContext, isNoopSpan } from '../noop.ts'
import { callUser } from '../settings/report.ts'
import { readAttributes } from './attributes.ts'
import { follow, readRequest } from './node-events.ts'
import { type ServerSettings, stateOf } from './options.ts'
import { createRequestTags } from './request-tags.ts'
import type { Exchange, Framework, Handling } from './seam.ts'
import { TracedRequest } from './traced-request.ts'

const { FORMAT_HTTP_HEADERS } = opentracing

/** The handling of a request without a span. */
export const UNTRACED: Handling = { isTraced: false, span: undefined, run: next => next(), fail() {} }

const NO_TAGS: Tags = Object.freeze({})

/** Makes the function that starts the spans of a framework's requests. */
export function createStart<Request>(
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
): (exchange: Exchange<Request>) => Handling {
  const { report, isPublic, operationName, decorateSpan, traceResponseHeader, setsPriority } = settings
  const requestTags = createRequestTags(framework, settings.secret)

  return function start(exchange) {
    if (settings.ignored?.(exchange) === true) return UNTRACED
    const { headers, method = 'GET', socket } = readRequest(exchange.req)
    const caller = extract(settings, headers)
    if (isNoopContext(caller)) return UNTRACED
    const isStranger =
      isPublic !== undefined && callUser(report, 'publicEndpoint', isPublic, stateOf(exchange)) === true
    // A caller that has decided against recording needs no tags, unless our user may decide otherwise.
    const tags =
      isStranger || setsPriority || isRecording(caller)
        ? withUserTags(framework, settings, exchange, requestTags(exchange, method, headers, socket))
        : NO_TAGS
    const name = typeof operationName === 'string' ? operationName : operationNameOf(method, exchange.route)
    const options = startOptions(settings, caller, isStranger, tags)
    const span = callTracer(report, 'startSpan', () => settings.tracer.startSpan(name, options))
    if (!span || isNoopSpan(span)) return UNTRACED

    // HTTP/2 requests share their connection and have a stream instead.
    const connection = headers[':path'] === undefined ? socket : undefined
    const traced = new TracedRequest(framework, settings, exchange, span, name, method, connection)
    try {
      follow(exchange.req, exchange.res, socket, traced)
    } catch (error) {
      // Without its events the span would stay open for ever.
      traced.end(true)
      throw error
    }
    if (traceResponseHeader !== undefined) writeTraceId(settings, exchange.res, span)
    if (decorateSpan !== undefined) {
      traced.onExposed()
      callUser(report, 'decorateSpan', decorateSpan, { ...stateOf(exchange), phase: 'start', span })
    }
    return traced
  }
}

/** What the caller's headers say; null when they say nothing or the tracer fails on them. */
function extract(settings: ServerSettings<never>, headers: IncomingHttpHeaders): SpanContext | null {
  const call = () => settings.tracer.extract(FORMAT_HTTP_HEADERS, headers)
  return callTracer(settings.report, 'extract', call) ?? null
}

function startOptions(
  settings: ServerSettings<never>,
  caller: SpanContext | null,
  isStranger: boolean,
  tags: Tags,
): SpanOptions {
  // An invalid context is handed on too: jaeger-client keeps baggage and debug ids in one (row R-DEBUG-ID).
  if (caller && !isStranger) return { childOf: caller, tags }
  const id = caller && callTracer(settings.report, 'toTraceId', () => caller.toTraceId())
  if (!caller || id === '') return { tags }
  // OpenTracing has no word for a new root that follows from another span: a parent without ids makes the root.
  const noParent = extract(settings, {}) ?? new opentracing.SpanContext()
  return { references: [opentracing.childOf(noParent), opentracing.followsFrom(caller)], tags }
}

/** Adds the tags that the user's options ask for at the start. */
function withUserTags<Request>(
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
  exchange: Exchange<Request>,
  tags: Tags,
): Tags {
  const { samplingPriority, report } = settings
  if (!settings.addsTags) return tags
  if (settings.tags !== undefined) Object.assign(tags, settings.tags)
  if (settings.earlyAttributes.length > 0) {
    const { req, target, request } = exchange
    const source = { req, target, read: (name: string) => framework.read(request, name) }
    readAttributes(settings.earlyAttributes, source, settings.secret, report, tags)
  }
  if (samplingPriority !== undefined) {
    const priority = callUser(report, 'samplingPriority', samplingPriority, stateOf(exchange))
    if (typeof priority === 'number' && Number.isFinite(priority)) tags[SAMPLING_PRIORITY] = priority
  }
  return tags
}

function writeTraceId(settings: ServerSettings<never>, res: ServerResponse, span: Span): void {
  callTracer(settings.report, 'traceResponseHeader', () => {
    const id = span.context().toTraceId()
    if (id !== '' && !res.headersSent) res.setHeader(settings.traceResponseHeader as string, padTraceId(id))
  })
}
