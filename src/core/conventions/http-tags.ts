// The tags of an incoming request that are known before any handler runs.

import type { Origin } from './url-origin.ts'

/** The client of a connection. */
export interface Peer {
  readonly isIPv4: boolean
  readonly address: string
  readonly port: number | undefined
}

/** What the tags are made of. */
export interface HttpParts {
  readonly component: string
  readonly method: string
  /** NO_ORIGIN: the path is all of the URL. */
  readonly origin: Origin
  /** What follows the origin in the URL. */
  readonly path: string
  readonly peer: Peer | undefined
}

/**
 * An ordinary object whose own properties are OpenTracing's tags: any tracer reads it, and one in front of ours may copy it.
 * It remembers what it was made of, so that our exporters need not take the URL apart (`npm run bench:check`, sampled).
 */
export class HttpTags {
  [tag: string]: unknown
  readonly #parts: HttpParts
  readonly #url: string

  constructor(parts: HttpParts) {
    const { component, method, origin, path, peer } = parts
    this.#parts = parts
    this.#url = origin.text + path
    this['span.kind'] = 'server'
    this.component = component
    this['http.method'] = method
    this['http.url'] = this.#url
    if (peer === undefined) return
    if (peer.isIPv4) this['peer.ipv4'] = peer.address
    else this['peer.ipv6'] = peer.address
    if (peer.port !== undefined) this['peer.port'] = peer.port
  }

  /** What tags were made of; undefined for tags that were changed or added to, and for any other object. */
  static partsOf(tags: object): HttpParts | undefined {
    if (!(#parts in tags)) return undefined
    const parts = tags.#parts
    const isUnchanged =
      Object.keys(tags).length === sizeOf(parts) &&
      tags['http.url'] === tags.#url &&
      tags['http.method'] === parts.method &&
      tags.component === parts.component &&
      tags['span.kind'] === 'server' &&
      parts.origin.text !== ''
    return isUnchanged ? parts : undefined
  }
}

/** How many tags the parts make. */
export function sizeOf({ peer }: HttpParts): number {
  return peer === undefined ? 4 : peer.port === undefined ? 5 : 6
}

const NAMES = new Set([
  'span.kind',
  'component',
  'http.method',
  'http.url',
  'peer.ipv4',
  'peer.ipv6',
  'peer.port',
])
export const MAX_HTTP_TAGS: number = NAMES.size

/** Whether a tag may be one of those that the parts make. */
export function isHttpTag(name: string): boolean {
  return NAMES.has(name)
}
