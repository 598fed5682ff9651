// What every request's span says, in the pieces in which a request brings it: one that came in, or one that we send. They
// become tags where somebody asks for tags: another tracer at once, ours nearly never, since its export knows how to write
// them down.

import type { IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import type { Span } from 'opentracing'
import type { ServerSettings } from './options.ts'
import { isHarmless, MAX_URL_LENGTH, redactUrl } from './privacy.ts'
import type { Exchange, Framework } from './seam.ts'

/** Scheme and host that a service is asked by. */
export interface AskedOrigin {
  readonly scheme: string
  readonly host: string
  /** `https://host:port`; `''`: the URL is not made of origin and path. */
  readonly text: string
  readonly isHarmless: boolean
}

/** The other end of a connection. */
export interface Peer {
  readonly ipv4: string | undefined
  readonly ipv6: string | undefined
  /** Of a service that we call. */
  readonly hostname: string | undefined
  readonly port: number | undefined
  /** The name that the app gives to a service that we call. */
  readonly service: string | undefined
  /** For whoever writes it down again and again: what was written. */
  written: unknown
}

/** For a span that nobody will see. */
export const NO_TAGS: Record<string, unknown> = Object.freeze({})

export class RequestFacts {
  readonly kind: 'server' | 'client'
  readonly component: string
  readonly method: string
  readonly origin: AskedOrigin
  /** What stands behind the origin in `http.url`; all of it when that is empty. */
  readonly path: string
  readonly peer: Peer
  // Known at the end.
  statusCode: number | undefined
  route: string | undefined
  /** Whether a tracer has understood them. */
  isTaken: boolean
  /** The tags that go beside them and say the same, for a sampler, or a tracer that does not understand them. */
  tags: Record<string, unknown> | undefined

  constructor(
    kind: RequestFacts['kind'],
    component: string,
    method: string,
    origin: AskedOrigin,
    path: string,
    peer: Peer,
  ) {
    this.kind = kind
    this.component = component
    this.method = method
    this.origin = origin
    this.path = path
    this.peer = peer
    this.statusCode = undefined
    this.route = undefined
    this.isTaken = false
    this.tags = undefined
  }

  /** In the words of OpenTracing's conventions; made anew. */
  toTags(): Record<string, unknown> {
    const { kind, component, method, origin, path, peer, statusCode, route } = this
    const url = origin.text + path
    const { ipv4, port } = peer
    // In one piece: what is added one by one costs more.
    const tags: Record<string, unknown> =
      ipv4 !== undefined
        ? {
            'span.kind': kind,
            component,
            'http.method': method,
            'http.url': url,
            'peer.ipv4': ipv4,
            'peer.port': port,
          }
        : { 'span.kind': kind, component, 'http.method': method, 'http.url': url }
    if (ipv4 === undefined) addPeer(tags, peer)
    if (statusCode !== undefined) tags['http.status_code'] = statusCode
    if (route !== undefined) tags['http.route'] = route
    return tags
  }

  /** Tells a span whose tracer has seen neither them nor tags: somebody stands between our tracer and us. */
  tellUntaken(span: Span): void {
    if (!this.isTaken && this.tags === undefined) span.addTags(this.toTags())
  }
}

/** What is known of the other end, as tags. */
export function addPeer(tags: Record<string, unknown>, { ipv4, ipv6, hostname, port, service }: Peer): void {
  if (ipv4 !== undefined) tags['peer.ipv4'] = ipv4
  if (ipv6 !== undefined) tags['peer.ipv6'] = ipv6
  if (hostname !== undefined) tags['peer.hostname'] = hostname
  if (port !== undefined) tags['peer.port'] = port
  if (service !== undefined) tags['peer.service'] = service
}

/** What is known before the handler runs. */
export function factsOf<Request>(
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
  { target, request }: Exchange<Request>,
  method: string,
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
): RequestFacts {
  const { component } = framework
  const { secret } = settings
  const peer = peerOf(socket)
  if (target.charCodeAt(0) !== 47 /* / */)
    return new RequestFacts('server', component, method, NO_ORIGIN, redactUrl(target, secret), peer)
  const origin = originOf(framework, headers, socket, request)
  // Harmless parts make a harmless whole.
  const length = origin.text.length + target.length
  if (length <= MAX_URL_LENGTH && origin.isHarmless && isHarmless(target))
    return new RequestFacts('server', component, method, origin, target, peer)
  const url = redactUrl(origin.text + target, secret)
  return url.startsWith(origin.text)
    ? new RequestFacts('server', component, method, origin, url.slice(origin.text.length), peer)
    : new RequestFacts('server', component, method, NO_ORIGIN, url, peer)
}

export const NO_ORIGIN: AskedOrigin = { scheme: '', host: '', text: '', isHarmless: true }

// A service has one or two names: most requests ask by the one before.
let last = NO_ORIGIN

function originOf<Request>(
  framework: Framework<Request>,
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
  request: Request,
): AskedOrigin {
  const host = textOf(headers.host ?? headers[':authority'])
  const scheme = schemeOf(framework, headers, socket, request)
  if (last.host !== host || last.scheme !== scheme) {
    last = { scheme, host, text: `${scheme}://${host}`, isHarmless: isHarmless(host) }
  }
  return last
}

/** What is no text came from a test double. */
function textOf(header: string | string[] | undefined): string {
  return typeof header === 'string' ? header : String(header ?? '')
}

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

const NOBODY: Peer = {
  ipv4: undefined,
  ipv6: undefined,
  hostname: undefined,
  port: undefined,
  service: undefined,
  written: undefined,
}
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
  return address.includes(':') ? { ...NOBODY, ipv6: address, port } : { ...NOBODY, ipv4: address, port }
}
