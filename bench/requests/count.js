// How many spans a batch holds, in each vendor's encoding: just enough of it to skip everything else.

/**
 * OTLP: TracesData 1 ResourceSpans > 2 ScopeSpans > 2 Span.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export function protobufSpans(bytes) {
  return fields(bytes, 1).reduce(
    (sum, resource) =>
      sum + fields(resource, 2).reduce((inScopes, scope) => inScopes + fields(scope, 2).length, 0),
    0,
  )
}

/** The length-delimited fields of one number. */
function fields(bytes, wanted) {
  const found = []
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++]
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const key = varint()
    const wire = key & 7
    if (wire === 0) varint()
    else if (wire === 1) at += 8
    else if (wire === 5) at += 4
    else if (wire === 2) {
      const length = varint()
      if (key >>> 3 === wanted) found.push(bytes.subarray(at, at + length))
      at += length
    } else throw new Error(`protobuf wire type ${wire}`)
  }
  return found
}

/**
 * Jaeger's agent: the message emitBatch(1: Batch { 1: Process, 2: list<Span> }) in the binary protocol.
 *
 * @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
 */
export function thriftSpans(bytes) {
  let at = 4 // version and message type
  const int = () => {
    at += 4
    return bytes.readInt32BE(at - 4)
  }
  const width = { 2: 1, 3: 1, 4: 8, 6: 2, 8: 4, 10: 8 }
  const text = () => {
    const length = int()
    at += length
  }
  const skip = type => {
    if (type in width) at += width[type]
    else if (type === 11) text()
    else if (type === 12) struct(skip)
    else if (type === 14 || type === 15) {
      const item = bytes[at++]
      for (let left = int(); left > 0; left--) skip(item)
    } else throw new Error(`thrift type ${type}`)
  }
  const struct = onField => {
    for (let type = bytes[at++]; type !== 0; type = bytes[at++]) {
      at += 2
      onField(type, bytes.readInt16BE(at - 2))
    }
  }
  let spans = 0
  text() // the method's name
  at += 4 // sequence number
  struct(argument => {
    if (argument !== 12) return skip(argument)
    struct((type, id) => {
      if (id === 2) spans = bytes.readInt32BE(at + 1)
      skip(type)
    })
  })
  return spans
}

/**
 * Datadog's agent, /v0.4/traces: an array of traces, each an array of spans.
 *
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export function msgpackSpans(bytes) {
  let at = 0
  const uint = size => {
    at += size
    return bytes.readUIntBE(at - size, size)
  }
  const array = () => {
    const type = bytes[at++]
    if ((type & 0xf0) === 0x90) return type & 15
    if (type === 0xdc) return uint(2)
    if (type === 0xdd) return uint(4)
    throw new Error(`msgpack: no array but ${type}`)
  }
  const text = (size, more = 0) => {
    const length = uint(size) + more
    at += length
  }
  const items = count => {
    for (let left = count; left > 0; left--) skip()
  }
  const skip = () => {
    const type = bytes[at++]
    if (type < 0x80 || type >= 0xe0 || type === 0xc0 || type === 0xc2 || type === 0xc3) return
    if (type < 0x90) items(2 * (type & 15))
    else if (type < 0xa0) items(type & 15)
    else if (type < 0xc0) at += type & 31
    else if (type <= 0xc6) text(2 ** (type - 0xc4))
    else if (type <= 0xc9) text(2 ** (type - 0xc7), 1)
    else if (type <= 0xcb) at += type === 0xca ? 4 : 8
    else if (type <= 0xcf) at += 2 ** (type - 0xcc)
    else if (type <= 0xd3) at += 2 ** (type - 0xd0)
    else if (type <= 0xd8) at += 2 ** (type - 0xd4) + 1
    else if (type <= 0xdb) text(2 ** (type - 0xd9))
    else if (type <= 0xdd) items(uint(type === 0xdc ? 2 : 4))
    else items(2 * uint(type === 0xde ? 2 : 4))
  }
  let spans = 0
  for (let traces = array(); traces > 0; traces--) {
    const inTrace = array()
    spans += inTrace
    items(inTrace)
  }
  return spans
}
