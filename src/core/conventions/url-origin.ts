// Scheme, host and port of a URL, read by hand: it is a tag, and may be anything.

/** Scheme and authority of a URL. */
export interface Origin {
  /** `http://user:password@host:port` */
  readonly text: string
  readonly scheme: string
  readonly address: string
  /** undefined: not told. */
  readonly port: number | undefined
}

export const NO_ORIGIN: Origin = { text: '', scheme: '', address: '', port: undefined }

/** Whether a URL begins with this origin, and with no longer one. */
export function isOriginOf({ text }: Origin, url: string): boolean {
  // indexOf finds it at the start four times as fast as startsWith does.
  return text !== '' && url.indexOf(text) === 0 && isEndOfAuthority(url, text.length)
}

function isEndOfAuthority(url: string, at: number): boolean {
  if (at >= url.length) return true
  const code = url.charCodeAt(at)
  return code === 47 /* / */ || code === 63 /* ? */ || code === 35 /* # */
}

/** The origin of a URL; NO_ORIGIN for a target that is none. */
export function readOrigin(url: string): Origin {
  const colon = url.indexOf('://')
  if (colon === -1) return NO_ORIGIN
  let end = colon + 3
  while (!isEndOfAuthority(url, end)) end++
  const authority = url.slice(colon + 3, end)
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  const [, ipv6, name = '', port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?/.exec(host) ?? []
  const number = Number(port)
  return {
    text: url.slice(0, end),
    scheme: url.slice(0, colon),
    address: ipv6 ?? name,
    port: number > 0 && number < 65536 ? number : undefined,
  }
}
