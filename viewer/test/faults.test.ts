// What goes wrong on the way in: a clear answer each time, nothing else lost, and the viewer lives on.

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { startViewer, type Viewer } from '../src/index.ts'
import { fromJaegerJson } from '../src/jaeger-json.ts'
import { fromJaegerBody, fromJaegerPacket } from '../src/jaeger-thrift.ts'
import { toSpan, type ViewerSpan } from '../src/model.ts'
import { fromOtlp } from '../src/otlp.ts'
import { readOtlpProtobuf } from '../src/otlp-protobuf.ts'
import { createStore } from '../src/store.ts'
import { fromZipkin } from '../src/zipkin.ts'
import { browse, toOtlp } from './support/samples.ts'
import { compactBatch } from './support/thrift.ts'

const ANY = { otlp: 0, jaeger: 0, jaegerCompact: 0, jaegerBinary: 0, zipkin: 0, page: 0 }
const MiB = 1024 * 1024

let viewer: Viewer

before(async () => {
  viewer = await startViewer({ ports: ANY })
})

after(() => viewer.close())

async function post(
  port: number | undefined,
  path: string,
  type: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; bytes: Buffer; type: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body,
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  return {
    status: response.status,
    text: bytes.toString(),
    bytes,
    type: response.headers.get('content-type') ?? '',
  }
}

const toOtlpPort = (body: string | Buffer, type = 'application/json', headers = {}) =>
  post(viewer.ports.otlp, '/v1/traces', type, body, headers)
const toZipkinPort = (body: string | Buffer, headers = {}) =>
  post(viewer.ports.zipkin, '/api/v2/spans', 'application/json', body, headers)
const toJaegerPort = (body: string | Buffer, headers = {}) =>
  post(viewer.ports.jaeger, '/api/traces', 'application/x-thrift', body, headers)

/** A good trace gets through every door, whatever came before. */
async function lives(): Promise<void> {
  viewer.clear()
  const { status } = await toOtlpPort(JSON.stringify(toOtlp('alive', Date.now(), browse(1))))
  assert.equal(status, 200)
  assert.equal(viewer.traces()[0]?.spans.length, 4)
}

test('a body that is broken is answered with 400 and the reason', async () => {
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
  await lives()
})

test('OTLP refusals are google.rpc.Status in the form of the request', async () => {
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

test('a malformed span is refused, its neighbours are taken, and OTLP is told of the partial success', async () => {
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

test('a huge body and a decompression bomb are answered with 413', async () => {
  const huge = Buffer.alloc(17 * MiB, 0x20)
  const bomb = gzipSync(Buffer.alloc(400 * MiB))
  assert.ok(bomb.length < MiB)
  const before = process.memoryUsage().rss
  for (const answer of [
    await toOtlpPort(huge),
    await toZipkinPort(huge),
    await toJaegerPort(huge),
    await toOtlpPort(bomb, 'application/x-protobuf', { 'content-encoding': 'gzip' }),
    await toZipkinPort(bomb, { 'content-encoding': 'gzip' }),
    await toJaegerPort(bomb, { 'content-encoding': 'gzip' }),
  ]) {
    assert.equal(answer.status, 413)
    assert.match(
      answer.bytes.toString('latin1'),
      /the body must have at most 16777216 bytes after decompression/,
    )
  }
  assert.ok(process.memoryUsage().rss - before < 300 * MiB)
  await lives()
})

test('a body without an end is cut off', async () => {
  const outgoing = request({
    port: viewer.ports.zipkin,
    host: '127.0.0.1',
    path: '/api/v2/spans',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  })
  const answered = new Promise<number | string>(resolve => {
    outgoing.on('response', response => resolve(response.resume().statusCode ?? 0))
    outgoing.on('error', error => resolve((error as NodeJS.ErrnoException).code ?? ''))
  })
  const chunk = Buffer.alloc(MiB, 0x20)
  let sent = 0
  const push = () => {
    if (++sent < 200 && outgoing.write(chunk)) setImmediate(push)
    else outgoing.once('drain', push)
  }
  push()
  const result = await answered
  assert.ok(result === 413 || result === 'ECONNRESET' || result === 'EPIPE', String(result))
  assert.ok(sent < 150, `${sent} MiB were sent`)
  outgoing.destroy()
  await lives()
})

test('a few bytes that stand for millions of parts do not become millions of objects', async () => {
  // Empty messages of two bytes each: 8 million of them in 16 MiB.
  const empty = Buffer.alloc(15 * MiB)
  for (let i = 0; i < empty.length; i += 2) empty[i] = 0x0a
  const answer = await toOtlpPort(gzipSync(empty), 'application/x-protobuf', { 'content-encoding': 'gzip' })
  assert.equal(answer.status, 400)
  assert.match(answer.text, /more than 2000000 parts/)
  const value = '{"arrayValue":{"values":['.repeat(5000) + ']}}'.repeat(5000)
  const span = `{"traceId":"1","spanId":"1","startTimeUnixNano":"1","attributes":[{"key":"deep","value":${value}}]}`
  const deep = await toOtlpPort(`{"resourceSpans":[{"scopeSpans":[{"spans":[${span}]}]}]}`)
  assert.equal(deep.status, 200)
  assert.match(JSON.stringify(viewer.trace('1')?.spans[0]?.tags), /nested too deeply/)
  await lives()
})

test('what is sent to the wrong place, in the wrong way or form, hears what would be right', async () => {
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

test('UDP packets that are no batch are counted, and those after them are read', async () => {
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
  for (let i = 0; i < 100 && viewer.stats().refusedMessages < before + 8; i++)
    await new Promise(r => setTimeout(r, 10))
  assert.equal(viewer.stats().refusedMessages, before + 8)
  assert.match(viewer.stats().lastRefusal ?? '', /a packet of \d+ bytes is not (compact|binary) thrift: /)
  assert.ok(viewer.traces().some(({ spans }) => spans[0]?.service === 'after'))
  await new Promise<void>(resolve => socket.close(resolve))
})

test('property: no bytes whatever make a decoder throw anything but an Error, or hang', () => {
  const tries: ((bytes: Buffer) => unknown)[] = [
    bytes => fromOtlp(readOtlpProtobuf(bytes)),
    fromJaegerBody,
    bytes => fromJaegerPacket(bytes, 'compact'),
    bytes => fromJaegerPacket(bytes, 'binary'),
  ]
  const good = compactBatch({
    service: 's',
    spans: [
      {
        traceIdLow: 1n,
        traceIdHigh: 2n,
        spanId: 3n,
        parentId: 4n,
        operation: 'o',
        start: 5n,
        duration: 6n,
        tags: [{ key: 'k', value: 'v' }],
      },
    ],
  })
  const bent = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const copy = Buffer.from(good)
    copy[at] = byte
    return copy
  })
  const anyBytes = fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.oneof(anyBytes, bent), bytes => {
      for (const decode of tries) {
        try {
          decode(bytes)
        } catch (error) {
          assert.ok(error instanceof Error)
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('property: no JSON whatever makes a decoder of JSON throw anything but an Error', () => {
  const keys = [
    'resourceSpans',
    'scopeSpans',
    'spans',
    'attributes',
    'value',
    'traceId',
    'id',
    'traceID',
    'spanID',
    'data',
    'processes',
    '__proto__',
    'tags',
    'name',
    'events',
  ]
  const any = fc.letrec<{ node: unknown }>(tie => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(null, true, 0, -1, 1e300, '', 'a', '0001'),
      fc.array(tie('node'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom(...keys), tie('node'), { maxKeys: 5 }),
    ),
  })).node
  fc.assert(
    fc.property(any, value => {
      for (const decode of [fromOtlp, fromZipkin, fromJaegerJson]) {
        try {
          decode(JSON.parse(JSON.stringify(value)))
        } catch (error) {
          assert.ok(error instanceof Error)
          assert.notEqual(error.name, 'TypeError', error.stack)
        }
      }
      assert.equal(Object.keys(Object.prototype).length, 0)
    }),
    { numRuns: 2000 },
  )
})

test('a port in use: that door stays shut and is named, the others work, the page moves', async () => {
  const [taken, takenPage] = [createServer(), createServer()]
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  await new Promise<void>(resolve => takenPage.listen(0, '127.0.0.1', resolve))
  const [port, pagePort] = [taken, takenPage].map(server => (server.address() as AddressInfo).port)
  const second = await startViewer({ ports: { ...ANY, otlp: port as number, page: pagePort as number } })
  try {
    assert.equal(second.ports.otlp, undefined)
    assert.notEqual(second.ports.page, pagePort)
    assert.deepEqual(second.problems, [
      `OTLP over HTTP is not received: port ${port} is in use by another program`,
      `the page is on port ${second.ports.page}: port ${pagePort} is in use by another program`,
    ])
    const { status } = await post(
      second.ports.zipkin,
      '/api/v2/spans',
      'application/json',
      '[{"traceId":"1","id":"1","timestamp":5}]',
    )
    assert.equal(status, 202)
    assert.equal((await fetch(`${second.url}/api/services`)).status, 200)
    const shut = {
      otlp: port as number,
      jaeger: false,
      jaegerCompact: false,
      jaegerBinary: false,
      zipkin: false,
    } as const
    await assert.rejects(
      startViewer({ ports: { ...shut, page: 0 } }),
      /cannot receive spans:\n {2}OTLP over HTTP is not received: port \d+ is in use/,
    )
  } finally {
    await second.close()
    await second.close()
    taken.close()
    takenPage.close()
  }
})

test('web pages elsewhere can neither read nor write', async () => {
  const ask = (port: number | undefined, headers: Record<string, string>, method = 'GET') =>
    new Promise<number>(resolve => {
      const outgoing = request(
        { host: '127.0.0.1', port, path: '/api/services', method, headers },
        response => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      outgoing.end()
    })
  const { page } = viewer.ports
  assert.equal(await ask(page, { host: `localhost:${page}` }), 200)
  assert.equal(await ask(page, { host: `127.0.0.1:${page}` }), 200)
  // DNS rebinding: a name of theirs that leads here.
  assert.equal(await ask(page, { host: `evil.example:${page}` }), 403)
  assert.equal(await ask(page, { host: 'localhost.evil.example' }), 403)
  // Across origins.
  assert.equal(await ask(page, { host: `localhost:${page}`, origin: 'https://evil.example' }), 403)
  assert.equal(await ask(page, { host: `localhost:${page}`, origin: `http://localhost:${page}` }), 200)
  assert.equal(
    (
      await post(viewer.ports.otlp, '/v1/traces', 'application/json', '{}', {
        origin: 'https://evil.example',
      })
    ).status,
    403,
  )
  // What a form can post without asking.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    assert.equal((await post(page, '/viewer/clear', type, '{}')).status, 415)
  }
})

test('a request that is none, and a client that leaves, cost nobody else', async () => {
  for (const text of [
    'nonsense\r\n\r\n',
    'GET //evil HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'GET http://x/ HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  ]) {
    const socket = connect(viewer.ports.otlp as number, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(text)
    await new Promise(resolve => setTimeout(resolve, 30))
    socket.destroy()
  }
  await lives()
})

test('wrong options are refused before anything opens, with the fix', async () => {
  for (const [options, reason] of [
    [{ hots: '::1' }, /unknown option 'hots'; the options are host, ports, limits/],
    [{ Ports: {} }, /unknown option 'Ports'; did you mean 'ports'\?/],
    [{ ports: { oltp: 1 } }, /unknown option 'ports.oltp'/],
    [{ ports: { otlp: '4318' } }, /ports.otlp must be a port from 0 to 65535, or false, not "4318"/],
    [{ ports: { page: false } }, /ports.page must be a port from 0 to 65535, not false/],
    [{ ports: { zipkin: 70_000 } }, /ports.zipkin must be/],
    [{ limits: { spans: 0 } }, /limits.spans must be a whole number of 1 or more, not 0/],
    [{ host: '' }, /host must be an address/],
    ['4318', /the argument must be an object/],
    [{ ports: [] }, /ports must be an object/],
  ] as const) {
    await assert.rejects(
      startViewer(options as never),
      (error: Error) => error instanceof TypeError && reason.test(error.message),
    )
  }
})

test("a listener of the user's that throws costs nobody a span", async () => {
  const warned = new Promise<Error>(resolve => process.once('warning', resolve))
  const heard: string[] = []
  const stops = [
    viewer.onSpans(() => {
      throw new Error('mine')
    }),
    viewer.onSpans(traceIds => heard.push(...traceIds)),
  ]
  await lives()
  assert.equal(heard.length, 1)
  assert.match((await warned).message, /^onSpans: a listener threw: mine \(reported once\)$/)
  for (const stop of stops) stop()
})

function stored(trace: number, id: number, more: Partial<Parameters<typeof toSpan>[0]> = {}): ViewerSpan {
  return toSpan({
    traceId: trace.toString(16),
    spanId: id.toString(16),
    service: 's',
    operation: 'o',
    start: 1,
    duration: 1,
    tags: [],
    ...more,
  })
}

test('the store keeps its bounds: the oldest trace goes first, and the going is counted', () => {
  const byTraces = createStore({ traces: 3, spans: 1000, bytes: 1e9 })
  for (let i = 1; i <= 5; i++) byTraces.add([stored(i, 1), stored(i, 2)])
  assert.deepEqual(
    byTraces.all().map(trace => Number(trace.traceId)),
    [5, 4, 3],
  )
  assert.deepEqual(byTraces.stats(), {
    ...byTraces.stats(),
    traces: 3,
    spans: 6,
    evictedTraces: 2,
    evictedSpans: 4,
  })
  // A late span of an old trace is no new trace.
  byTraces.add([stored(3, 3)])
  assert.equal(byTraces.stats().evictedTraces, 2)

  const bySpans = createStore({ traces: 100, spans: 10, bytes: 1e9 })
  for (let i = 1; i <= 4; i++) bySpans.add([stored(i, 1), stored(i, 2), stored(i, 3)])
  assert.deepEqual([bySpans.stats().traces, bySpans.stats().spans], [3, 9])
  bySpans.add(Array.from({ length: 15 }, (_, i) => stored(9, i + 1)))
  assert.deepEqual([bySpans.stats().traces, bySpans.stats().spans, bySpans.stats().droppedSpans], [1, 10, 5])

  const byBytes = createStore({ traces: 100, spans: 1000, bytes: 100_000 })
  for (let i = 1; i <= 50; i++) byBytes.add([stored(i, 1, { tags: [{ key: 'k', value: 'v'.repeat(5000) }] })])
  const { bytes, traces, evictedTraces } = byBytes.stats()
  assert.ok(bytes <= 100_000 && bytes > 80_000, String(bytes))
  assert.equal(traces + evictedTraces, 50)
  byBytes.clear()
  assert.deepEqual([byBytes.stats().bytes, byBytes.stats().spans], [0, 0])
})

test('the store takes a span that is sent again for the same, and tells its listeners', () => {
  const store = createStore({ traces: 10, spans: 10, bytes: 1e6 })
  const heard: string[][] = []
  const stop = store.listen(ids => heard.push([...ids]))
  store.add([stored(1, 1), stored(1, 1, { operation: 'again' }), stored(2, 1)])
  const first = store.get('1'.padStart(32, '0'))
  assert.deepEqual(
    first?.spans.map(span => span.operation),
    ['again'],
  )
  assert.equal(store.get('1'.padStart(32, '0')), first, 'the same object until more comes')
  assert.equal(store.stats().spans, 2)
  store.clear()
  stop()
  store.add([stored(1, 1)])
  assert.deepEqual(
    heard.map(ids => ids.length),
    [2, 0],
  )
})

test('200,000 spans through a small store leave it small', () => {
  const store = createStore({ traces: 500, spans: 5000, bytes: 64 * MiB })
  for (let i = 1; i <= 20_000; i++) store.add(Array.from({ length: 10 }, (_, j) => stored(i, j + 1)))
  const { traces, spans, evictedSpans } = store.stats()
  assert.deepEqual([traces, spans, spans + evictedSpans], [500, 5000, 200_000])
})
