// What the receivers reply to messages that they cannot read, and that the other messages and spans are kept.

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { startViewer, type Viewer } from '../src/index.ts'
import { toOtlp } from './support/otlp.ts'
import { post } from './support/post.ts'
import { browse } from './support/shop.ts'
import { compactBatch } from './support/thrift.ts'
import { eventually, FREE_PORTS } from './support/viewer.ts'

let viewer: Viewer

before(async () => {
  viewer = await startViewer({ ports: FREE_PORTS })
})

after(() => viewer.close())

const toOtlpPort = (body: string | Buffer, type = 'application/json', headers = {}) =>
  post(viewer.ports.otlp, '/v1/traces', type, body, headers)
const toZipkinPort = (body: string | Buffer, headers = {}) =>
  post(viewer.ports.zipkin, '/api/v2/spans', 'application/json', body, headers)
const toJaegerPort = (body: string | Buffer, headers = {}) =>
  post(viewer.ports.jaeger, '/api/traces', 'application/x-thrift', body, headers)

/** The viewer still works: it accepts a trace and keeps it. */
async function stillWorks(): Promise<void> {
  viewer.clear()
  const { status } = await toOtlpPort(JSON.stringify(toOtlp('alive', Date.now(), browse(1))))
  assert.equal(status, 200)
  assert.equal(viewer.traces()[0]?.spans.length, 4)
}

test('an invalid body: 400 with the reason', async () => {
  for (const [answer, reason] of [
    [await toOtlpPort('{"resourceSpans": ['), /the body cannot be read: .*JSON/],
    [await toOtlpPort('[]'), /an OTLP request must be an object/],
    [await toOtlpPort('null'), /an OTLP request must be an object/],
    [await toOtlpPort('{"resourceSpans": 5}'), /an OTLP request must be an object/],
    [await toZipkinPort('{}'), /Zipkin v2 JSON must be a list of spans/],
    [await toZipkinPort(''), /the body cannot be read/],
    [await toJaegerPort('\u000c\u0000\u0001'), /the body cannot be read: the data ends too early/],
    [await toJaegerPort('\u0000'), /the batch has no process/],
    [
      await toJaegerPort(Buffer.from([0x0f, 0, 2, 12, 0x7f, 0xff, 0xff, 0xff])),
      /a list of 2147483647 elements is longer than the data/,
    ],
    [
      await toZipkinPort(gzipSync('[]').subarray(0, 12), { 'content-encoding': 'gzip' }),
      /cannot be decompressed/,
    ],
    [
      await toZipkinPort('not gzip', { 'content-encoding': 'gzip' }),
      /cannot be decompressed: incorrect header check/,
    ],
  ] as const) {
    assert.equal(answer.status, 400, answer.text)
    assert.match(answer.text, reason)
  }
  await stillWorks()
})

test('an OTLP error is a google.rpc.Status in the encoding of the request', async () => {
  const answer = await toOtlpPort(Buffer.from([0x0a, 0x7f, 0x01]), 'application/x-protobuf')
  assert.equal(answer.status, 400)
  assert.equal(answer.type, 'application/x-protobuf')
  const reader = new BinaryReader(answer.bytes)
  assert.deepEqual(reader.tag(), [1, WireType.Varint])
  assert.equal(reader.int32(), 3)
  assert.deepEqual(reader.tag(), [2, WireType.LengthDelimited])
  assert.match(reader.string(), /the body cannot be read/)
  assert.deepEqual(Object.keys(JSON.parse((await toOtlpPort('x')).text)), ['code', 'message'])
})

test('a malformed span is refused, the other spans are kept, OTLP gets a partial success', async () => {
  viewer.clear()
  const good = {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    name: 'good',
    startTimeUnixNano: '1000',
    endTimeUnixNano: '2000',
  }
  const spans = [{ ...good, traceId: 'zz' }, good, 7, null, { ...good, spanId: '' }]
  const json = await toOtlpPort(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }))
  assert.equal(json.status, 200)
  assert.deepEqual(JSON.parse(json.text), {
    partialSuccess: {
      rejectedSpans: '4',
      errorMessage:
        'span "good" was refused: its trace id must be 1 to 32 hex digits and not all zero, not "zz"',
    },
  })
  assert.equal(viewer.traces().length, 1)

  const span = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .bytes(Buffer.from([1]))
    .finish()
  const wrap = (number: number, bytes: Uint8Array) =>
    new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish()
  const protobuf = await toOtlpPort(Buffer.from(wrap(1, wrap(2, wrap(2, span)))), 'application/x-protobuf')
  assert.equal(protobuf.status, 200)
  const reader = new BinaryReader(protobuf.bytes)
  reader.tag()
  reader.uint32()
  assert.deepEqual(reader.tag(), [1, WireType.Varint])
  assert.equal(reader.int64(), 1n)
  assert.deepEqual(reader.tag(), [2, WireType.LengthDelimited])
  assert.match(reader.string(), /its span id must be/)

  assert.equal((await toZipkinPort('[{"traceId":"1"},{"traceId":"1","id":"1","timestamp":5}]')).status, 202)
  const none = await toZipkinPort('[{"traceId":"1"}]')
  assert.equal(none.status, 400)
  assert.match(none.text, /its span id must be/)
  assert.match(viewer.stats().lastRefusal ?? '', /its span id must be/)
})

test('a wrong path, method, content type or encoding: the response says what is right', async () => {
  const { otlp, zipkin, jaeger } = viewer.ports
  for (const [answer, status, reason] of [
    [await post(otlp, '/v1/metrics', 'application/json', '{}'), 404, /receives traces only/],
    [await post(otlp, '/', 'application/json', '{}'), 404, /this port receives OTLP: use POST \/v1\/traces/],
    [
      await post(otlp, '/v1/traces', 'text/plain', '{}'),
      415,
      /application\/x-protobuf or application\/json, not text\/plain/,
    ],
    [
      await post(zipkin, '/api/v2/spans', 'application/x-protobuf', ''),
      415,
      /application\/json \(Zipkin v2\)/,
    ],
    [await post(zipkin, '/api/v1/spans', 'application/json', '[]'), 404, /POST \/api\/v2\/spans/],
    [await post(jaeger, '/api/traces', 'application/json', '[]'), 415, /application\/x-thrift/],
    [await toZipkinPort('[]', { 'content-encoding': 'br' }), 415, /Content-Encoding br is not supported/],
  ] as const) {
    assert.equal(answer.status, status)
    assert.match(answer.text, reason)
  }
  const get = await fetch(`http://127.0.0.1:${otlp}/v1/traces`)
  assert.equal(get.status, 405)
  assert.equal(get.headers.get('allow'), 'POST')
})

test('invalid UDP packets are counted, and the packets after them are read', async () => {
  const socket = createSocket('udp4')
  const before = viewer.stats().refusedMessages
  const good = compactBatch({
    service: 'after',
    spans: [
      {
        traceIdLow: 1n,
        traceIdHigh: 0n,
        spanId: 1n,
        parentId: 0n,
        operation: 'o',
        start: 1n,
        duration: 1n,
        tags: [],
      },
    ],
  })
  const send = (packet: Buffer, port: number | undefined) =>
    new Promise<void>(resolve => socket.send(packet, port as number, '127.0.0.1', () => resolve()))
  for (const packet of [
    Buffer.from('hello'),
    Buffer.alloc(0),
    good.subarray(0, 30),
    Buffer.alloc(9000, 0xff),
  ]) {
    await send(packet, viewer.ports.jaegerCompact)
    await send(packet, viewer.ports.jaegerBinary)
  }
  await send(good, viewer.ports.jaegerCompact)
  await eventually(() => viewer.stats().refusedMessages === before + 8, '8 packets are refused')
  assert.match(viewer.stats().lastRefusal ?? '', /a packet of \d+ bytes is not (compact|binary) thrift: /)
  await eventually(
    () => viewer.traces().some(({ spans }) => spans[0]?.service === 'after'),
    'the span arrives',
  )
  await new Promise<void>(resolve => socket.close(resolve))
})
