// Secrets in pairs, wherever text has them: a query, JSON, a dumped object, a header, a log line.

import { type IsSecret, isCredentialHeader, meansManyThings, REDACTED } from './secret-keys.ts'

/**
 * Redacts the values of pairs in free text: `key=value`, `"key":"value"`, `key: 'value'`, `Cookie: value`.
 *
 * @param isProse the text was written for people: "exit code=1" and "state = OPEN" tell no secret there
 */
export function redactPairs(text: string, secret: IsSecret, isProse: boolean): string {
  let out = ''
  let copied = 0
  const marks = /[=:]/g
  for (let match = marks.exec(text); match !== null; match = marks.exec(text)) {
    const value = secretValue(text, match.index, copied, secret, isProse)
    if (value === undefined) continue
    out += text.slice(copied, value.start) + REDACTED
    copied = value.end
    marks.lastIndex = value.end
  }
  return copied === 0 ? text : out + text.slice(copied)
}

interface Range {
  start: number
  end: number
}

const IN_KEY = /[\p{L}\p{N}_.$%~[\]-]/u
const IS_QUOTE = /["'`]/
// What JSON writes for a line feed or an & may stand before the key: "…\ncode=…", "…\u0026code=…".
const JSON_ESCAPE = /^(?:u[0-9a-f]{4}|[bfnrt])/i

/** Where the value of the pair around `mark` (a "=" or ":") stands; undefined when it is no secret. */
function secretValue(
  text: string,
  mark: number,
  floor: number,
  secret: IsSecret,
  isProse: boolean,
): Range | undefined {
  let end = mark
  while (end > floor && isSpace(text[end - 1])) end--
  const isQuoted = end > floor && IS_QUOTE.test(text[end - 1] as string)
  if (isQuoted)
    do end--
    while (end > floor && text[end - 1] === '\\')
  let start = end
  while (start > floor && IN_KEY.test(text[start - 1] as string)) start--
  const key = decode(text.slice(start, end))
  if (key === '') return undefined
  if (!secret(key) && !(text[start - 1] === '\\' && secret(key.replace(JSON_ESCAPE, '')))) return undefined
  if (isProse && meansManyThings(key) && !isInQuery(text, start, mark)) return undefined
  const value = valueBehind(text, mark, isQuoted, key)
  if (value.start >= value.end) return undefined
  if (text[mark] === '=') value.end = endOfChain(text, value.end)
  return value
}

function isInQuery(text: string, start: number, mark: number): boolean {
  if (text[mark] !== '=') return false
  return (
    start === 0 ||
    '?&#;'.includes(text[start - 1] as string) ||
    text[indexOf(/[&=\s]/g, text, mark + 1)] === '&'
  )
}

/** What looks like a value may be the next key, and have the value: "key= token = …", "key= token: '…'". */
function endOfChain(text: string, from: number): number {
  let end = from
  for (;;) {
    let mark = end
    while (isSpace(text[mark])) mark++
    if (!isMark(text[mark])) mark = end - 1
    if (!isMark(text[mark])) return end
    const next = valueBehind(text, mark, false, '').end
    if (next <= end) return end
    end = next
  }
}

const ENDS_VALUE = /[\s&;,"'<>`)\]}]/g
const AUTH_SCHEME = /^(?:basic|bearer|digest|negotiate|token|apikey)$/i

function valueBehind(text: string, mark: number, isQuoted: boolean, key: string): Range {
  let start = mark + 1
  while (isSpace(text[start])) start++
  let quote = start
  while (text[quote] === '\\') quote++
  if (IS_QUOTE.test(text[quote] ?? '')) {
    return { start: quote + 1, end: endOfQuoted(text, quote + 1, text[quote] as string, quote - start) }
  }
  if (text[start] === '{' || text[start] === '[') return { start, end: endOfNested(text, start) }
  if (text[mark] === '=') {
    // A comparison in a piece of source has no value.
    if (text[start] === '=') return { start, end: start }
    const end = indexOf(ENDS_VALUE, text, start)
    let next = end
    while (isSpace(text[next])) next++
    const isScheme = next > end && !isMark(text[next]) && AUTH_SCHEME.test(text.slice(start, end))
    return { start, end: isScheme ? indexOf(ENDS_VALUE, text, next) : end }
  }
  if (isQuoted) return { start, end: indexOf(ENDS_VALUE, text, start) }
  // Bare words behind a colon are prose ("invalid token: …"), but for a header that is nothing but a credential.
  return { start, end: isCredentialHeader(key) ? indexOf(/[\r\n]/g, text, start) : start }
}

/** `escapes`: how many backslashes stood before the opening quote, as in JSON within JSON. */
function endOfQuoted(text: string, start: number, quote: string, escapes: number): number {
  for (let end = text.indexOf(quote, start); end !== -1; end = text.indexOf(quote, end + 1)) {
    let before = end
    while (before > start && text[before - 1] === '\\') before--
    if (escapes === 0 ? (end - before) % 2 === 0 : end - before <= escapes)
      return before === end ? end : before
  }
  return text.length
}

function endOfNested(text: string, start: number): number {
  let depth = 0
  for (let i = start; i < text.length; i++) {
    const c = text[i] as string
    if (IS_QUOTE.test(c)) i = endOfQuoted(text, i + 1, c, 0)
    else if (c === '{' || c === '[') depth++
    else if ((c === '}' || c === ']') && --depth === 0) return i + 1
  }
  return text.length
}

function indexOf(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.exec(text)?.index ?? text.length
}

function isMark(c: string | undefined): boolean {
  return c === '=' || c === ':'
}

function isSpace(c: string | undefined): boolean {
  return c === ' ' || c === '\t'
}

const ENCODED = /%([0-7][0-9a-f])|\\u00([0-7][0-9a-f])/gi

/** Decodes percent and JSON escapes of ASCII alone, of which keys and delimiters are made, and leaves what is malformed. */
export function decode(text: string): string {
  if (!text.includes('%') && !text.includes('\\u00')) return text
  return text.replace(ENCODED, (_, percent: string | undefined, unicode: string | undefined) =>
    String.fromCharCode(Number.parseInt((percent ?? unicode) as string, 16)),
  )
}
