// How a request's span starts: the caller's context, the tags that a sampler may want, the references.

import type { IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import opentracing, { type Span, type SpanContext } from 'opentracing'
import { readAttributes } from './attributes.ts'
import { registry } from './context.ts'
import type { StartOptions } from './handed-over.ts'
import { cleanName } from './names.ts'
import type { ServerSettings } from './options.ts'
import { isHarmless, MAX_URL_LENGTH, redactUrl } from './privacy.ts'
import type { Exchange, Framework } from './seam.ts'
import { watch } from './trouble.ts'
import { NOOP_SPAN } from './work.ts'

const { FORMAT_HTTP_HEADERS } = opentracing

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
  tags: Record<string, unknown>,
): Span | undefined {
  registry.insideTracer++
  try {
    const options = startOptions(settings, caller, isPublic, tags)
    const span = settings.tracer.startSpan(name, options)
    if (watch(span, 'startSpan', settings.report) || !span || span === NOOP_SPAN) return undefined
    if ((span as Renamable).renamed === undefined) span.setOperationName = keepName
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
): StartOptions {
  // What the user adds may hold objects that change, and be of any size.
  const handedOver = settings.tags === undefined && settings.earlyAttributes.length === 0
  // An invalid context is handed on too: jaeger-client keeps baggage and debug ids in one (test row R-DEBUG-ID).
  if (caller && !isPublic) return { childOf: caller, tags, handedOver }
  if (!caller || caller.toTraceId() === '') return { tags, handedOver }
  // OpenTracing has no word for "new root that follows from": a parent without ids makes the root, the reference tells.
  const nobody = settings.tracer.extract(FORMAT_HTTP_HEADERS, {}) ?? new opentracing.SpanContext()
  return { references: [opentracing.childOf(nobody), opentracing.followsFrom(caller)], tags }
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

/** What is known before the handler runs, for the sampler to see. */
export function startTags<Request>(
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
  exchange: Exchange<Request>,
  method: string,
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
): Record<string, unknown> {
  const { req, target, request } = exchange
  const { component } = framework
  const url = urlOf(framework, settings, exchange, headers, socket)
  const { ipv4, ipv6, port } = peerOf(socket)
  // In one piece each: what is added one by one costs more.
  const tags: Record<string, unknown> =
    ipv4 !== undefined
      ? {
          'span.kind': 'server',
          component,
          'http.method': method,
          'http.url': url,
          'peer.ipv4': ipv4,
          'peer.port': port,
        }
      : { 'span.kind': 'server', component, 'http.method': method, 'http.url': url }
  if (ipv6 !== undefined) {
    tags['peer.ipv6'] = ipv6
    tags['peer.port'] = port
  }
  if (settings.tags !== undefined) Object.assign(tags, settings.tags)
  if (settings.earlyAttributes.length > 0) {
    const source = { req, target, read: (name: string) => framework.read(request, name) }
    readAttributes(settings.earlyAttributes, source, settings.secret, settings.report, tags)
  }
  return tags
}

/** The other end of a connection. */
interface Peer {
  readonly ipv4: string | undefined
  readonly ipv6: string | undefined
  readonly port: number | undefined
}

const NOBODY: Peer = { ipv4: undefined, ipv6: undefined, port: undefined }
const PEER: unique symbol = Symbol('tracing-middleware.peer') as never

/** A connection serves many requests, and its peer stays the same. */
function peerOf(socket: (Socket & { [PEER]?: Peer }) | undefined): Peer {
  if (!(socket instanceof Socket)) return socket === undefined ? NOBODY : readPeer(socket)
  socket[PEER] ??= readPeer(socket)
  return socket[PEER]
}

function readPeer({ remoteAddress, remotePort: port }: Socket): Peer {
  if (remoteAddress === undefined) return NOBODY
  // An IPv4 peer of a dual-stack socket shows as ::ffff:192.0.2.1
  const address = remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress
  return address.includes(':')
    ? { ipv4: undefined, ipv6: address, port }
    : { ipv4: address, ipv6: undefined, port }
}

function urlOf<Request>(
  framework: Framework<Request>,
  { secret }: ServerSettings<Request>,
  { target, request }: Exchange<Request>,
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
): string {
  if (target.charCodeAt(0) !== 47 /* / */) return redactUrl(target, secret)
  const host = String(headers.host ?? headers[':authority'] ?? '')
  const scheme = schemeOf(framework, headers, socket, request)
  if (last.host !== host || last.scheme !== scheme) {
    last = { scheme, host, origin: `${scheme}://${host}`, isHarmless: isHarmless(host) }
  }
  const url = last.origin + target
  // Harmless parts make a harmless whole. Looked at as a whole, it would be copied for each request, sampled or not.
  const isClean = url.length <= MAX_URL_LENGTH && last.isHarmless && isHarmless(target)
  return isClean ? url : redactUrl(url, secret)
}

// A service has one or two names: most URLs begin as the one before.
let last = { scheme: '', host: '', origin: '://', isHarmless: true }

/** The socket's own; behind a proxy what the proxy says, when the app has told its framework to trust it. */
function schemeOf<Request>(
  framework: Framework<Request>,
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
  request: Request,
): string {
  const trusted = headers['x-forwarded-proto'] === undefined ? undefined : framework.read(request, 'protocol')
  if (trusted === 'https' || trusted === 'http') return trusted
  return (socket as { encrypted?: boolean } | undefined)?.encrypted ? 'https' : 'http'
}
