// Apache Thrift's binary and compact protocols into plain values, within bounds. Our own: thriftrw (jaeger-client's) has no
// compact protocol and is no longer kept; the `thrift` package's compact reader misreads lists of booleans, calls the deprecated
// `new Buffer` for every string, and brings three packages along.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md and thrift-compact-protocol.md

/** A struct is a Map by field id, a map a list of its pairs; text and bytes are both Buffers. */
export type ThriftValue = boolean | number | bigint | Buffer | ThriftValue[] | ThriftStruct
export type ThriftStruct = ReadonlyMap<number, ThriftValue>

/** A call as it stands in one UDP packet. */
export interface ThriftMessage {
  readonly name: string
  readonly body: ThriftStruct
}

const MAX_DEPTH = 32
const MAX_VALUES = 4_000_000

/** The types by their numbers in the binary protocol; the compact one's are translated to them. */
const STOP = 0
const BOOL = 2
const BYTE = 3
const DOUBLE = 4
const I16 = 6
const I32 = 8
const I64 = 10
const STRING = 11
const STRUCT = 12
const MAP = 13
const SET = 14
const LIST = 15

/** Where one stands in the bytes, and how much more may be made of them. */
interface Cursor {
  readonly bytes: Buffer
  at: number
  values: number
}

interface Field {
  readonly type: number
  readonly id: number
  /** The compact protocol writes a boolean field's value into its head. */
  readonly value?: boolean
}

/** What the two protocols do in their own ways. */
interface Protocol {
  messageName(cursor: Cursor): string
  field(cursor: Cursor, previousId: number): Field
  /** The type and the number of a list's or set's elements. */
  list(cursor: Cursor): { type: number; size: number }
  map(cursor: Cursor): { keyType: number; valueType: number; size: number }
  integer(cursor: Cursor, type: number): number | bigint
  double(cursor: Cursor): number
  length(cursor: Cursor): number
}

/**
 * Reads a struct that stands alone, as in the body of a request.
 *
 * @throws Error when the bytes are no such struct
 */
export function readStruct(bytes: Buffer, protocol: 'binary' | 'compact'): ThriftStruct {
  return struct({ bytes, at: 0, values: MAX_VALUES }, PROTOCOLS[protocol], 0)
}

/**
 * Reads a call, as in a UDP packet.
 *
 * @throws Error when the bytes are no such call
 */
export function readMessage(bytes: Buffer, protocol: 'binary' | 'compact'): ThriftMessage {
  const cursor = { bytes, at: 0, values: MAX_VALUES }
  const name = PROTOCOLS[protocol].messageName(cursor)
  return { name, body: struct(cursor, PROTOCOLS[protocol], 0) }
}

function struct(cursor: Cursor, protocol: Protocol, depth: number): ThriftStruct {
  const fields = new Map<number, ThriftValue>()
  let id = 0
  for (;;) {
    const field = protocol.field(cursor, id)
    if (field.type === STOP) return fields
    id = field.id
    fields.set(id, field.value ?? value(cursor, protocol, field.type, depth + 1))
  }
}

function value(cursor: Cursor, protocol: Protocol, type: number, depth: number): ThriftValue {
  if (depth > MAX_DEPTH) throw new Error('it is nested too deeply')
  if (--cursor.values < 0) throw new Error(`it has more than ${MAX_VALUES} values`)
  switch (type) {
    case BOOL:
      return byte(cursor) === 1
    case BYTE:
      return (byte(cursor) << 24) >> 24
    case I16:
    case I32:
    case I64:
      return protocol.integer(cursor, type)
    case DOUBLE:
      return protocol.double(cursor)
    case STRING:
      return slice(cursor, protocol.length(cursor))
    case STRUCT:
      return struct(cursor, protocol, depth)
    case SET:
    case LIST: {
      const { type: inner, size } = protocol.list(cursor)
      return repeat(cursor, size, () => value(cursor, protocol, inner, depth + 1))
    }
    case MAP: {
      const { keyType, valueType, size } = protocol.map(cursor)
      return repeat(cursor, size, () => [
        value(cursor, protocol, keyType, depth + 1),
        value(cursor, protocol, valueType, depth + 1),
      ])
    }
    default:
      throw new Error(`there is no type ${type}`)
  }
}

function repeat(cursor: Cursor, size: number, read: () => ThriftValue): ThriftValue[] {
  // Every element takes a byte or more: a size beyond the end is a lie that must not cost memory.
  if (size < 0 || size > cursor.bytes.length - cursor.at)
    throw new Error(`a list cannot have ${size} elements`)
  const values: ThriftValue[] = []
  for (let i = 0; i < size; i++) values.push(read())
  return values
}

function byte(cursor: Cursor): number {
  const found = cursor.bytes[cursor.at++]
  if (found === undefined) throw new Error('it ends too early')
  return found
}

function slice(cursor: Cursor, length: number): Buffer {
  if (length < 0 || length > cursor.bytes.length - cursor.at) throw new Error('it ends too early')
  cursor.at += length
  return cursor.bytes.subarray(cursor.at - length, cursor.at)
}

const BINARY_VERSION = 0x8001

const binary: Protocol = {
  messageName(cursor) {
    const head = slice(cursor, 4)
    // Strict: a version and a type before the name. Old: the name's length.
    const strict = head.readUInt16BE(0) === BINARY_VERSION
    const length = strict ? slice(cursor, 4).readInt32BE(0) : head.readInt32BE(0)
    const name = slice(cursor, length).toString()
    slice(cursor, strict ? 4 : 5)
    return name
  },
  field(cursor) {
    const type = byte(cursor)
    return type === STOP ? { type, id: 0 } : { type, id: slice(cursor, 2).readInt16BE(0) }
  },
  list: cursor => ({ type: byte(cursor), size: slice(cursor, 4).readInt32BE(0) }),
  map: cursor => ({ keyType: byte(cursor), valueType: byte(cursor), size: slice(cursor, 4).readInt32BE(0) }),
  integer(cursor, type) {
    if (type === I16) return slice(cursor, 2).readInt16BE(0)
    return type === I32 ? slice(cursor, 4).readInt32BE(0) : slice(cursor, 8).readBigInt64BE(0)
  },
  double: cursor => slice(cursor, 8).readDoubleBE(0),
  length: cursor => slice(cursor, 4).readInt32BE(0),
}

const COMPACT_ID = 0x82
const COMPACT_TRUE = 1
const COMPACT_FALSE = 2
const COMPACT_TYPES = [STOP, BOOL, BOOL, BYTE, I16, I32, I64, DOUBLE, STRING, LIST, SET, MAP, STRUCT]

const compact: Protocol = {
  messageName(cursor) {
    if (byte(cursor) !== COMPACT_ID) throw new Error('it does not begin as a compact message')
    byte(cursor)
    varint(cursor)
    return slice(cursor, Number(varint(cursor))).toString()
  },
  field(cursor, previousId) {
    const head = byte(cursor)
    const short = head & 0x0f
    if (short === STOP) return { type: STOP, id: 0 }
    const id = head >> 4 === 0 ? Number(zigzag(varint(cursor))) : previousId + (head >> 4)
    if (short === COMPACT_TRUE || short === COMPACT_FALSE)
      return { type: BOOL, id, value: short === COMPACT_TRUE }
    return { type: compactType(short), id }
  },
  list(cursor) {
    const head = byte(cursor)
    const size = head >> 4 === 15 ? Number(varint(cursor)) : head >> 4
    return { type: compactType(head & 0x0f), size }
  },
  map(cursor) {
    const size = Number(varint(cursor))
    const types = size === 0 ? 0 : byte(cursor)
    return { keyType: compactType(types >> 4), valueType: compactType(types & 0x0f), size }
  },
  integer(cursor, type) {
    const big = BigInt.asIntN(64, zigzag(varint(cursor)))
    return type === I64 ? big : Number(big)
  },
  double: cursor => slice(cursor, 8).readDoubleLE(0),
  length: cursor => Number(varint(cursor)),
}

function compactType(short: number): number {
  const type = COMPACT_TYPES[short]
  if (type === undefined) throw new Error(`there is no compact type ${short}`)
  return type
}

function varint(cursor: Cursor): bigint {
  let small = 0
  // Seven bits at a time; the first four in a number, which is most there ever are.
  for (let shift = 0; shift < 28; shift += 7) {
    const next = byte(cursor)
    small |= (next & 0x7f) << shift
    if (next < 0x80) return BigInt(small)
  }
  let big = BigInt(small)
  for (let shift = 28n; shift < 70n; shift += 7n) {
    const next = byte(cursor)
    big |= BigInt(next & 0x7f) << shift
    if (next < 0x80) return BigInt.asUintN(64, big)
  }
  throw new Error('a number is longer than ten bytes')
}

function zigzag(encoded: bigint): bigint {
  return (encoded >> 1n) ^ -(encoded & 1n)
}

const PROTOCOLS = { binary, compact }
