// The tags of a request's span: what is known before any handler runs, and what is known at the end.

import type { IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import { HTTP_ROUTE, HTTP_STATUS_CODE, PEER_IPV6, PEER_PORT, type Tags } from '../conventions/tag-names.ts'
import { isHarmless, MAX_URL_LENGTH, redactUrl } from '../text/redact.ts'
import type { IsSecret } from '../text/secret-keys.ts'
import type { Exchange, Framework } from './seam.ts'

/** Makes the function that gives a request's first tags. */
export function createRequestTags<Request>(
  framework: Framework<Request>,
  secret: IsSecret,
): (
  exchange: Exchange<Request>,
  method: string,
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
) => Tags {
  const { component } = framework
  const originOf = createOriginReader(framework)
  return ({ target, request }, method, headers, socket) => {
    const url = urlOf(target, originOf, headers, socket, request, secret)
    const peer = peerOf(socket)
    // One object literal for nearly all requests: a property that is added later costs more.
    if (peer?.isIPv4 === true) {
      return {
        'span.kind': 'server',
        component,
        'http.method': method,
        'http.url': url,
        'peer.ipv4': peer.address,
        'peer.port': peer.port,
      }
    }
    const tags: Tags = { 'span.kind': 'server', component, 'http.method': method, 'http.url': url }
    if (peer === undefined) return tags
    tags[PEER_IPV6] = peer.address
    if (peer.port !== undefined) tags[PEER_PORT] = peer.port
    return tags
  }
}

/** The tags of a response that was sent; each is left out where it is not known. */
export function responseTags(statusCode: number | undefined, route: string | undefined): Tags {
  if (statusCode === undefined) return route === undefined ? {} : { [HTTP_ROUTE]: route }
  return route === undefined
    ? { [HTTP_STATUS_CODE]: statusCode }
    : { 'http.status_code': statusCode, 'http.route': route }
}

/** Scheme and host, as the client addressed them. */
interface Origin {
  readonly scheme: string
  readonly host: string
  /** `https://host:port` */
  readonly text: string
  readonly isHarmless: boolean
}

type OriginOf<Request> = (
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
  request: Request,
) => Origin

function urlOf<Request>(
  target: string,
  originOf: OriginOf<Request>,
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
  request: Request,
  secret: IsSecret,
): string {
  // A target in absolute form (a proxy's) has its own origin.
  if (target.charCodeAt(0) !== 47 /* / */) return redactUrl(target, secret)
  const origin = originOf(headers, socket, request)
  const url = origin.text + target
  // The two parts are checked one by one: to check the joined text, V8 would have to copy it.
  const isClean = url.length <= MAX_URL_LENGTH && origin.isHarmless && isHarmless(target)
  return isClean ? url : redactUrl(url, secret)
}

function createOriginReader<Request>(framework: Framework<Request>): OriginOf<Request> {
  // A service is reached under one or two names: most requests have the origin of the request before.
  let last: Origin = { scheme: '', host: '', text: '', isHarmless: true }
  return (headers, socket, request) => {
    const host = hostOf(headers)
    const scheme = schemeOf(framework, headers, socket, request)
    if (last.host !== host || last.scheme !== scheme) {
      last = { scheme, host, text: `${scheme}://${host}`, isHarmless: isHarmless(host) }
    }
    return last
  }
}

function hostOf(headers: IncomingHttpHeaders): string {
  const host: unknown = headers.host ?? headers[':authority']
  // A test double may have anything here.
  return typeof host === 'string' ? host : String(host ?? '')
}

/** The socket's own scheme; behind a proxy the proxy's, if the app tells its framework to trust it. */
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

interface Peer {
  readonly isIPv4: boolean
  readonly address: string
  readonly port: number | undefined
}

const PEER: unique symbol = Symbol('tracing-middleware.peer') as never

/** The client's address. A connection serves many requests, and each read of it is a call into the system. */
function peerOf(socket: (Socket & { [PEER]?: Peer | undefined }) | undefined): Peer | undefined {
  if (!(socket instanceof Socket)) return socket === undefined ? undefined : readPeer(socket)
  if (socket[PEER] === undefined) socket[PEER] = readPeer(socket)
  return socket[PEER]
}

function readPeer({ remoteAddress, remotePort: port }: Socket): Peer | undefined {
  if (remoteAddress === undefined) return undefined
  // An IPv4 client of a dual-stack socket shows as ::ffff:192.0.2.1
  const address = remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress
  return { isIPv4: !address.includes(':'), address, port }
}
