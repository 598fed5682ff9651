// Protocol buffers, read field by field.
// https://protobuf.dev/programming-guides/encoding/

/**
 * The fields of a message: number and value, in the order in which they come.
 *
 * @throws RangeError when the bytes are no message
 */
export function* fieldsOf(message: Buffer): Generator<[field: number, value: number | Buffer]> {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++]
      if (byte === undefined || factor > 2 ** 63) throw new RangeError('the message ends in a number')
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  const slice = (length: number): Buffer => {
    at += length
    if (at > message.length) throw new RangeError('the message ends in a field')
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const tag = varint()
    const wire = tag % 8
    if (wire !== 0 && wire !== 1 && wire !== 2 && wire !== 5) throw new RangeError('no field has this type')
    yield [Math.floor(tag / 8), wire === 0 ? varint() : slice(wire === 1 ? 8 : wire === 5 ? 4 : varint())]
  }
}
