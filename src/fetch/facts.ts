// What the span of a call says, in pieces.

import { cleanText, MAX_NAME_LENGTH, NO_ORIGIN, type Peer, RequestFacts, redactUrl } from '../core/index.ts'
import type { FetchSettings, FetchState } from './options.ts'

export function factsOf(
  settings: FetchSettings,
  { url, method }: FetchState,
  service: string | undefined,
): RequestFacts {
  const { href } = url
  // A fragment is never sent, and may hold a token.
  const hash = href.indexOf('#')
  const sent = redactUrl(hash === -1 ? href : href.slice(0, hash), settings.secret)
  const said = cleanText(method, MAX_NAME_LENGTH)
  return new RequestFacts('client', 'fetch', said, NO_ORIGIN, sent, peerOf(url, href, service))
}

/** A service that is called. */
interface Callee {
  /** Without a slash: `https://host:port`. */
  readonly origin: string
  readonly peer: Peer
}

// A service calls a few others, again and again. What is more is forgotten.
const MAX_CALLEES = 100
const callees = new Map<string, Callee>()
let last: Callee | undefined

function peerOf(url: URL, href: string, service: string | undefined): Peer {
  // Most calls go where the one before went, and a parsed URL has a slash behind its origin, always.
  const isLast = last !== undefined && href.indexOf(last.origin) === 0 && href[last.origin.length] === '/'
  const callee = isLast ? last : callees.get(url.origin)
  last = callee !== undefined && callee.peer.service === service ? callee : remember(url, service)
  return last.peer
}

function remember({ origin, hostname, port, protocol }: URL, service: string | undefined): Callee {
  const peer: Peer = {
    ipv4: undefined,
    ipv6: undefined,
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
    service,
    written: undefined,
  }
  const callee = { origin, peer }
  if (callees.size >= MAX_CALLEES) callees.clear()
  callees.set(origin, callee)
  return callee
}
