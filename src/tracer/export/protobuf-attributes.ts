// Attributes of OTLP in protocol buffers. Most bytes of a span are attributes, so time is saved here: names are kept encoded,
// and so is the last whole attribute of each name, since many have the same value in span after span (`npm run bench:span`).

import type { AttributeName, AttributeSink } from '../../core/conventions/otel-attributes.ts'
import { nameOf } from '../../core/conventions/otel-attributes.ts'
import type { TagValue } from '../../core/conventions/tag-value.ts'
import { ANY_VALUE, ARRAY_VALUE, KEY_VALUE } from './otlp-fields.ts'
import { type ProtobufWriter, sizeOfVarint } from './protobuf-writer.ts'

/** More than an attribute needs besides its name and value. */
const ATTRIBUTE_ROOM = 32

/** A name, encoded, and the last whole attribute of that name. Both are kept in words, which are copied faster than bytes. */
interface EncodedName {
  /** The message KeyValue up to the tag of its value. */
  readonly prefix: Int32Array
  readonly prefixLength: number
  lastValue: TagValue | undefined
  lastAttribute: Int32Array
  lastLength: number
  /** How many more values in a row may differ before values of this name are no longer kept. */
  chances: number
}

const MAX_KEPT_LENGTH = 128
const CHANCES = 32

function encodedName(name: AttributeName): EncodedName {
  name.encoded ??= encodeName(Buffer.from(name.text))
  return name.encoded as EncodedName
}

function encodeName(key: Buffer): EncodedName {
  const bytes: number[] = [KEY_VALUE.key]
  let rest = key.length
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  bytes.push(rest, ...key, KEY_VALUE.value)
  const prefix = new Int32Array(Math.ceil(bytes.length / 4))
  new Uint8Array(prefix.buffer).set(bytes)
  return {
    prefix,
    prefixLength: bytes.length,
    lastValue: undefined,
    lastAttribute: prefix,
    lastLength: 0,
    chances: CHANCES,
  }
}

/** Writes attributes: repeated fields of the message KeyValue. */
export class ProtobufAttributes implements AttributeSink {
  /** The field that the attributes are. */
  tag = 0
  readonly #out: ProtobufWriter

  constructor(out: ProtobufWriter) {
    this.#out = out
  }

  put(name: AttributeName, value: TagValue): void {
    const key = encodedName(name)
    if (value === key.lastValue) {
      this.#repeat(key)
      return
    }
    const start = this.#out.position
    if (typeof value === 'string') this.putPart(name, value, 0, value.length)
    else this.#putOther(key, value)
    if (key.chances > 0) this.#keep(key, value, start)
  }

  putPart(name: AttributeName, text: string, start: number, end: number): void {
    const out = this.#out
    const key = encodedName(name)
    const length = end - start
    const before = out.position
    // Nearly all attributes are so short that each of their lengths takes one byte and is known beforehand.
    if (key.prefixLength + length < 120) {
      out.reserve(key.prefixLength + length * 3 + ATTRIBUTE_ROOM)
      this.#begin(key, length + 3)
      const { buffer, position } = out
      buffer[position] = length + 2
      buffer[position + 1] = ANY_VALUE.stringValue
      buffer[position + 2] = length
      out.position = position + 3
      if (out.ascii(text, start, end)) return
      out.position = before
    }
    this.#putOther(key, text.slice(start, end))
  }

  putAll(tag: number, attributes: Readonly<Record<string, TagValue>>): void {
    this.tag = tag
    for (const [text, value] of Object.entries(attributes)) this.put(nameOf(text), value)
  }

  #repeat(key: EncodedName): void {
    const out = this.#out
    out.reserve(MAX_KEPT_LENGTH + ATTRIBUTE_ROOM)
    const { buffer, view, position } = out
    const words = key.lastLength >> 2
    for (let i = 0; i <= words; i++) view.setInt32(position + 4 * i, key.lastAttribute[i] as number, true)
    buffer[position] = this.tag
    out.position = position + key.lastLength
    key.chances = CHANCES
  }

  #keep(key: EncodedName, value: TagValue, start: number): void {
    const { view, position } = this.#out
    const length = position - start
    key.chances = length < MAX_KEPT_LENGTH ? key.chances - 1 : 0
    key.lastValue = key.chances > 0 ? value : undefined
    if (key.chances === 0) return
    if (key.lastLength === 0) key.lastAttribute = new Int32Array(MAX_KEPT_LENGTH / 4)
    for (let i = 0; i <= length >> 2; i++) key.lastAttribute[i] = view.getInt32(start + 4 * i, true)
    key.lastLength = length
  }

  /** Tag, length and name, for a value of less than 128 bytes with all that belongs to it. */
  #begin({ prefix, prefixLength }: EncodedName, valueLength: number): void {
    const out = this.#out
    const { buffer, view, position } = out
    buffer[position] = this.tag
    buffer[position + 1] = prefixLength + valueLength
    for (let i = 0, at = position + 2; i < prefix.length; i++, at += 4)
      view.setInt32(at, prefix[i] as number, true)
    out.position = position + 2 + prefixLength
  }

  #putOther(key: EncodedName, value: TagValue): void {
    const out = this.#out
    out.reserve(key.prefixLength + ATTRIBUTE_ROOM)
    if (typeof value === 'number' && (value | 0) === value && value >= 0 && key.prefixLength < 100) {
      const size = sizeOfVarint(value)
      this.#begin(key, size + 2)
      out.byte(size + 1)
      out.varintField(ANY_VALUE.intValue, value)
      return
    }
    const start = out.begin(this.tag)
    for (let i = 0; i < key.prefix.length; i++)
      out.view.setInt32(out.position + 4 * i, key.prefix[i] as number, true)
    // Without its last byte, the tag of the value, which `begin` writes.
    out.position += key.prefixLength - 1
    const any = out.begin(KEY_VALUE.value)
    this.#any(value)
    out.end(any)
    out.end(start)
  }

  #any(value: TagValue): void {
    const out = this.#out
    out.reserve(16)
    if (typeof value === 'string') {
      out.text(ANY_VALUE.stringValue, value)
    } else if (typeof value === 'boolean') {
      out.varintField(ANY_VALUE.boolValue, value ? 1 : 0)
    } else if (typeof value === 'number') {
      if (Number.isSafeInteger(value)) {
        out.byte(ANY_VALUE.intValue)
        out.int64(value)
      } else {
        out.byte(ANY_VALUE.doubleValue)
        out.double(value)
      }
    } else {
      const list = out.begin(ANY_VALUE.arrayValue)
      for (const item of value) {
        const start = out.begin(ARRAY_VALUE.values)
        this.#any(item)
        out.end(start)
      }
      out.end(list)
    }
  }
}
