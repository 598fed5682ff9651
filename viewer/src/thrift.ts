// Decodes Apache Thrift's binary and compact protocols into plain values, within bounds. Written here because thriftrw,
// which jaeger-client uses, has no compact protocol and is unmaintained, and because the compact reader of the package
// `thrift` misreads lists of booleans, calls the deprecated `new Buffer` for every string, and has three dependencies.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md

/** A struct is a Map by field id, a map is a list of pairs, text and bytes are Buffers. */
export type ThriftValue = boolean | number | bigint | Buffer | ThriftValue[] | ThriftStruct
export type ThriftStruct = ReadonlyMap<number, ThriftValue>

/** A call: the content of one UDP packet. */
export interface ThriftMessage {
  readonly name: string
  readonly body: ThriftStruct
}

const MAX_DEPTH = 32
const MAX_VALUES = 4_000_000

// The type numbers of the binary protocol. Those of the compact protocol are translated to them.
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

/** The bytes that are decoded, the position in them, and how many more values may be decoded. */
interface Cursor {
  readonly bytes: Buffer
  at: number
  values: number
}

interface Field {
  readonly type: number
  readonly id: number
  /** The compact protocol has the value of a boolean field in the field's header. */
  readonly value?: boolean
}

/** The parts in which the two protocols differ. */
interface Protocol {
  messageName(cursor: Cursor): string
  field(cursor: Cursor, previousId: number): Field
  /** The header of a list or set: the type and the number of its elements. */
  list(cursor: Cursor): { type: number; size: number }
  map(cursor: Cursor): { keyType: number; valueType: number; size: number }
  integer(cursor: Cursor, type: number): number | bigint
  double(cursor: Cursor): number
  length(cursor: Cursor): number
}

/**
 * Decodes a struct, as in the body of a request.
 *
 * @throws Error when the bytes are not a struct
 */
export function readStruct(bytes: Buffer, protocol: 'binary' | 'compact'): ThriftStruct {
  return struct({ bytes, at: 0, values: MAX_VALUES }, PROTOCOLS[protocol], 0)
}

/**
 * Decodes a call, as in a UDP packet.
 *
 * @throws Error when the bytes are not a call
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
  if (depth > MAX_DEPTH) throw new Error('the data is nested too deeply')
  if (--cursor.values < 0) throw new Error(`the data has more than ${MAX_VALUES} values`)
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
      throw new Error(`unknown type ${type}`)
  }
}

function repeat(cursor: Cursor, size: number, read: () => ThriftValue): ThriftValue[] {
  // An element takes at least one byte. Checked first, so that a false size does not allocate memory.
  if (size < 0 || size > cursor.bytes.length - cursor.at)
    throw new Error(`a list of ${size} elements is longer than the data`)
  const values: ThriftValue[] = []
  for (let i = 0; i < size; i++) values.push(read())
  return values
}

function byte(cursor: Cursor): number {
  const found = cursor.bytes[cursor.at++]
  if (found === undefined) throw new Error('the data ends too early')
  return found
}

function slice(cursor: Cursor, length: number): Buffer {
  if (length < 0 || length > cursor.bytes.length - cursor.at) throw new Error('the data ends too early')
  cursor.at += length
  return cursor.bytes.subarray(cursor.at - length, cursor.at)
}

const BINARY_VERSION = 0x8001

const binary: Protocol = {
  messageName(cursor) {
    const head = slice(cursor, 4)
    // The strict encoding has a version and a type before the name; the old one starts with the name's length.
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
    if (byte(cursor) !== COMPACT_ID) throw new Error('the data does not start with a compact message header')
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
  if (type === undefined) throw new Error(`unknown compact type ${short}`)
  return type
}

function varint(cursor: Cursor): bigint {
  let small = 0
  // Seven bits per byte. The first four bytes fit into a number, which is faster than a bigint.
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
  throw new Error('an integer is longer than ten bytes')
}

function zigzag(encoded: bigint): bigint {
  return (encoded >> 1n) ^ -(encoded & 1n)
}

const PROTOCOLS = { binary, compact }
