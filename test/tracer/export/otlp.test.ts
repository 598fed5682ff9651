// What our tracer sends is decoded by others' code, in both encodings, and says what was put in.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import opentracing from 'opentracing'
import type { OtlpOptions, TracerOptions } from '../../../src/tracer/index.ts'
import { closeCollectors, type DecodedRequest } from '../../support/otlp-collector.ts'
import { arrivalsFrom } from '../../support/tracer-world.ts'

after(closeCollectors)

/** Makes spans with a tracer that sends to a collector of its own, and gives what has arrived there. */
async function arrivedFrom(
  make: (tracer: opentracing.Tracer) => void,
  options: TracerOptions = {},
  otlp: OtlpOptions = {},
): Promise<DecodedRequest & { headers: Record<string, unknown> }> {
  const [first] = await arrivalsFrom(make, options, otlp)
  assert.ok(first, 'nothing has arrived')
  return { ...first.request, headers: first.headers }
}

const only = <T>(list: readonly T[]): T => {
  assert.equal(list.length, 1)
  return list[0] as T
}

for (const protocol of ['protobuf', 'json'] as const) {
  describe(`OTLP over HTTP, ${protocol}`, () => {
    it('ids, times, tags, logs, references and the resource', async () => {
      const caller = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      let ids: Record<string, string> = {}
      const { spans, resource, scope } = await arrivedFrom(
        tracer => {
          const parent = tracer.extract(opentracing.FORMAT_HTTP_HEADERS, {
            traceparent: caller,
            tracestate: 'a=1',
          })
          const other = tracer.startSpan('other')
          const span = tracer.startSpan('work', {
            references: [
              opentracing.childOf(parent as opentracing.SpanContext),
              opentracing.followsFrom(other),
            ],
            tags: {
              text: 'plain',
              umlaut: 'grün ✓ 😀',
              long: 'x'.repeat(300),
              longUmlaut: 'ü'.repeat(300),
              ['key'.repeat(50)]: 'long key',
              int: 7,
              big: 2 ** 40,
              negative: -5,
              zero: -0,
              double: 1.5,
              huge: 1e300,
              nan: Number.NaN,
              infinite: Number.POSITIVE_INFINITY,
              yes: true,
              no: false,
              list: ['a', 'ü', 3, true],
            },
            startTime: 1_700_000_000_123.25,
          })
          // A name and value that are a tag's too: they are another field here.
          span.log({ event: 'retry', int: 7 }, 1_700_000_000_200)
          span.finish(1_700_000_000_323.75)
          ids = { other: other.context().toSpanId(), span: span.context().toSpanId() }
          other.finish()
        },
        { resource: { region: 'eu', zone: 3, canary: true } },
        { protocol },
      )
      assert.equal(scope, 'tracing-middleware')
      assert.equal(resource['service.name'], 'orders')
      assert.deepEqual([resource.region, resource.zone, resource.canary], ['eu', 3, true])
      const span = spans.find(({ name }) => name === 'work')
      assert.ok(span)
      assert.equal(span.traceId, '0af7651916cd43dd8448eb211c80319c')
      assert.equal(span.spanId, ids.span)
      assert.equal(span.parentSpanId, 'b7ad6b7169203331')
      assert.equal(span.traceState, 'a=1')
      // Sampled, and the parent is known to be in another process.
      assert.equal(span.flags, 0x301)
      assert.equal(span.kind, 1)
      // A double of this size has quarters of a microsecond.
      assert.equal(Number(span.start - 1_700_000_000_123_250_000n), 0)
      assert.equal(Number(span.end - span.start), 200_500_000)
      assert.deepEqual(span.attributes, {
        text: 'plain',
        umlaut: 'grün ✓ 😀',
        long: 'x'.repeat(300),
        longUmlaut: 'ü'.repeat(300),
        ['key'.repeat(50)]: 'long key',
        int: 7,
        big: 2 ** 40,
        negative: -5,
        zero: 0,
        double: 1.5,
        huge: 1e300,
        nan: Number.NaN,
        infinite: Number.POSITIVE_INFINITY,
        yes: true,
        no: false,
        list: ['a', 'ü', 3, true],
      })
      assert.deepEqual(span.events, [
        { name: 'retry', time: 1_700_000_000_200_000_000n, attributes: { int: 7 } },
      ])
      const link = only(span.links)
      assert.equal(link.spanId, ids.other)
      assert.deepEqual(link.attributes, { 'opentracing.ref_type': 'follows_from' })
      assert.deepEqual(span.status, { code: 0, message: '' })
    })

    it('gzip on demand, headers and content type', async () => {
      const { spans, headers } = await arrivedFrom(
        tracer => tracer.startSpan('squeezed').finish(),
        {},
        { protocol, compression: 'gzip', headers: { 'x-key': 'secret' } },
      )
      assert.equal(only(spans).name, 'squeezed')
      assert.equal(headers['content-encoding'], 'gzip')
      assert.equal(headers['x-key'], 'secret')
      assert.equal(
        headers['content-type'],
        protocol === 'json' ? 'application/json' : 'application/x-protobuf',
      )
    })

    it('F056 whatever is given as a tag, the batch survives', async () => {
      const cyclic: Record<string, unknown> = { name: 'cycle' }
      cyclic.self = cyclic
      const strange: Record<string, unknown> = {
        bigint: 12345678901234567890n,
        cyclic,
        undefined: undefined,
        null: null,
        function: () => 1,
        symbol: Symbol('x'),
        nan: Number.NaN,
        date: new Date(0),
        map: new Map([[1, 2]]),
        bytes: Buffer.from('raw'),
        error: new RangeError('too far'),
        getter: Object.defineProperty({}, 'trap', {
          enumerable: true,
          get() {
            throw new Error('trap')
          },
        }),
        toJSON: {
          toJSON() {
            throw new Error('no')
          },
        },
        proxy: new Proxy(
          {},
          {
            ownKeys() {
              throw new Error('no')
            },
          },
        ),
        surrogate: 'half a pair: \ud800',
        nested: { a: [1, { b: 2n }], c: undefined, d: () => 1 },
      }
      const { spans } = await arrivedFrom(
        tracer => {
          tracer.startSpan('before').finish()
          tracer
            .startSpan('strange', { tags: strange })
            .log({ event: 'odd', ...strange })
            .finish()
          tracer.startSpan('after').finish()
        },
        {},
        { protocol },
      )
      assert.deepEqual(
        spans.map(({ name }) => name),
        ['before', 'strange', 'after'],
      )
      const { attributes } = spans[1] as (typeof spans)[number]
      assert.equal(attributes.bigint, '12345678901234567890')
      assert.equal(attributes.date, '1970-01-01T00:00:00.000Z')
      assert.equal(attributes.getter, '[unreadable]')
      assert.equal(attributes.toJSON, '[unreadable]')
      assert.equal(attributes.nested, '{"a":[1,{"b":2}]}')
      assert.match(String(attributes.cyclic), /^\{"name":"cycle","self":\{/)
      assert.deepEqual(
        ['undefined', 'null', 'function', 'symbol'].filter(key => key in attributes),
        [],
      )
    })
  })
}

describe('any tags', () => {
  it('arrive as they are when OTLP has a type for them, the same in both encodings', async () => {
    const plain = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.double(),
    )
    const key = fc
      .string({ minLength: 1, maxLength: 60 })
      .filter(text => !Object.hasOwn(Object.prototype, text))
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, plain, { maxKeys: 20 }), async tags => {
        for (const protocol of ['protobuf', 'json'] as const) {
          const { spans } = await arrivedFrom(
            tracer => tracer.startSpan('any', { tags }).finish(),
            { semanticConventions: 'opentracing' },
            { protocol },
          )
          assert.deepEqual({ ...only(spans).attributes }, withoutMinusZero(tags))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('never break a batch, whatever they are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.anything({
            withBigInt: true,
            withDate: true,
            withMap: true,
            withNullPrototype: true,
            withSparseArray: true,
            withTypedArray: true,
            withObjectString: true,
          }),
          { maxLength: 20 },
        ),
        async values => {
          const { spans } = await arrivedFrom(tracer => {
            const span = tracer.startSpan('any')
            values.forEach((value, i) => {
              span.setTag(`tag${i}`, value)
              span.log({ event: 'any', value })
            })
            span.finish()
            tracer.startSpan('after').finish()
          })
          assert.equal(spans.length, 2)
        },
      ),
      { numRuns: 60 },
    )
  })
})

/** 64-bit integers have one zero. */
function withoutMinusZero(tags: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(tags).map(([key, value]) => [key, Object.is(value, -0) ? 0 : value]),
  )
}
