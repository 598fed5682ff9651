// Percent-encoding for baggage: nothing here throws, whatever the text (decodeURIComponent does on "%EA",
// encodeURIComponent on half a surrogate pair).

import { hexDigit } from './ids.ts'

/** Which ASCII characters stay as they are, by their code. */
export type PlainCharacters = Uint8Array

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const PERCENT = 37

/** What a header's name, and so a baggage key, consists of (RFC 9110, 5.6.2). */
export const TOKEN: PlainCharacters = characters(`${ALPHANUMERIC}!#$%&'*+-.^_\`|~`)

/** baggage-octet of the W3C draft (3.3.1): visible ASCII without double quote, comma, semicolon and backslash. */
export const BAGGAGE_OCTET: PlainCharacters = characters(`${ALPHANUMERIC}!#$%&'()*+-./:<=>?@[]^_\`{|}~`)

/** What a value in `baggage` may hold unencoded: baggage-octet but for the percent sign itself. */
export const BAGGAGE_PLAIN: PlainCharacters = characters(`${ALPHANUMERIC}!#$&'()*+-./:<=>?@[]^_\`{|}~`)

/** What encodeURIComponent leaves alone: jaeger-client's way, which its siblings in other languages decode too. */
export const URI_PLAIN: PlainCharacters = characters(`${ALPHANUMERIC}-_.!~*'()`)

function characters(list: string): PlainCharacters {
  const table = new Uint8Array(128)
  for (let i = 0; i < list.length; i++) table[list.charCodeAt(i)] = 1
  return table
}

/** Whether `text` from `start` to `end` consists of these characters alone; true when there is none. */
export function consistsOf(
  text: string,
  plain: PlainCharacters,
  start = 0,
  end: number = text.length,
): boolean {
  // A code above 127 is outside of the table and reads undefined.
  for (let i = start; i < end; i++) if (plain[text.charCodeAt(i)] !== 1) return false
  return true
}

/** How each octet is written when it may not stand for itself. */
const ESCAPES: readonly string[] = Array.from(
  { length: 256 },
  (_, octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`,
)

/** `text` in ASCII: all but `plain` characters as percent-encoded UTF-8. Half a surrogate pair becomes U+FFFD. */
export function encodePercent(text: string, plain: PlainCharacters): string {
  let encoded = ''
  let copied = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c > 127) return encodeBytes(Buffer.from(text, 'utf8'), plain)
    if (plain[c] === 1) continue
    encoded += text.slice(copied, i) + (ESCAPES[c] as string)
    copied = i + 1
  }
  return copied === 0 ? text : encoded + text.slice(copied)
}

function encodeBytes(bytes: Buffer, plain: PlainCharacters): string {
  let encoded = ''
  for (const byte of bytes)
    encoded += plain[byte] === 1 ? String.fromCharCode(byte) : (ESCAPES[byte] as string)
  return encoded
}

/**
 * `text` with its percent-encoded octets decoded. A percent sign without two hex digits behind it stays; octets that
 * are no UTF-8 become U+FFFD (W3C Baggage 3.3.1.3).
 */
export function decodePercent(text: string): string {
  let decoded = ''
  let copied = 0
  for (let i = text.indexOf('%'); i !== -1; i = text.indexOf('%', copied)) {
    const octet = hexPair(text.charCodeAt(i + 1), text.charCodeAt(i + 2))
    if (octet === -1 || octet > 127) return decodeBytes(Buffer.from(text, 'utf8'))
    decoded += text.slice(copied, i) + String.fromCharCode(octet)
    copied = i + 3
  }
  return copied === 0 ? text : decoded + text.slice(copied)
}

function decodeBytes(bytes: Buffer): string {
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const octet = bytes[i] === PERCENT ? hexPair(bytes[i + 1] ?? -1, bytes[i + 2] ?? -1) : -1
    bytes[length++] = octet === -1 ? (bytes[i] as number) : octet
    if (octet !== -1) i += 2
  }
  return bytes.toString('utf8', 0, length)
}

function hexPair(high: number, low: number): number {
  const h = hexDigit(high)
  const l = hexDigit(low)
  return h === -1 || l === -1 ? -1 : h * 16 + l
}
