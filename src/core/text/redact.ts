// What may never leave the process: credentials, secrets in URLs and texts, control characters, endless text. Every
// function takes any text, never throws, and takes time in proportion to the text's length: clients choose it.

import { decode, redactPairs } from './redact-pairs.ts'
import { type IsSecret, isSecret, REDACTED } from './secret-keys.ts'

export { createIsSecret, type IsSecret, REDACTED } from './secret-keys.ts'

/** The longest tag value that we write, in UTF-16 units; what is longer is cut and ends in "…". */
export const MAX_VALUE_LENGTH = 1024

/** The longest `http.url` that we write, in UTF-16 units. */
export const MAX_URL_LENGTH = 2048

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
const ALL_CONTROL = new RegExp(CONTROL.source, 'g')
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_BUT_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g

/**
 * Cuts `text` to `limit` (1 or more UTF-16 units, the "…" of a cut text included) and puts a blank in the place of each
 * control character.
 */
export function cleanText(text: string, limit: number = MAX_VALUE_LENGTH): string {
  if (text.length <= limit && isHarmless(text)) return text
  const cut = text.length > limit ? cutText(text, limit) : text
  return CONTROL.test(cut) ? cut.replace(ALL_CONTROL, ' ') : cut
}

/**
 * Whether a text is printable ASCII without the `@` of `user:password@`, the `=` of a pair and the `%` that may hide one.
 * Nearly every name, path and URL is; in a URL of no other characters there is nothing to redact. A loop, since it takes
 * a third of a regular expression's time.
 */
export function isHarmless(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c < 32 || c > 126 || c === AT || c === EQUALS || c === PERCENT) return false
  }
  return true
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

/**
 * A URL, or the target of a request, without its secrets: `user:password@` and the values of secret-looking keys in
 * query, fragment and path become `REDACTED`, control characters become blanks, and what is over 2048 characters is cut.
 *
 * @example
 * redactUrl('https://me:pw@host/?page=2&access_token=abc') // https://REDACTED:REDACTED@host/?page=2&access_token=REDACTED
 */
export function redactUrl(url: string, secret: IsSecret = isSecret): string {
  if (url.length <= MAX_URL_LENGTH && isHarmless(url)) return url
  // The cut comes after the redaction: cut before it, a password could lose the @ that it is known by.
  return cleanText(redactParts(redactUserInfo(url), secret), MAX_URL_LENGTH)
}

/**
 * Free text (an error's message or stack, a header, JSON) without its secrets: URLs as in {@link redactUrl} but never
 * cut, and the values of `token=…`, `"password":"…"`, `apiKey: '…'` and `Authorization: …`.
 *
 * @example
 * redactText('GET https://host/?sig=abc failed') // GET https://host/?sig=REDACTED failed
 */
export function redactText(text: string, secret: IsSecret = isSecret): string {
  const urls = redactUrls(text, secret)
  // A target without a host (/cb?next=https%3A%2F%2F…) is known by what it encodes.
  const runs = urls.includes('%')
    ? urls.replace(/[^\s"<>]+/g, run => (run.includes('%') ? redactParts(run, secret) : run))
    : urls
  return redactPairs(runs, secret, true)
}

// More than this is not looked at for a text of which little is kept.
const MARGIN = 8192

/** Redacts and cuts, in time bounded by the limit: for texts of any length of which the beginning is enough. */
export function redactBeginning(text: string, limit: number, secret: IsSecret): string {
  if (text.length <= limit + MARGIN) return redactText(text, secret)
  let end = limit + MARGIN
  while (end > limit && !isBlank(text.charCodeAt(end))) end--
  // What stands at the cut may be the first half of a secret: up to the last blank, all of it goes.
  return `${redactText(text.slice(0, end > limit ? end : limit + MARGIN), secret)}…`
}

const AMPERSAND = 38
const SEMICOLON = 59
const HASH = 35
const QUESTION = 63
const EQUALS = 61
const SLASH = 47
const PERCENT = 37
const BACKSLASH = 92
const QUOTE = 34
const COLON = 58
const AT = 64

// How far behind the colon of user:pass@host an @ is looked for when the password holds a slash of its own.
const MAX_PASSWORD_LENGTH = 256

/** Redacts `user:password@` behind every `://`. */
function redactUserInfo(text: string): string {
  const last = text.lastIndexOf('@')
  if (last === -1) return text
  let out = ''
  let copied = 0
  for (let mark = text.indexOf('://'); mark !== -1 && mark < last; mark = text.indexOf('://', mark + 3)) {
    const start = mark + 3
    if (start < copied) continue
    const at = endOfUserInfo(text, start)
    if (at <= start) continue
    out += `${text.slice(copied, start)}${REDACTED}:${REDACTED}`
    copied = at
  }
  return copied === 0 ? text : out + text.slice(copied)
}

/** The place of the `@` that ends the user info which starts at `start`; -1 when there is none. */
function endOfUserInfo(text: string, start: number): number {
  let at = -1
  let colon = -1
  let end = start
  for (; end < text.length; end++) {
    const c = text.charCodeAt(end)
    if (c === SLASH || c === QUESTION || c === HASH || endsRun(c)) break
    if (c === AT) at = end
    else if (c === COLON) colon = end
  }
  // Behind the last colon is neither a port nor the end of [::1]: a password that holds a /, ? or #, up to an @.
  if (at === -1 && colon !== -1 && !/^\d*$|\]/.test(text.slice(colon + 1, end))) {
    const limit = Math.min(text.length, colon + MAX_PASSWORD_LENGTH)
    for (; end < limit && !endsRun(text.charCodeAt(end)); end++) if (text.charCodeAt(end) === AT) at = end
  }
  return at
}

/** A blank, a quote or an angle bracket: no URL goes on behind it. */
function endsRun(c: number): boolean {
  return isBlank(c) || c === QUOTE || c === 60 /* < */ || c === 62 /* > */
}

function isBlank(c: number): boolean {
  return c <= 32
}

/** Redacts in path, query and fragment. Pairs are kept as they were sent, but for the values of secrets. */
function redactParts(url: string, secret: IsSecret): string {
  const first = firstOf(url.indexOf('='), url.indexOf('%'))
  if (first === -1) return url
  const query = url.indexOf('?')
  // Nearly always, the path has nothing to look at.
  let inPath = query === -1 || first < query
  let start = inPath ? 0 : query + 1
  let out = ''
  let copied = 0
  while (start < url.length) {
    let end = start
    let equals = -1
    let isCoded = false
    for (; end < url.length; end++) {
      const c = url.charCodeAt(end)
      if (c === AMPERSAND || c === SEMICOLON || c === QUESTION || c === HASH || (inPath && c === SLASH)) break
      if (c === EQUALS && equals === -1) equals = end
      else if (c === PERCENT || c === EQUALS || c === QUOTE || c === BACKSLASH) isCoded = true
    }
    let from = -1
    if (equals !== -1 && secret(decode(url.slice(start, equals)))) {
      from = equals + 1
      end = endOfSecret(url, end, inPath)
    } else if (isCoded) {
      const value = equals === -1 ? start : equals + 1
      if (hidesSecret(url.slice(value, end), secret)) from = value
      if (equals !== -1 && hidesSecret(url.slice(start, equals), secret)) from = start
    }
    if (from !== -1 && from < end) {
      out += url.slice(copied, from) + REDACTED
      copied = end
    }
    const c = url.charCodeAt(end)
    if (c === QUESTION || c === HASH) inPath = false
    start = end + 1
  }
  return copied === 0 ? url : out + url.slice(copied)
}

function firstOf(one: number, other: number): number {
  return one === -1 || (other !== -1 && other < one) ? other : one
}

/** A secret may hold a delimiter that ends other values. */
function endOfSecret(url: string, from: number, inPath: boolean): number {
  let end = from
  for (; end < url.length; end++) {
    const c = url.charCodeAt(end)
    if (c === HASH || (inPath ? c === SLASH || c === QUESTION : c === AMPERSAND)) break
  }
  return end
}

// Encoded more often than this, a value is taken for one that has something to hide.
const MAX_ENCODINGS = 3

/** A value may itself be an encoded URL (`?next=https%3A%2F%2Fhost%2F%3Ftoken%3Dx`), a query or JSON. */
function hidesSecret(value: string, secret: IsSecret): boolean {
  let text = value
  for (let depth = 0; depth <= MAX_ENCODINGS; depth++) {
    const decoded = decode(text)
    if (redactUserInfo(decoded) !== decoded || redactPairs(decoded, secret, false) !== decoded) return true
    if (decoded === text) return false
    text = decoded
  }
  return true
}

const SCHEME = /[a-z0-9+.-]/i
const CLOSING = /[)\]}'`]/

/** Redacts every URL in a text: what is around a `://`, up to a blank, a quote or a closing bracket. */
function redactUrls(text: string, secret: IsSecret): string {
  let out = ''
  let copied = 0
  for (let mark = text.indexOf('://'); mark !== -1; mark = text.indexOf('://', Math.max(mark + 3, copied))) {
    let start = mark
    while (start > copied && SCHEME.test(text[start - 1] as string)) start--
    let end = mark + 3
    const at = endOfUserInfo(text, end)
    if (at !== -1) end = at
    while (end < text.length && !endsRun(text.charCodeAt(end)) && !CLOSING.test(text[end] as string)) end++
    out += text.slice(copied, start) + redactParts(redactUserInfo(text.slice(start, end)), secret)
    copied = end
  }
  return copied === 0 ? text : out + text.slice(copied)
}
