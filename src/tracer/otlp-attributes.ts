// Attributes of OTLP in protocol buffers. Most of an encoded span is this, so it is here that bytes are counted: names are
// kept encoded, and so is the last attribute of each name, since many have the same value in span after span.

import { type AttributeName, type AttributeSink, nameOf } from './attributes.ts'
import { type ProtobufWriter, sizeOfVarint } from './protobuf.ts'
import type { TagValue } from './value.ts'

/** More than an attribute needs besides its name and value. */
const ATTRIBUTE_ROOM = 32

/**
 * A name as a message KeyValue begins, up to the tag of the value, and the last whole attribute of that name: many have
 * the same value in span after span. In words, which are copied faster than bytes.
 */
interface EncodedName {
  readonly words: Int32Array
  readonly length: number
  value: TagValue | undefined
  whole: Int32Array
  wholeLength: number
  /** How many more values that differ from the one before we will remember; 0: it is not worth it. */
  patience: number
}

const MAX_WHOLE = 128
const PATIENCE = 32

function encodedName(name: AttributeName): EncodedName {
  name.encoded ??= encodeName(Buffer.from(name.text))
  return name.encoded as EncodedName
}

function encodeName(key: Buffer): EncodedName {
  const bytes = [0x0a]
  let rest = key.length
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  bytes.push(rest, ...key, 0x12)
  const words = new Int32Array(Math.ceil(bytes.length / 4))
  new Uint8Array(words.buffer).set(bytes)
  return {
    words,
    length: bytes.length,
    value: undefined,
    whole: words,
    wholeLength: 0,
    patience: PATIENCE,
  }
}

/** Writes attributes: repeated fields of the message KeyValue. */
export class ProtobufSink implements AttributeSink {
  /** The field that they are. */
  tag = 0
  readonly #out: ProtobufWriter

  constructor(out: ProtobufWriter) {
    this.#out = out
  }

  put(name: AttributeName, value: TagValue): void {
    const key = encodedName(name)
    if (value === key.value) {
      this.#repeat(key)
      return
    }
    const before = this.#out.position
    if (typeof value === 'string') this.putPart(name, value, 0, value.length)
    else this.#putOther(key, value)
    if (key.patience > 0) this.#remember(key, value, before)
  }

  putPart(name: AttributeName, text: string, start: number, end: number): void {
    const out = this.#out
    const key = encodedName(name)
    const length = end - start
    const before = out.position
    // Nearly all attributes are so short that all their lengths take one byte, and are known beforehand.
    if (key.length + length < 120) {
      out.reserve(key.length + length * 3 + ATTRIBUTE_ROOM)
      this.#begin(key, length + 3)
      const { buffer, position } = out
      buffer[position] = length + 2
      buffer[position + 1] = 0x0a
      buffer[position + 2] = length
      out.position = position + 3
      if (out.ascii(text, start, end)) return
      out.position = before
    }
    this.#putOther(key, text.slice(start, end))
  }

  #repeat(key: EncodedName): void {
    const out = this.#out
    out.reserve(MAX_WHOLE + ATTRIBUTE_ROOM)
    const { buffer, view, position } = out
    const words = key.wholeLength >> 2
    for (let i = 0; i <= words; i++) view.setInt32(position + 4 * i, key.whole[i] as number, true)
    buffer[position] = this.tag
    out.position = position + key.wholeLength
    key.patience = PATIENCE
  }

  #remember(key: EncodedName, value: TagValue, start: number): void {
    const { view, position } = this.#out
    const length = position - start
    key.patience = length < MAX_WHOLE ? key.patience - 1 : 0
    key.value = key.patience > 0 ? value : undefined
    if (key.patience === 0) return
    if (key.wholeLength === 0) key.whole = new Int32Array(MAX_WHOLE / 4)
    for (let i = 0; i <= length >> 2; i++) key.whole[i] = view.getInt32(start + 4 * i, true)
    key.wholeLength = length
  }

  putAll(tag: number, attributes: Readonly<Record<string, TagValue>>): void {
    this.tag = tag
    for (const [text, value] of Object.entries(attributes)) this.put(nameOf(text), value)
  }

  /** Tag, length, name: for a value of less than 128 bytes with all that belongs to it. */
  #begin({ words, length }: EncodedName, valueLength: number): void {
    const out = this.#out
    const { buffer, view, position } = out
    buffer[position] = this.tag
    buffer[position + 1] = length + valueLength
    for (let i = 0, at = position + 2; i < words.length; i++, at += 4)
      view.setInt32(at, words[i] as number, true)
    out.position = position + 2 + length
  }

  #putOther(key: EncodedName, value: TagValue): void {
    const out = this.#out
    out.reserve(key.length + ATTRIBUTE_ROOM)
    if (typeof value === 'number' && (value | 0) === value && value >= 0 && key.length < 100) {
      const size = sizeOfVarint(value)
      this.#begin(key, size + 2)
      out.byte(size + 1)
      out.byte(0x18)
      out.varint(value)
      return
    }
    const start = out.begin(this.tag)
    for (let i = 0; i < key.words.length; i++)
      out.view.setInt32(out.position + 4 * i, key.words[i] as number, true)
    out.position += key.length - 1
    const any = out.begin(0x12)
    this.#any(value)
    out.end(any)
    out.end(start)
  }

  #any(value: TagValue): void {
    const out = this.#out
    out.reserve(16)
    if (typeof value === 'string') {
      out.text(0x0a, value)
    } else if (typeof value === 'boolean') {
      out.byte(0x10)
      out.byte(value ? 1 : 0)
    } else if (typeof value === 'number') {
      if (Number.isSafeInteger(value)) {
        out.byte(0x18)
        out.int64(value)
      } else {
        out.byte(0x21)
        out.double(value)
      }
    } else {
      const list = out.begin(0x2a)
      for (const item of value) {
        const start = out.begin(0x0a)
        this.#any(item)
        out.end(start)
      }
      out.end(list)
    }
  }
}
