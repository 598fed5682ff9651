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

// A service calls a few others, again and again. What is more is forgotten.
const MAX_PEERS = 100
const peers = new Map<string, Peer>()

function peerOf(url: URL, href: string, service: string | undefined): Peer {
  // Scheme, user info, host and port: a URL that was parsed has a slash behind them, always.
  const authority = href.slice(0, href.indexOf('/', 8))
  const known = peers.get(authority)
  if (known !== undefined && known.service === service) return known
  const { hostname, port, protocol } = url
  const peer: Peer = {
    ipv4: undefined,
    ipv6: undefined,
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
    service,
    written: undefined,
  }
  if (peers.size >= MAX_PEERS) peers.clear()
  // Not the slice, which would keep the whole URL. Nor what has a password in it.
  if (!authority.includes('@')) peers.set(`${protocol}//${url.host}`, peer)
  return peer
}
