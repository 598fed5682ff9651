// OTLP's protobuf bytes into its JSON form, field by field. The reading of the wire is @bufbuild/protobuf's (bundled at
// build time: strict about bounds, 11 KB minified; with its message layer it would be 59 KB, protobufjs 74 KB).
// Fields: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto

import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { MAX_DEPTH } from './otlp.ts'

type Message = Record<string, unknown>

/** Reads one field's value from where the reader stands. */
type Read = (reader: BinaryReader, budget: Budget, depth: number) => unknown

/** What is left to read: a few bytes of an attack can stand for millions of objects. */
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

// A span's own messages are four deep; each level of a nested value takes two or three more.
const MAX_MESSAGE_DEPTH = 6 + 3 * MAX_DEPTH

/**
 * Reads an ExportTraceServiceRequest.
 *
 * @returns it in OTLP's JSON form, with bigint where that has text of digits
 * @throws Error when the bytes are no such message
 */
export function readOtlpProtobuf(bytes: Uint8Array): unknown {
  const reader = new BinaryReader(bytes)
  return readFields(reader, bytes.length, REQUEST, { messages: MAX_MESSAGES }, 0)
}

function readMessage(reader: BinaryReader, fields: Fields, budget: Budget, depth: number): Message {
  const length = reader.uint32()
  const end = reader.pos + length
  if (end > reader.len) throw new Error('a field is longer than the message')
  if (--budget.messages < 0) throw new Error(`it has more than ${MAX_MESSAGES} parts`)
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
      // A field that we do not know, from a newer sender.
      reader.skip(wire, number)
      continue
    }
    const value = field.read(reader, budget, depth)
    if (field.repeated !== true) message[field.name] = value
    else if (message[field.name] === undefined) message[field.name] = [value]
    else (message[field.name] as unknown[]).push(value)
  }
  if (reader.pos !== end) throw new Error('a field is longer than the message that it is in')
  return message
}

/** The answer (ExportTraceServiceResponse) when some of the spans were refused. */
export function otlpPartialSuccess(rejected: number, message: string): Uint8Array {
  const partial = new BinaryWriter()
    .tag(1, WireType.Varint)
    .int64(rejected)
    .tag(2, WireType.LengthDelimited)
    .string(message)
  return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(partial.finish()).finish()
}

/** The answer (google.rpc.Status, code INVALID_ARGUMENT) when nothing was taken. */
export function otlpStatus(message: string): Uint8Array {
  return new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(3)
    .tag(2, WireType.LengthDelimited)
    .string(message)
    .finish()
}
