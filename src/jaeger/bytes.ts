// Thrift's binary protocol, as far as Jaeger needs it, written into bytes that grow up to a limit.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md

/** Types of the protocol. */
export const STOP = 0
export const BOOL = 2
export const DOUBLE = 4
export const I32 = 8
export const I64 = 10
export const STRING = 11
export const STRUCT = 12
export const LIST = 15

/** Bytes that grow up to a limit, beyond which writing throws a `RangeError`. */
export class Bytes {
  buffer: Buffer = Buffer.allocUnsafe(1024)
  length = 0
  readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  private reserve(size: number): number {
    const start = this.length
    const end = start + size
    if (end > this.limit) throw new RangeError(`larger than ${this.limit} bytes`)
    if (end > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.limit, Math.max(end, this.buffer.length * 2)))
      this.buffer.copy(grown, 0, 0, start)
      this.buffer = grown
    }
    this.length = end
    return start
  }

  /** The bytes written so far, in memory of their own; writing starts anew. */
  take(): Buffer {
    const taken = Buffer.from(this.buffer.subarray(0, this.length))
    this.length = 0
    return taken
  }

  // `reserve` may replace the buffer: it comes before the buffer is looked at.
  byte(value: number): void {
    const start = this.reserve(1)
    this.buffer[start] = value
  }

  i32(value: number): void {
    const start = this.reserve(4)
    this.buffer.writeInt32BE(value | 0, start)
  }

  /** A whole number from 0 to 2^53; anything else is written as 0. */
  i64(value: number): void {
    const whole = value > 0 && value <= Number.MAX_SAFE_INTEGER ? Math.floor(value) : 0
    const start = this.reserve(8)
    this.buffer.writeUInt32BE(Math.floor(whole / 0x1_0000_0000), start)
    this.buffer.writeUInt32BE(whole >>> 0, start + 4)
  }

  double(value: number): void {
    const start = this.reserve(8)
    this.buffer.writeDoubleBE(value, start)
  }

  raw(bytes: Buffer): void {
    const start = this.reserve(bytes.length)
    bytes.copy(this.buffer, start)
  }

  binary(bytes: Buffer): void {
    this.i32(bytes.length)
    this.raw(bytes)
  }

  text(text: string): void {
    const size = Buffer.byteLength(text)
    this.i32(size)
    const start = this.reserve(size)
    this.buffer.write(text, start)
  }

  field(type: number, id: number): void {
    const start = this.reserve(3)
    this.buffer[start] = type
    this.buffer.writeInt16BE(id, start + 1)
  }

  list(id: number, length: number): void {
    this.field(LIST, id)
    this.byte(STRUCT)
    this.i32(length)
  }
}
