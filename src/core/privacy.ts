// What may never leave the process: credentials, secrets in queries and headers, control characters, endless text.

/** What stands in the place of a secret. */
export const REDACTED = 'REDACTED'

/** The longest tag value that we write, in UTF-16 units; what is longer is cut and ends in "…". */
export const MAX_VALUE_LENGTH = 1024

/** The longest `http.url` that we write, in UTF-16 units. */
export const MAX_URL_LENGTH = 2048

/** A key that has one of these anywhere in it (letters and digits alone, lower case) names a secret. */
const SECRET_PARTS = [
  'token',
  'secret',
  'password',
  'passwd',
  'passphrase',
  'apikey',
  'accesskey',
  'privatekey',
  'signature',
  'credential',
  'session',
  'authorization',
  'oauth',
  'cookie',
]

/** A key that is one of these as a whole, or has it as one of its words where marked, names a secret. */
const SECRET_KEYS = new Set([
  'code',
  'state',
  'sig',
  'auth',
  'key',
  'jwt',
  'otp',
  'pin',
  'pwd',
  'sid',
  'nonce',
])
const SECRET_WORDS = new Set(['auth', 'sig', 'jwt', 'pwd', 'otp', 'sid'])

const SECRET_HEADERS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'])

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
const ALL_CONTROL = new RegExp(CONTROL.source, 'g')
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_BUT_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g

/** Cuts `text` to `limit` and puts a blank in the place of each control character. */
export function cleanText(text: string, limit: number = MAX_VALUE_LENGTH): string {
  const cut = text.length > limit ? cutText(text, limit) : text
  return CONTROL.test(cut) ? cut.replace(ALL_CONTROL, ' ') : cut
}

/** The same for a stack or message of several lines: line feeds and tabs stay. */
export function cleanLines(text: string, limit: number): string {
  const cut = text.length > limit ? cutText(text, limit) : text
  return cut.replace(CONTROL_BUT_LINES, ' ')
}

function cutText(text: string, limit: number): string {
  // Never between the halves of a surrogate pair: the rest would not be valid UTF-8.
  const end = (text.charCodeAt(limit - 2) & 0xfc00) === 0xd800 ? limit - 2 : limit - 1
  return `${text.slice(0, end)}…`
}

/** Says whether a query key, header or field names a secret. */
export type IsSecret = (key: string) => boolean

// Keys come from clients: what is remembered about them is bounded.
const REMEMBERED_KEYS = 1000

/**
 * Makes the test for secret-looking keys (`token`, `access_token`, `apiKey`, `user[password]`, `X-Amz-Signature`).
 *
 * @param more further keys that name secrets, in any case, compared as a whole by letters and digits
 */
export function createIsSecret(more: readonly string[] = []): IsSecret {
  const own = new Set(more.map(squash))
  const known = new Map<string, boolean>()
  return key => {
    const remembered = known.get(key)
    if (remembered !== undefined) return remembered
    const squashed = squash(key)
    const secret =
      own.has(squashed) ||
      SECRET_KEYS.has(squashed) ||
      SECRET_PARTS.some(part => squashed.includes(part)) ||
      words(key).some(word => SECRET_WORDS.has(word))
    if (known.size < REMEMBERED_KEYS && key.length <= 64) known.set(key, secret)
    return secret
  }
}

/** The test with our own list alone. */
export const isSecret: IsSecret = createIsSecret()

function squash(key: string): string {
  return key.toLowerCase().replace(/[^a-z0-9]/g, '')
}

function words(key: string): string[] {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
}

/** Says whether a header carries a credential; names in lower case. */
export function isSecretHeader(name: string, secret: IsSecret = isSecret): boolean {
  return SECRET_HEADERS.has(name) || secret(name)
}

/**
 * A URL without its secrets: `user:password@` and the values of secret-looking query keys become `REDACTED`, control
 * characters become blanks, and what is over 2048 characters is cut. Any text is taken: nothing is parsed that could
 * throw.
 */
export function redactUrl(url: string, secret: IsSecret = isSecret): string {
  // The cut comes after the redaction: cut before it, the half of a key could hide what its value is.
  const query = url.indexOf('?')
  const open = query === -1 ? url : url.slice(0, query)
  const safe = redactUserInfo(open)
  return cleanText(query === -1 ? safe : safe + redactQuery(url.slice(query), secret), MAX_URL_LENGTH)
}

function redactUserInfo(url: string): string {
  const scheme = url.indexOf('://')
  if (scheme === -1) return url
  const start = scheme + 3
  const slash = url.indexOf('/', start)
  const end = slash === -1 ? url.length : slash
  const at = url.lastIndexOf('@', end)
  return at >= start ? `${url.slice(0, start)}${REDACTED}:${REDACTED}${url.slice(at)}` : url
}

/** `query` starts with "?" (or "#"); pairs are kept as they were sent, but for the values of secrets. */
function redactQuery(query: string, secret: IsSecret): string {
  let out = ''
  let start = 1
  let copied = 0
  while (start < query.length) {
    let end = start
    let equals = -1
    for (; end < query.length; end++) {
      const c = query.charCodeAt(end)
      if (c === AMPERSAND || c === SEMICOLON || c === HASH || c === QUESTION) break
      if (c === EQUALS && equals === -1) equals = end
    }
    if (equals !== -1 && equals + 1 < end) {
      const key = decode(query.slice(start, equals))
      if (secret(key) || hidesSecret(query.slice(equals + 1, end), secret)) {
        out += query.slice(copied, equals + 1) + REDACTED
        copied = end
      }
    }
    start = end + 1
  }
  return copied === 0 ? query : out + query.slice(copied)
}

const AMPERSAND = 38
const SEMICOLON = 59
const HASH = 35
const QUESTION = 63
const EQUALS = 61

/** A value that is itself an encoded URL (`?next=https%3A%2F%2Fhost%2F%3Ftoken%3Dx`) must not carry one through. */
function hidesSecret(value: string, secret: IsSecret): boolean {
  if (!value.includes('%') && !value.includes('=') && !value.includes('@')) return false
  let text = value
  for (let depth = 0; depth < 3; depth++) {
    const decoded = decode(text)
    if (/:\/\/[^/?#]*@/.test(decoded)) return true
    for (const [, key] of decoded.matchAll(/([^?&;#=/\s]+)=/g)) if (secret(key as string)) return true
    if (decoded === text) return false
    text = decoded
  }
  return false
}

function decode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const URL_IN_TEXT = /[a-z][a-z0-9+.-]*:\/\/[^\s"'<>`)\]}]+/gi

/** Free text (an error's message or stack): the URLs in it are redacted. */
export function redactText(text: string, secret: IsSecret = isSecret): string {
  if (!text.includes('://') && !text.includes('=')) return text
  const urls = text.includes('://') ? text.replace(URL_IN_TEXT, url => redactUrl(url, secret)) : text
  return urls.replace(/([\w.[\]%-]+)=([^\s&;,"'<>`)\]}]+)/g, (pair, key: string) =>
    secret(decode(key)) ? `${key}=${REDACTED}` : pair,
  )
}
