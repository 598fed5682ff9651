// How a request's span starts: the caller's context, the tags that a sampler may want, the references.

import type { IncomingMessage } from 'node:http'
import opentracing, { type Span, type SpanContext } from 'opentracing'
import { readAttributes } from './attributes.ts'
import { registry } from './context.ts'
import { cleanName } from './names.ts'
import type { ServerSettings } from './options.ts'
import { isHarmless, MAX_URL_LENGTH, redactUrl } from './privacy.ts'
import type { Exchange, Framework } from './seam.ts'
import { watch } from './trouble.ts'
import { NOOP_SPAN } from './work.ts'

/** What the caller's headers say; null when they say nothing or the tracer fails on them. */
export function extract(settings: ServerSettings<never>, req: IncomingMessage): SpanContext | null {
  registry.insideTracer++
  try {
    const caller = settings.tracer.extract(opentracing.FORMAT_HTTP_HEADERS, req.headers)
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
  tags: Record<string, unknown>,
): Span | undefined {
  registry.insideTracer++
  try {
    const span = settings.tracer.startSpan(name, startOptions(settings, caller, isPublic, tags))
    if (watch(span, 'startSpan', settings.report) || !span || span === NOOP_SPAN) return undefined
    span.setOperationName = keepName
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
  tags: Record<string, unknown>,
): opentracing.SpanOptions {
  if (!caller) return { tags }
  // An invalid context is handed on too: jaeger-client keeps baggage and debug ids in one (test row R-DEBUG-ID).
  if (!isPublic) return { childOf: caller, tags }
  if (caller.toTraceId() === '') return { tags }
  // OpenTracing has no word for "new root that follows from": a parent without ids makes the root, the reference tells.
  const nobody = settings.tracer.extract(opentracing.FORMAT_HTTP_HEADERS, {}) ?? new opentracing.SpanContext()
  return { references: [opentracing.childOf(nobody), opentracing.followsFrom(caller)], tags }
}

// OpenTracing cannot be asked for a span's name. The first call from outside is remembered, so that a name which the
// user's code has set is not overwritten with the route; one shared function, no closure per span.
const NAMED: unique symbol = Symbol('tracing-middleware.named') as never
function keepName(this: Span & { [NAMED]?: true }, name: string): Span {
  this[NAMED] = true
  return (Object.getPrototypeOf(this) as Span).setOperationName.call(this, cleanName(name))
}

/** Whether the user's code has named the span. */
export function wasNamed(span: Span): boolean {
  return (span as { [NAMED]?: true })[NAMED] === true
}

/** What is known before the handler runs, for the sampler to see. */
export function startTags<Request>(
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
  exchange: Exchange<Request>,
  method: string,
): Record<string, unknown> {
  const { req, target, request } = exchange
  const { socket } = req
  const tags: Record<string, unknown> = {
    'span.kind': 'server',
    component: framework.component,
    'http.method': method,
    'http.url': urlOf(framework, settings, exchange),
  }
  const address = socket?.remoteAddress
  if (address !== undefined) {
    // An IPv4 peer of a dual-stack socket shows as ::ffff:192.0.2.1
    if (address.startsWith('::ffff:')) tags['peer.ipv4'] = address.slice(7)
    else tags[address.includes(':') ? 'peer.ipv6' : 'peer.ipv4'] = address
    tags['peer.port'] = socket.remotePort
  }
  if (settings.tags !== undefined) Object.assign(tags, settings.tags)
  if (settings.earlyAttributes.length > 0) {
    const source = { req, target, read: (name: string) => framework.read(request, name) }
    readAttributes(settings.earlyAttributes, source, settings.secret, settings.report, tags)
  }
  return tags
}

function urlOf<Request>(
  framework: Framework<Request>,
  { secret }: ServerSettings<Request>,
  { req, target, request }: Exchange<Request>,
): string {
  if (target.charCodeAt(0) !== 47 /* / */) return redactUrl(target, secret)
  const host = String(req.headers.host ?? req.headers[':authority'] ?? '')
  const url = `${schemeOf(framework, req, request)}://${host}${target}`
  // Harmless parts make a harmless whole. Looked at as a whole, it would be copied for each request, sampled or not.
  const isClean = url.length <= MAX_URL_LENGTH && isHarmless(host) && isHarmless(target)
  return isClean ? url : redactUrl(url, secret)
}

/** The socket's own; behind a proxy what the proxy says, when the app has told its framework to trust it. */
function schemeOf<Request>(
  framework: Framework<Request>,
  { headers, socket }: IncomingMessage,
  request: Request,
): string {
  const trusted = headers['x-forwarded-proto'] === undefined ? undefined : framework.read(request, 'protocol')
  if (trusted === 'https' || trusted === 'http') return trusted
  return (socket as { encrypted?: boolean } | undefined)?.encrypted ? 'https' : 'http'
}
