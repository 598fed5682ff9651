// The decoders with arbitrary input.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromJaegerJson } from '../src/jaeger-json.ts'
import { fromJaegerBody, fromJaegerPacket } from '../src/jaeger-thrift.ts'
import { fromOtlp } from '../src/otlp.ts'
import { readOtlpProtobuf } from '../src/otlp-protobuf.ts'
import { fromZipkin } from '../src/zipkin.ts'
import { compactBatch } from './support/thrift.ts'

test('property: with any bytes, a decoder returns or throws an Error', () => {
  const decoders: ((bytes: Buffer) => unknown)[] = [
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
  const changed = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const copy = Buffer.from(good)
    copy[at] = byte
    return copy
  })
  const anyBytes = fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.oneof(anyBytes, changed), bytes => {
      for (const decode of decoders) {
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

test('property: with any JSON, a decoder returns or throws an Error that is not a TypeError', () => {
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
