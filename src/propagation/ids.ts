// Hex ids in header text, checked by one table look-up per character, since this runs for every request.

/** A digit's value; for an upper-case one with UPPER set; negative for any other character. */
const DIGITS: Int8Array = new Int8Array(256).fill(-128)
const UPPER = 16
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16)
  DIGITS[digit.toUpperCase().charCodeAt(0)] = value | UPPER
  DIGITS[digit.charCodeAt(0)] = value
}

/** All digits from `start` to `end` or-ed: negative with one that is none, UPPER set with an upper-case one. */
function digitBits(text: string, start: number, end: number): number {
  let bits = 0
  let wide = 0
  for (let i = start; i < end; i++) {
    const c = text.charCodeAt(i)
    wide |= c
    bits |= DIGITS[c & 255] as number
  }
  return wide > 255 ? -1 : bits
}

/** Whether `text` from `start` to `end` is lower-case hex and not all zeros. */
export function isId(text: string, start: number, end: number): boolean {
  const bits = digitBits(text, start, end)
  return bits > 0 && bits < UPPER
}

/** What `readIds` has read last: the four words of a trace id and the two of a span id, as signed 32-bit integers. */
export const words: Int32Array = new Int32Array(6)

/**
 * Whether 32 digits from `traceStart` on and 16 from `spanStart` on are ids, as `isId` has it; `words` then tells them.
 * In one go, since who continues the trace wants them as numbers.
 */
export function readIds(text: string, traceStart: number, spanStart: number): boolean {
  let traceBits = 0
  let spanBits = 0
  let wide = 0
  for (let i = 0; i < 6; i++) {
    const start = i < 4 ? traceStart + 8 * i : spanStart + 8 * i - 32
    let word = 0
    let bits = 0
    for (let at = start; at < start + 8; at++) {
      const c = text.charCodeAt(at)
      const digit = DIGITS[c & 255] as number
      wide |= c
      bits |= digit
      word = (word << 4) | digit
    }
    words[i] = word
    if (i < 4) traceBits |= bits
    else spanBits |= bits
  }
  return wide < 256 && traceBits > 0 && traceBits < UPPER && spanBits > 0 && spanBits < UPPER
}

/** The value of a hex digit in either case; -1 for any other character. */
export function hexDigit(code: number): number {
  const digit = code >= 0 && code < 256 ? (DIGITS[code] as number) : -1
  return digit < 0 ? -1 : digit & 15
}

/** The same for lower case alone. */
export function lowerHexDigit(code: number): number {
  const digit = code < 256 ? (DIGITS[code] as number) : -1
  return digit < 0 || digit >= UPPER ? -1 : digit
}

/**
 * An id from anywhere (any case, leading zeros dropped) as we write ids: lower-case, left-padded to `width`.
 *
 * @returns `''` when it is no hex, longer than `width`, empty or all zeros
 * @example
 * toId('7F', 16) // '000000000000007f'
 */
export function toId(text: string, width: 16 | 32): string {
  if (text.length > width) return ''
  const bits = digitBits(text, 0, text.length)
  if (bits < 0 || (bits & 15) === 0) return ''
  const padded = text.length === width ? text : text.padStart(width, '0')
  return bits < UPPER ? padded : padded.toLowerCase()
}

/**
 * The trace id for the formats that know 64-bit ids: 16 digits when the upper half is zero, so that a trace that a
 * 64-bit tracer began keeps the id that its services log.
 */
export function narrowTraceId(traceId: string): string {
  return traceId.startsWith('0000000000000000') ? traceId.slice(16) : traceId
}
