// Text from spans, made short and safe to show.

/** A text of at most `limit` UTF-16 units; a longer one is cut and ends with `…`. */
export function truncate(text: string, limit: number): string {
  if (text.length <= limit) return text
  // A cut inside a surrogate pair would leave text that is not valid Unicode.
  const end = (text.charCodeAt(limit - 2) & 0xfc00) === 0xd800 ? limit - 2 : limit - 1
  // V8's slice() is a view that keeps the whole text in memory; the round trip through JSON makes a copy.
  return JSON.parse(JSON.stringify(`${text.slice(0, end)}…`)) as string
}

// Control characters (Cc), and the line and paragraph separators, at which some terminals break the line.
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu
// Characters that change the direction of text: with them a span could draw over its neighbours.
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** A text for one line of a terminal: at most `limit` UTF-16 units, without control characters. */
export function toLine(text: string, limit: number): string {
  return truncate(text, limit).replace(CONTROL, ' ').replace(DIRECTION, '')
}
