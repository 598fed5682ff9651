// Protocol buffers, written by hand into a buffer that grows and is used again.
// https://protobuf.dev/programming-guides/encoding/

const INITIAL_SIZE = 64 * 1024
/** A larger buffer is not kept for the next message. */
const MAX_KEPT_SIZE = 2 * 1024 * 1024

/** What a length may need: messages of up to 2^28 bytes. */
const MAX_LENGTH_BYTES = 4

/** Texts up to this length are copied character by character; a call out of JavaScript costs more. */
const SHORT = 28

export class ProtobufWriter {
  buffer: Buffer
  view: DataView
  position: number

  constructor() {
    this.buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE)
    this.view = new DataView(this.buffer.buffer)
    this.position = 0
  }

  /** Begins anew. */
  reset(): void {
    if (this.buffer.length > MAX_KEPT_SIZE) this.#use(Buffer.allocUnsafeSlow(INITIAL_SIZE))
    this.position = 0
  }

  /** What was written, in memory of its own. */
  copy(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.buffer, 0, this.position)
  }

  /** Makes room for `bytes` more; everything below expects it to be there, if it does not say otherwise. */
  reserve(bytes: number): void {
    if (this.position + bytes > this.buffer.length) this.#grow(this.position + bytes)
  }

  #grow(needed: number): void {
    const before = this.buffer
    this.#use(Buffer.allocUnsafeSlow(Math.max(needed, before.length * 2)))
    before.copy(this.buffer, 0, 0, this.position)
  }

  #use(buffer: Buffer): void {
    this.buffer = buffer
    this.view = new DataView(buffer.buffer)
  }

  byte(value: number): void {
    this.buffer[this.position++] = value
  }

  /** An unsigned integer below 2^31. */
  varint(value: number): void {
    const { buffer } = this
    let { position } = this
    let rest = value
    while (rest > 127) {
      buffer[position++] = (rest & 127) | 128
      rest >>>= 7
    }
    buffer[position++] = rest
    this.position = position
  }

  /** A field with an unsigned integer. */
  varintField(tag: number, value: number): void {
    this.byte(tag)
    this.varint(value)
  }

  /** A signed integer of up to 53 bits, as int64. */
  int64(value: number): void {
    if (value >= 0 && value <= 0x7fffffff) {
      this.varint(value)
      return
    }
    let rest = BigInt.asUintN(64, BigInt(value))
    while (rest > 127n) {
      this.byte(Number(rest & 127n) | 128)
      rest >>= 7n
    }
    this.byte(Number(rest))
  }

  fixed32(value: number): void {
    this.view.setUint32(this.position, value, true)
    this.position += 4
  }

  /** A time, given in milliseconds since the epoch, in nanoseconds: fixed64. */
  time(milliseconds: number): void {
    // 61 bits, more than a double holds: the seconds are multiplied in two halves.
    const seconds = Math.floor(milliseconds / 1000)
    const upper = Math.floor(seconds / 0x10000)
    const rest = Math.round((milliseconds - seconds * 1000) * 1e6)
    const high = upper * 1e9
    const carried = Math.floor(high / 0x10000)
    const sum = (high - carried * 0x10000) * 0x10000 + (seconds - upper * 0x10000) * 1e9 + rest
    const above = Math.floor(sum / 0x100000000)
    const { view, position } = this
    view.setUint32(position, sum - above * 0x100000000, true)
    view.setUint32(position + 4, carried + above, true)
    this.position = position + 8
  }

  /** Two fields of time: a start, and an end so many nanoseconds after it. */
  interval(startTag: number, endTag: number, milliseconds: number, nanoseconds: number): void {
    const { view } = this
    this.byte(startTag)
    this.time(milliseconds)
    const { position } = this
    const end = view.getUint32(position - 8, true) + nanoseconds
    const above = Math.floor(end / 0x100000000)
    this.byte(endTag)
    view.setUint32(position + 1, end - above * 0x100000000, true)
    view.setUint32(position + 5, view.getUint32(position - 4, true) + above, true)
    this.position = position + 9
  }

  double(value: number): void {
    this.view.setFloat64(this.position, value, true)
    this.position += 8
  }

  /** A word of an id: its bytes in the order in which they are read. */
  word(value: number): void {
    this.view.setInt32(this.position, value, false)
    this.position += 4
  }

  /** Bytes as they are. Makes its own room. */
  bytes(value: Uint8Array): void {
    this.reserve(value.length)
    this.buffer.set(value, this.position)
    this.position += value.length
  }

  /** The characters of a text that is ASCII; false, and nothing written, when it is not. */
  ascii(text: string, start: number, end: number): boolean {
    const { buffer, position } = this
    const length = end - start
    if (length > SHORT) {
      const written = buffer.write(length === text.length ? text : text.slice(start, end), position)
      if (written !== length) return false
    } else {
      let all = 0
      for (let i = 0; i < length; i++) {
        const c = text.charCodeAt(start + i)
        all |= c
        buffer[position + i] = c
      }
      if (all > 127) return false
    }
    this.position = position + length
    return true
  }

  /** A field of text: tag, length, UTF-8. Makes its own room. */
  text(tag: number, text: string): void {
    this.reserve(1 + MAX_LENGTH_BYTES + text.length * 3)
    this.byte(tag)
    const at = this.position
    const gap = sizeOfVarint(text.length)
    this.position = at + gap
    // Most texts are ASCII: what was assumed of their length is right.
    const length = this.ascii(text, 0, text.length) ? text.length : this.buffer.write(text, at + gap)
    this.place(at, gap, length)
  }

  /** Begins a message that is nearly always long: its length has four bytes, however short it gets. */
  beginLarge(tag: number): number {
    this.reserve(1 + MAX_LENGTH_BYTES)
    this.byte(tag)
    this.position += MAX_LENGTH_BYTES
    return this.position
  }

  /** Ends the long message that began at `start`. */
  endLarge(start: number): void {
    let length = this.position - start
    for (let i = MAX_LENGTH_BYTES; i > 0; i--) {
      // All bytes but the last say that one more follows.
      this.buffer[start - i] = (length & 127) | (i > 1 ? 128 : 0)
      length >>>= 7
    }
  }

  /** Begins a message of unknown length: leaves room for a length of two bytes, which most need. */
  begin(tag: number): number {
    this.reserve(3)
    this.byte(tag)
    this.position += 2
    return this.position
  }

  /** Ends the message that began at `start`, and writes its length in front of it. */
  end(start: number): void {
    this.reserve(MAX_LENGTH_BYTES)
    this.place(start - 2, 2, this.position - start)
  }

  /** Writes a length at `at`, in front of as many bytes that are there already, behind a gap of `gap`. */
  place(at: number, gap: number, length: number): void {
    const size = sizeOfVarint(length)
    if (size !== gap) this.buffer.copyWithin(at + size, at + gap, at + gap + length)
    this.position = at
    this.varint(length)
    this.position += length
  }
}

/** How many bytes an unsigned integer below 2^31 takes. */
export function sizeOfVarint(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5
}
