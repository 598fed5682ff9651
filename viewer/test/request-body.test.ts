// Bodies that are too large, never end, or expand when they are decoded.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startViewer, type Viewer } from '../src/index.ts'
import { toOtlp } from './support/otlp.ts'
import { post } from './support/post.ts'
import { browse } from './support/shop.ts'
import { FREE_PORTS } from './support/viewer.ts'

const MiB = 1024 * 1024

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

test('a huge body and a decompression bomb: 413', async () => {
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
  await stillWorks()
})

test('a body without an end: the connection is closed', async () => {
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
  await stillWorks()
})

test('the number of decoded messages and the depth of values are bounded', async () => {
  // An empty message has two bytes, so the body holds almost 8 million of them.
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
  await stillWorks()
})
