// Trace and span ids: random 32-bit words until somebody asks for text.

import { getRandomValues } from 'node:crypto'

// xoshiro128** by Blackman and Vigna (https://prng.di.unimi.it/): ids have to differ, not to be secret, and one from
// node:crypto costs as much as a whole span. Seeded once per process and worker thread, each of which loads this file
// anew; Node has no fork without a fresh start.
const seed = getRandomValues(new Int32Array(4))
let s0 = seed[0] as number
let s1 = seed[1] as number
let s2 = seed[2] as number
// All zeros would stay zeros.
let s3 = (s0 | s1 | s2 | (seed[3] as number)) === 0 ? 1 : (seed[3] as number)

/** 32 random bits as a signed integer, which is what V8 keeps without a box. */
export function randomWord(): number {
  const times5 = Math.imul(s1, 5)
  const result = Math.imul((times5 << 7) | (times5 >>> 25), 9)
  const t = s1 << 9
  s2 ^= s0
  s3 ^= s1
  s1 ^= s2
  s0 ^= s3
  s2 ^= t
  s3 = (s3 << 11) | (s3 >>> 21)
  return result
}

const scratch = Buffer.alloc(16)

/** 16 lower-case hex digits of two words. */
export function toHex64(high: number, low: number): string {
  scratch.writeInt32BE(high, 0)
  scratch.writeInt32BE(low, 4)
  return scratch.toString('hex', 0, 8)
}

/** 32 lower-case hex digits of four words. */
export function toHex128(w0: number, w1: number, w2: number, w3: number): string {
  scratch.writeInt32BE(w0, 0)
  scratch.writeInt32BE(w1, 4)
  scratch.writeInt32BE(w2, 8)
  scratch.writeInt32BE(w3, 12)
  return scratch.toString('hex', 0, 16)
}

/** The word that 8 lower-case hex digits from `at` on stand for. */
export function fromHex(text: string, at: number): number {
  let word = 0
  for (let i = at; i < at + 8; i++) {
    const c = text.charCodeAt(i)
    // A letter has bit 64. No branch: which of the two comes next cannot be foretold, and this runs for every span.
    word = (word << 4) | ((c & 15) + (c >> 6) * 9)
  }
  return word
}
