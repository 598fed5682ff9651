// The tags of a request's span: what is known before any handler runs, and what is known at the end.

import type { IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import { HttpTags, type Peer } from '../conventions/http-tags.ts'
import { HTTP_ROUTE, HTTP_STATUS_CODE, type Tags } from '../conventions/tag-names.ts'
import { NO_ORIGIN, type Origin, readOrigin } from '../conventions/url-origin.ts'
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
    const peer = peerOf(socket)
    // A target in absolute form (a proxy's) has its own origin.
    if (target.charCodeAt(0) !== 47 /* / */) {
      return new HttpTags({ component, method, origin: NO_ORIGIN, path: redactUrl(target, secret), peer })
    }
    const origin = originOf(headers, socket, request)
    const path = redactTarget(origin, target, secret)
    return path === undefined
      ? new HttpTags({
          component,
          method,
          origin: NO_ORIGIN,
          path: redactUrl(origin.text + target, secret),
          peer,
        })
      : new HttpTags({ component, method, origin, path, peer })
  }
}

/** The tags of a response that was sent; each is left out where it is not known. */
export function responseTags(statusCode: number | undefined, route: string | undefined): Tags {
  if (statusCode === undefined) return route === undefined ? {} : { [HTTP_ROUTE]: route }
  return route === undefined
    ? { [HTTP_STATUS_CODE]: statusCode }
    : { 'http.status_code': statusCode, 'http.route': route }
}

/** Where a request was sent to, and the header that says so. */
interface KnownOrigin extends Origin {
  readonly host: string
  /** Whether the text is an origin and nothing else. */
  readonly isOrigin: boolean
  readonly isHarmless: boolean
}

type OriginOf<Request> = (
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
  request: Request,
) => KnownOrigin

/** The target without secrets; undefined when they can only be told apart in the whole URL. */
function redactTarget(origin: KnownOrigin, target: string, secret: IsSecret): string | undefined {
  const length = origin.text.length + target.length
  if (length <= MAX_URL_LENGTH && origin.isOrigin && origin.isHarmless && isHarmless(target)) return target
  const url = redactUrl(origin.text + target, secret)
  return origin.isOrigin && url.startsWith(origin.text) ? url.slice(origin.text.length) : undefined
}

function createOriginReader<Request>(framework: Framework<Request>): OriginOf<Request> {
  // A service is reached under one or two names: most requests have the origin of the request before.
  let last: KnownOrigin = { ...NO_ORIGIN, host: '', isOrigin: false, isHarmless: true }
  return (headers, socket, request) => {
    const host = hostOf(headers)
    const scheme = schemeOf(framework, headers, socket, request)
    if (last.host !== host || last.scheme !== scheme) {
      const text = `${scheme}://${host}`
      const { address, port, text: whole } = readOrigin(text)
      // A Host header may hold anything.
      const isOrigin = whole === text
      last = { scheme, host, text, address, port, isOrigin, isHarmless: isHarmless(host) }
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
