// Decodes OTLP's protobuf into its JSON form. @bufbuild/protobuf reads the wire format and is bundled by the build: it
// checks all bounds, and is 11 KB minified (59 KB with its message layer; protobufjs is 74 KB). Fields:
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { MAX_DEPTH } from './otlp.ts'

type Message = Record<string, unknown>

/** Reads the value of a field at the reader's position. */
type Read = (reader: BinaryReader, budget: Budget, depth: number) => unknown

/** How many more messages may be decoded: an empty one has two bytes, so a body could become millions of objects. */
interface Budget {
  messages: number
}

interface Field {
  readonly name: string
  readonly wire: WireType
  readonly read: Read
  readonly repeated?: boolean
}

type Fields = ReadonlyMap<number, Field>

const MAX_MESSAGES = 2_000_000

const string = (name: string): Field => ({ name, wire: WireType.LengthDelimited, read: r => r.string() })
const id = (name: string): Field => ({
  name,
  wire: WireType.LengthDelimited,
  read: r => Buffer.from(r.bytes()).toString('hex'),
})
const time = (name: string): Field => ({ name, wire: WireType.Bit64, read: r => r.fixed64() })
const count = (name: string): Field => ({ name, wire: WireType.Varint, read: r => r.uint32() })
const one = (name: string, fields: () => Fields): Field => ({
  name,
  wire: WireType.LengthDelimited,
  read: (reader, budget, depth) => readMessage(reader, fields(), budget, depth + 1),
})
const many = (name: string, fields: () => Fields): Field => ({ ...one(name, fields), repeated: true })

const KEY_VALUE: Fields = new Map([
  [1, string('key')],
  [2, one('value', () => ANY_VALUE)],
])
const ARRAY_VALUE: Fields = new Map([[1, many('values', () => ANY_VALUE)]])
const KEY_VALUE_LIST: Fields = new Map([[1, many('values', () => KEY_VALUE)]])
const ANY_VALUE: Fields = new Map<number, Field>([
  [1, string('stringValue')],
  [2, { name: 'boolValue', wire: WireType.Varint, read: r => r.bool() }],
  [3, { name: 'intValue', wire: WireType.Varint, read: r => r.int64() }],
  [4, { name: 'doubleValue', wire: WireType.Bit64, read: r => r.double() }],
  [5, one('arrayValue', () => ARRAY_VALUE)],
  [6, one('kvlistValue', () => KEY_VALUE_LIST)],
  [
    7,
    {
      name: 'bytesValue',
      wire: WireType.LengthDelimited,
      read: r => Buffer.from(r.bytes()).toString('base64'),
    },
  ],
])
const RESOURCE: Fields = new Map([[1, many('attributes', () => KEY_VALUE)]])
const SCOPE: Fields = new Map([
  [1, string('name')],
  [2, string('version')],
])
const EVENT: Fields = new Map([
  [1, time('timeUnixNano')],
  [2, string('name')],
  [3, many('attributes', () => KEY_VALUE)],
])
const LINK: Fields = new Map([
  [1, id('traceId')],
  [2, id('spanId')],
])
const STATUS: Fields = new Map([
  [2, string('message')],
  [3, count('code')],
])
const SPAN: Fields = new Map([
  [1, id('traceId')],
  [2, id('spanId')],
  [3, string('traceState')],
  [4, id('parentSpanId')],
  [5, string('name')],
  [6, count('kind')],
  [7, time('startTimeUnixNano')],
  [8, time('endTimeUnixNano')],
  [9, many('attributes', () => KEY_VALUE)],
  [10, count('droppedAttributesCount')],
  [11, many('events', () => EVENT)],
  [12, count('droppedEventsCount')],
  [13, many('links', () => LINK)],
  [14, count('droppedLinksCount')],
  [15, one('status', () => STATUS)],
])
const SCOPE_SPANS: Fields = new Map([
  [1, one('scope', () => SCOPE)],
  [2, many('spans', () => SPAN)],
])
const RESOURCE_SPANS: Fields = new Map([
  [1, one('resource', () => RESOURCE)],
  [2, many('scopeSpans', () => SCOPE_SPANS)],
])
const REQUEST: Fields = new Map([[1, many('resourceSpans', () => RESOURCE_SPANS)]])

// A span's own messages are four levels deep; each level of an attribute value adds two or three.
const MAX_MESSAGE_DEPTH = 6 + 3 * MAX_DEPTH

/**
 * Decodes an ExportTraceServiceRequest.
 *
 * @returns OTLP's JSON form, with bigint for 64-bit integers
 * @throws Error when the bytes are not such a message
 */
export function readOtlpProtobuf(bytes: Uint8Array): unknown {
  const reader = new BinaryReader(bytes)
  return readFields(reader, bytes.length, REQUEST, { messages: MAX_MESSAGES }, 0)
}

function readMessage(reader: BinaryReader, fields: Fields, budget: Budget, depth: number): Message {
  const length = reader.uint32()
  const end = reader.pos + length
  if (end > reader.len) throw new Error('a field is longer than the message')
  if (--budget.messages < 0) throw new Error(`the request has more than ${MAX_MESSAGES} parts`)
  if (depth > MAX_MESSAGE_DEPTH) {
    reader.pos = end
    return {}
  }
  return readFields(reader, end, fields, budget, depth)
}

function readFields(
  reader: BinaryReader,
  end: number,
  fields: Fields,
  budget: Budget,
  depth: number,
): Message {
  const message: Message = {}
  while (reader.pos < end) {
    const [number, wire] = reader.tag()
    const field = fields.get(number)
    if (field === undefined || field.wire !== wire) {
      // Newer versions of OTLP have more fields.
      reader.skip(wire, number)
      continue
    }
    const value = field.read(reader, budget, depth)
    if (field.repeated !== true) message[field.name] = value
    else if (message[field.name] === undefined) message[field.name] = [value]
    else (message[field.name] as unknown[]).push(value)
  }
  if (reader.pos !== end) throw new Error('a field is longer than its message')
  return message
}

/** Encodes an ExportTraceServiceResponse: some of the spans were rejected. */
export function otlpPartialSuccess(rejected: number, message: string): Uint8Array {
  const partial = new BinaryWriter()
    .tag(1, WireType.Varint)
    .int64(rejected)
    .tag(2, WireType.LengthDelimited)
    .string(message)
  return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(partial.finish()).finish()
}

/** Encodes a google.rpc.Status with the code INVALID_ARGUMENT: the request was rejected. */
export function otlpStatus(message: string): Uint8Array {
  return new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(3)
    .tag(2, WireType.LengthDelimited)
    .string(message)
    .finish()
}
