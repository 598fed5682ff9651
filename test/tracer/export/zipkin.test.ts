// The two exporters for other eyes than a collector's: Zipkin's JSON, held against its definition and sent to a server
// that takes it, and the tree in the terminal.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Ajv, type ValidateFunction } from 'ajv'
import opentracing, { type Span } from 'opentracing'
import { startViewer, tagOf, type Viewer } from 'tracing-viewer'
import {
  consoleExporter,
  createTracer,
  type LeanTracer,
  type TracerOptions,
  zipkinExporter,
} from '../../../src/tracer/index.ts'
import { until } from '../../support/otlp-collector.ts'
import { openCollector } from '../../support/tracer-backends.ts'

// What https://zipkin.io/zipkin-api/ says of ListOfSpans, put here in our words. Stricter where its prose says more than
// its types (hex digits, lower case, a port that is one), and closed, so that no field of our own gets in.
const ENDPOINT = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    serviceName: { type: 'string', minLength: 1, pattern: '^[^A-Z]*$' },
    ipv4: { type: 'string', pattern: '^\\d{1,3}(\\.\\d{1,3}){3}$' },
    ipv6: { type: 'string', pattern: '^[0-9a-f:.]+$' },
    port: { type: 'integer', minimum: 1, maximum: 65_535 },
  },
}

const SPANS = {
  type: 'array',
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['traceId', 'id'],
    properties: {
      traceId: { type: 'string', pattern: '^([0-9a-f]{16}|[0-9a-f]{32})$' },
      id: { type: 'string', pattern: '^[0-9a-f]{16}$' },
      parentId: { type: 'string', pattern: '^[0-9a-f]{16}$' },
      name: { type: 'string', pattern: '^[^A-Z]*$' },
      kind: { enum: ['CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER'] },
      timestamp: { type: 'integer', minimum: 1 },
      duration: { type: 'integer', minimum: 1 },
      debug: { type: 'boolean' },
      shared: { type: 'boolean' },
      localEndpoint: ENDPOINT,
      remoteEndpoint: ENDPOINT,
      annotations: {
        type: 'array',
        uniqueItems: true,
        items: {
          type: 'object',
          additionalProperties: false,
          required: ['timestamp', 'value'],
          properties: { timestamp: { type: 'integer', minimum: 1 }, value: { type: 'string' } },
        },
      },
      tags: { type: 'object', additionalProperties: { type: 'string' } },
    },
  },
}

const isSpans: ValidateFunction = new Ajv({ allErrors: true }).compile(SPANS)

interface ZipkinSpan {
  traceId: string
  id: string
  parentId?: string
  name: string
  kind?: string
  timestamp: number
  duration: number
  debug?: boolean
  localEndpoint: object
  remoteEndpoint?: object
  annotations: { timestamp: number; value: string }[]
  tags: Record<string, string>
}

/** The spans as Zipkin gets them, once they are what its definition says. */
async function zipkinOf(
  make: (tracer: LeanTracer) => void,
  options: TracerOptions = {},
): Promise<ZipkinSpan[]> {
  const bodies: string[] = []
  const collector = await openCollector((res, body, req) => {
    assert.equal(req.headers['content-type'], 'application/json')
    bodies.push(body.toString())
    res.writeHead(202).end()
  })
  const failures: unknown[] = []
  const tracer = createTracer({
    serviceName: 'Orders',
    exporter: zipkinExporter({ url: collector.url }),
    onError: error => failures.push(error),
    ...options,
  })
  make(tracer)
  await tracer.close()
  assert.deepEqual(failures, [])
  const spans = bodies.flatMap(body => JSON.parse(body) as ZipkinSpan[])
  assert.ok(isSpans(spans), JSON.stringify(isSpans.errors, undefined, 1))
  return spans
}

async function only(make: (tracer: LeanTracer) => Span): Promise<ZipkinSpan> {
  const [span, ...more] = await zipkinOf(tracer => make(tracer).finish())
  assert.equal(more.length, 0)
  return span ?? assert.fail('no span')
}

describe('Zipkin', () => {
  it('a trace: ids, names in lower case, kinds, microseconds, tags and annotations as text', async () => {
    const start = 1_700_000_000_123.456
    const spans = await zipkinOf(tracer => {
      const parent = tracer.startSpan('GET /Users/:id', {
        startTime: start,
        tags: {
          'span.kind': 'server',
          'http.method': 'GET',
          'http.status_code': 200,
          ratio: 0.5,
          list: [1, 'a'],
        },
      })
      const child = tracer.startSpan('Query', {
        childOf: parent,
        startTime: start + 1,
        tags: { canary: true },
      })
      child.log({ event: 'found' }, start + 2)
      child.log({ event: 'read', rows: 3 }, start + 3)
      child.finish(start + 4.25)
      parent.finish(start + 10)
    })
    const [child, parent] = spans as [ZipkinSpan, ZipkinSpan]
    assert.deepEqual(
      [parent.name, parent.kind, parent.parentId, parent.traceId.length],
      ['get /users/:id', 'SERVER', undefined, 32],
    )
    assert.deepEqual([child.name, child.kind, child.parentId], ['query', undefined, parent.id])
    assert.equal(child.traceId, parent.traceId)
    assert.deepEqual([parent.timestamp, parent.duration], [1_700_000_000_123_456, 10_000])
    assert.deepEqual([child.timestamp, child.duration], [1_700_000_000_124_456, 3250])
    assert.deepEqual(parent.localEndpoint, { serviceName: 'orders' })
    assert.equal(parent.remoteEndpoint, undefined)
    // Their OpenTracing names, which are Zipkin's too.
    assert.equal(parent.tags['http.method'], 'GET')
    assert.equal(parent.tags['http.status_code'], '200')
    assert.deepEqual([parent.tags.ratio, parent.tags.list, child.tags.canary], ['0.5', '[1,"a"]', 'true'])
    assert.deepEqual(child.annotations, [
      { timestamp: 1_700_000_000_125_456, value: 'found' },
      { timestamp: 1_700_000_000_126_456, value: '{"event":"read","rows":3}' },
    ])
  })

  it('each kind, and no duration below a microsecond', async () => {
    for (const kind of ['client', 'server', 'producer', 'consumer']) {
      const span = await only(tracer => tracer.startSpan('any', { tags: { 'span.kind': kind } }))
      assert.equal(span.kind, kind.toUpperCase())
    }
    const [span] = await zipkinOf(tracer => tracer.startSpan('any', { startTime: 1000 }).finish(1000))
    assert.deepEqual([span?.timestamp, span?.duration], [1_000_000, 1])
  })

  it('the tag error is there for failures alone', async () => {
    const errorOf = async (tags: object) =>
      (await only(tracer => tracer.startSpan('any', { tags: { ...tags } }))).tags.error
    assert.equal(await errorOf({ error: true }), 'true')
    assert.equal(await errorOf({ error: false }), undefined)
    assert.equal(await errorOf({}), undefined)
    const span = await only(tracer => {
      const failed = tracer.startSpan('any', { tags: { error: true } })
      failed.log({ event: 'error', 'error.kind': 'TypeError', message: 'no such user' })
      return failed
    })
    assert.match(span.tags.error ?? '', /no such user|true/)
  })

  it('the other side, and only what is an address: the whole list would be refused for another', async () => {
    const peerOf = async (tags: object) =>
      (await only(tracer => tracer.startSpan('any', { tags: { ...tags } }))).remoteEndpoint
    assert.deepEqual(
      await peerOf({ 'peer.service': 'Payments', 'peer.ipv4': '10.0.0.7', 'peer.port': 8080 }),
      { serviceName: 'payments', ipv4: '10.0.0.7', port: 8080 },
    )
    assert.deepEqual(await peerOf({ 'peer.ipv6': '2001:db8::c001', 'peer.port': '80' }), {
      ipv6: '2001:db8::c001',
      port: 80,
    })
    for (const nonsense of [
      // jaeger-client wants an address as a number.
      { 'peer.ipv4': 167_772_167 },
      { 'peer.ipv4': 'localhost' },
      { 'peer.ipv6': ['::1'] },
      { 'peer.port': 0 },
      { 'peer.port': 80.5 },
      { 'peer.port': 70_000 },
      { 'peer.port': 'https' },
      { 'peer.service': '' },
      { 'peer.service': 7 },
    ]) {
      assert.equal(await peerOf(nonsense), undefined, JSON.stringify(nonsense))
    }
  })

  it('the same event twice in one microsecond is one annotation', async () => {
    const span = await only(tracer => {
      const span = tracer.startSpan('any')
      for (let i = 0; i < 3; i++) span.log({ event: 'tick' }, 1_700_000_000_000.2)
      span.log({ event: 'tick' }, 1_700_000_000_001)
      return span
    })
    assert.equal(span.annotations.length, 2)
  })

  it('what apps put into tags and logs stays within the definition', async () => {
    const cyclic: { self?: object } = {}
    cyclic.self = cyclic
    const values = [
      null,
      undefined,
      Number.NaN,
      Infinity,
      10n,
      Symbol('s'),
      () => 1,
      cyclic,
      new Date(0),
      '\ud800',
      '\0',
    ]
    const spans = await zipkinOf(tracer => {
      for (const value of values) {
        const span = tracer.startSpan('any', { tags: { value, __proto__: value } })
        span.setTag('constructor', value as string)
        span.log({ value, event: value })
        span.finish()
      }
    })
    assert.equal(spans.length, values.length)
  })

  it('a trace that a caller wants for debugging says so', async () => {
    const [span] = await zipkinOf(tracer => {
      const parent = tracer.extract(opentracing.FORMAT_HTTP_HEADERS, { 'jaeger-debug-id': 'look here' })
      tracer.startSpan('any', parent === null ? {} : { childOf: parent }).finish()
    })
    assert.equal(span?.debug, true)
    const [usual] = await zipkinOf(tracer => tracer.startSpan('any').finish())
    assert.equal(usual?.debug, undefined)
  })

  it('names as OpenTelemetry has them, when that is asked for', async () => {
    const tags = { 'http.method': 'GET', 'http.status_code': 200, 'span.kind': 'server' }
    const [span] = await zipkinOf(tracer => tracer.startSpan('any', { tags }).finish(), {
      semanticConventions: 'opentelemetry',
    })
    assert.equal(span?.tags['http.request.method'], 'GET')
    assert.equal(span?.tags['http.method'], undefined)
  })

  it('gzip, headers and batches', async () => {
    const seen: { encoding: string | undefined; key: unknown; spans: number }[] = []
    const collector = await openCollector((res, body, req) => {
      const spans = JSON.parse(body.toString()) as unknown[]
      seen.push({ encoding: req.headers['content-encoding'], key: req.headers['x-key'], spans: spans.length })
      res.writeHead(202).end()
    })
    const tracer = createTracer({
      exporter: zipkinExporter({ url: collector.url, compression: 'gzip', headers: { 'x-key': 'k' } }),
      batch: { spans: 2 },
    })
    for (let i = 0; i < 3; i++) tracer.startSpan('any').finish()
    await tracer.close()
    assert.deepEqual(seen, [
      { encoding: 'gzip', key: 'k', spans: 2 },
      { encoding: 'gzip', key: 'k', spans: 1 },
    ])
  })

  it('F055: an option that is wrong is a TypeError at once', () => {
    const wrong: [object, RegExp][] = [
      [{ url: 'zipkin:9411' }, /url must be a URL, such as .*, not "zipkin:9411"/],
      [{ URL: 'http://zipkin:9411' }, /unknown option 'URL'; did you mean 'url'\?/],
      [{ compression: 'br' }, /compression must be one of "none", "gzip", not "br"/],
      [{ headers: { 'a b': 'c' } }, /headers must be/],
      [{ timeout: '5' }, /timeout must be/],
      [{ tls: true }, /tls must be/],
    ]
    for (const [options, message] of wrong) {
      assert.throws(() => zipkinExporter(options), { name: 'TypeError', message })
    }
  })
})

describe('a server that takes Zipkin', () => {
  let viewer: Viewer
  before(async () => {
    viewer = await startViewer({
      ports: { otlp: 0, jaeger: 0, jaegerCompact: 0, jaegerBinary: 0, zipkin: 0, page: 0 },
    })
  })
  after(() => viewer.close())

  it('gets every span, field by field', async () => {
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: zipkinExporter({ url: `http://127.0.0.1:${viewer.ports.zipkin}/api/v2/spans` }),
    })
    const parent = tracer.startSpan('GET /orders', {
      tags: { 'span.kind': 'server', 'http.status_code': 503 },
    })
    const child = tracer.startSpan('call', {
      childOf: parent,
      tags: { 'span.kind': 'client', 'peer.service': 'stock', error: true },
    })
    child.log({ event: 'retry' })
    child.finish()
    parent.finish()
    await tracer.close()
    assert.equal(tracer.stats().exported, 2)
    await until(() => viewer.traces().length === 1)
    const trace = viewer.trace(parent.context().toTraceId()) ?? assert.fail('no trace')
    const got = trace.spans.map(({ spanId, parentId, service, operation, logs }) => ({
      spanId,
      parentId,
      service,
      operation,
      events: logs.map(({ fields }) => fields[0]?.value),
    }))
    assert.deepEqual(
      got.sort((a, b) => a.operation.localeCompare(b.operation)),
      [
        {
          spanId: child.context().toSpanId(),
          parentId: parent.context().toSpanId(),
          service: 'orders',
          operation: 'call',
          events: ['retry'],
        },
        {
          spanId: parent.context().toSpanId(),
          parentId: undefined,
          service: 'orders',
          operation: 'get /orders',
          events: [],
        },
      ],
    )
    const client = trace.spans.find(({ operation }) => operation === 'call') ?? assert.fail('no span')
    assert.deepEqual(
      [tagOf(client, 'span.kind'), tagOf(client, 'peer.service'), tagOf(client, 'error')],
      ['client', 'stock', 'true'],
    )
    assert.equal(viewer.stats().refusedSpans, 0)
  })
})

describe('the console', () => {
  /** The text for the spans, ids and durations made the same for all runs. */
  async function drawn(make: (tracer: LeanTracer) => void, options: TracerOptions = {}): Promise<string> {
    let text = ''
    const tracer = createTracer({
      serviceName: 'orders',
      exporter: consoleExporter({
        write: part => {
          text += part
        },
      }),
      ...options,
    })
    make(tracer)
    await tracer.close()
    return text.replace(/[0-9a-f]{32}/g, 'ID')
  }

  it('a tree: each span below its parent, by time, with duration, status and error', async () => {
    const at = (ms: number) => 1_700_000_000_000 + ms
    const text = await drawn(tracer => {
      const root = tracer.startSpan('GET /orders/:id', {
        startTime: at(0),
        tags: { 'http.status_code': 500 },
      })
      const load = tracer.startSpan('load', { childOf: root, startTime: at(1) })
      const second = tracer.startSpan('second query', { childOf: load, startTime: at(5) })
      tracer.startSpan('first query', { childOf: load, startTime: at(2) }).finish(at(4.5))
      second.log({ event: 'error', 'error.kind': 'TypeError', message: 'no such order' })
      second.finish(at(8))
      load.finish(at(9))
      tracer.startSpan('render', { childOf: root, startTime: at(10), tags: { error: true } }).finish(at(11))
      root.setTag('aborted', 'before response').finish(at(12))
    })
    assert.equal(
      text,
      [
        'orders  trace ID',
        '  GET /orders/:id  12.0 ms  500  aborted',
        '  ├ load  8.0 ms',
        '  │ ├ first query  2.5 ms',
        '  │ └ second query  3.0 ms  TypeError: no such order',
        '  └ render  1.0 ms  error',
        '',
      ].join('\n'),
    )
  })

  it('one tree for each trace; a span whose parent is elsewhere stands at the top', async () => {
    const text = await drawn(tracer => {
      const header = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
      const parent = tracer.extract(opentracing.FORMAT_HTTP_HEADERS, { traceparent: header })
      tracer.startSpan('below a caller', parent === null ? {} : { childOf: parent }).finish()
      tracer.startSpan('alone').finish()
    })
    assert.equal(
      text.replace(/[\d.]+ ms/g, 'T'),
      'orders  trace ID\n  below a caller  T\norders  trace ID\n  alone  T\n',
    )
  })

  it('no control character of a request reaches the terminal', async () => {
    const text = await drawn(
      tracer => {
        const span = tracer.startSpan('GET /\x1b[2J\nforged', {
          tags: { 'http.status_code': '\x1b]0;title\x07' },
        })
        span.log({ event: 'error', 'error.kind': '\r', message: '\x9b31m red' })
        span.finish()
      },
      { serviceName: 'or\x1bders' },
    )
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
    assert.equal(text.split('\n').length, 3)
  })

  it('a deep trace is drawn, and quickly', async () => {
    const start = performance.now()
    const text = await drawn(
      tracer => {
        const spans = [tracer.startSpan('0')]
        for (let i = 1; i < 512; i++)
          spans.push(tracer.startSpan(String(i), { childOf: spans[i - 1] as Span }))
        for (const span of spans) span.finish()
      },
      { batch: { spans: 512 } },
    )
    assert.equal(text.trimEnd().split('\n').length, 513)
    assert.ok(performance.now() - start < 5000)
  })

  it('does not wait long: spans are there within a second, without close()', async () => {
    const parts: string[] = []
    const tracer = createTracer({ exporter: consoleExporter({ write: text => void parts.push(text) }) })
    tracer.startSpan('any').finish()
    await until(() => parts.length === 1, 4000)
    await tracer.close()
  })

  it('refuses what is no function', () => {
    assert.throws(
      () => consoleExporter({ write: 'stdout' as never }),
      /write must be a function, not "stdout"/,
    )
  })
})
