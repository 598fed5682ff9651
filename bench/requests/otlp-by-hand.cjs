// OTLP in protocol buffers, by hand: a bound to measure against, and no more than that.

const { randomBytes } = require('node:crypto')
const http = require('node:http')

// Nothing of a request or call is kept but the bytes of its span, written when it ends.
const SPANS_IN_BATCH = 512
const ROOM = 1024

/**
 * Writes spans of one kind (SpanKind's number), sent in batches.
 *
 * @param writeTags called with `tag(key, value)` and what `span` is given last
 */
function otlpByHand(ports, kind, writeTags) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const origin = performance.timeOrigin
  const ids = randomBytes(8)
  /** Valid until the next one is made. */
  const nextId = () => {
    ids.writeUInt32LE((ids.readUInt32LE(0) + 0x9e3779b9) >>> 0, 0)
    return ids
  }
  let buffer = Buffer.allocUnsafeSlow(SPANS_IN_BATCH * ROOM)
  let spare = Buffer.allocUnsafeSlow(SPANS_IN_BATCH * ROOM)
  let at = 0
  let spans = 0
  let sent = Promise.resolve()

  const text = (tag, value) => {
    const { length } = value
    buffer[at] = tag
    buffer[at + 1] = length
    at += 2
    // For texts as short as these a loop is faster than a call out of JavaScript.
    for (let i = 0; i < length; i++) buffer[at++] = value.charCodeAt(i)
  }
  // KeyValue { key = 1, value = 2 { string_value = 1 or int_value = 3 } }; all of them are shorter than 128 bytes.
  const tag = (key, value) => {
    buffer[at] = 0x4a
    const start = at + 2
    at = start
    text(0x0a, key)
    buffer[at] = 0x12
    const inner = at + 2
    at = inner
    if (typeof value === 'string') {
      text(0x0a, value)
    } else {
      buffer[at++] = 0x18
      let rest = value
      for (; rest > 127; rest >>>= 7) buffer[at++] = (rest & 127) | 128
      buffer[at++] = rest
    }
    buffer[inner - 1] = at - inner
    buffer[start - 1] = at - start
  }
  const time = (tag, milliseconds) => {
    // In units of 65,536 ns, and the rest: a number holds no more than 53 bits.
    const upper = Math.floor((milliseconds * 1e6) / 65536)
    const lower = Math.round((milliseconds - upper * 0.065536) * 1e6) & 65535
    buffer[at] = tag
    buffer.writeUInt16LE(lower, at + 1)
    buffer.writeUIntLE(upper, at + 3, 6)
    at += 9
  }
  const span = (name, { traceId, parentId, start }, id, one, other) => {
    buffer[at] = 0x12
    const begin = at + 3
    at = begin
    buffer[at] = 0x0a
    buffer[at + 1] = 16
    at += 2 + buffer.hexWrite(traceId, at + 2)
    buffer[at] = 0x12
    buffer[at + 1] = 8
    id.copy(buffer, at + 2)
    at += 10
    buffer[at] = 0x22
    buffer[at + 1] = 8
    at += 2 + buffer.hexWrite(parentId, at + 2)
    text(0x2a, name)
    buffer[at] = 0x30
    buffer[at + 1] = kind
    at += 2
    time(0x39, origin + start)
    time(0x41, origin + performance.now())
    writeTags(tag, one, other)
    const length = at - begin
    buffer[begin - 2] = (length & 127) | 128
    buffer[begin - 1] = length >> 7
    if (++spans === SPANS_IN_BATCH) send()
  }
  const send = () => {
    // ResourceSpans and ScopeSpans, each with a length of four bytes.
    const head = Buffer.alloc(10)
    const wide = (length, from) => {
      for (let i = 0; i < 4; i++) head[from + i] = ((length >> (7 * i)) & 127) | (i < 3 ? 128 : 0)
    }
    head[0] = 0x0a
    wide(at + 5, 1)
    head[5] = 0x12
    wide(at, 6)
    const body = buffer.subarray(0, at)
    ;[buffer, spare] = [spare, buffer]
    at = spans = 0
    const before = sent
    sent = new Promise((resolve, reject) => {
      const request = http.request({
        port: ports.otlp,
        host: '127.0.0.1',
        path: '/v1/traces',
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/x-protobuf', 'content-length': head.length + body.length },
      })
      request.on('response', response => response.resume().on('end', resolve))
      request.on('error', reject)
      request.write(head)
      request.end(body)
    })
    return Promise.all([before, sent])
  }
  return { nextId, span, flush: () => (spans > 0 ? send() : sent) }
}

module.exports = { otlpByHand }
