// The viewer with the exporters and clients that others have written: every field that they send is kept.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { ZipkinExporter } from '@opentelemetry/exporter-zipkin'
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import jaeger from 'jaeger-client'
import opentracing from 'opentracing'
import zipkin from 'zipkin'
import zipkinHttp from 'zipkin-transport-http'
import { startViewer, tagOf, type Viewer, type ViewerSpan } from '../src/index.ts'
import { compactBatch } from './support/thrift.ts'
import { eventually, FREE_PORTS, named } from './support/viewer.ts'

let viewer: Viewer

before(async () => {
  viewer = await startViewer({ ports: FREE_PORTS })
})

after(() => viewer.close())

/** Waits for the spans of a service. */
function arrived(service: string, count: number): Promise<ViewerSpan[]> {
  const ofService = () =>
    viewer.traces().flatMap(({ spans }) => spans.filter(span => span.service === service))
  return eventually(() => ofService().length >= count && ofService(), `${count} spans of ${service} arrive`)
}

async function sendWithSdk(service: string, exporter: SpanExporter): Promise<void> {
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.version': '1.2.3' }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  })
  const tracer: Tracer = provider.getTracer('a-library', '4.5.6')
  const { setSpan } = trace
  const { ROOT_CONTEXT } = await import('@opentelemetry/api')
  const parent = tracer.startSpan(
    'GET /users/:id',
    {
      kind: SpanKind.SERVER,
      startTime: 1_700_000_000_123.456,
      attributes: {
        'http.response.status_code': 500,
        list: ['a', 'b'],
        ratio: 0.25,
        flag: true,
        naïve: 'ünï 漢字',
      },
    },
    ROOT_CONTEXT,
  )
  const child = tracer.startSpan(
    'query',
    { kind: SpanKind.CLIENT, startTime: 1_700_000_000_130 },
    setSpan(ROOT_CONTEXT, parent),
  )
  child.recordException(new TypeError('no such user'))
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'it broke' })
  child.end(1_700_000_000_140)
  parent.end(1_700_000_000_150)
  await provider.forceFlush()
  await provider.shutdown()
}

function checkSdkSpans(spans: readonly ViewerSpan[]): void {
  const parent = named(spans, 'GET /users/:id')
  const child = named(spans, 'query')
  assert.equal(child.parentId, parent.spanId)
  assert.equal(child.traceId, parent.traceId)
  assert.match(parent.traceId, /^[0-9a-f]{32}$/)
  assert.equal(parent.parentId, undefined)
  assert.equal(parent.kind, 'server')
  assert.equal(child.kind, 'client')
  assert.equal(parent.error, false)
  assert.equal(child.error, true)
  assert.ok(Math.abs(parent.start - 1_700_000_000_123_456) <= 1, String(parent.start))
  assert.ok(Math.abs(child.duration - 10_000) <= 1, String(child.duration))
  assert.equal(tagOf(parent, 'naïve'), 'ünï 漢字')
}

for (const [name, Exporter, compression] of [
  ['OTLP protobuf', ProtobufExporter, CompressionAlgorithm.NONE],
  ['OTLP protobuf, gzip', ProtobufExporter, CompressionAlgorithm.GZIP],
  ['OTLP JSON', JsonExporter, CompressionAlgorithm.NONE],
  ['OTLP JSON, gzip', JsonExporter, CompressionAlgorithm.GZIP],
] as const) {
  test(`the OpenTelemetry SDK's exporter: ${name}`, async () => {
    await sendWithSdk(
      name,
      new Exporter({ url: `http://127.0.0.1:${viewer.ports.otlp}/v1/traces`, compression }),
    )
    const spans = await arrived(name, 2)
    checkSdkSpans(spans)
    const parent = named(spans, 'GET /users/:id')
    assert.equal(tagOf(parent, 'http.response.status_code'), 500)
    assert.equal(tagOf(parent, 'ratio'), 0.25)
    assert.equal(tagOf(parent, 'flag'), true)
    assert.equal(tagOf(parent, 'list'), '["a","b"]')
    assert.equal(tagOf(parent, 'service.version'), '1.2.3')
    assert.equal(tagOf(parent, 'otel.scope.name'), 'a-library')
    const child = named(spans, 'query')
    assert.equal(tagOf(child, 'otel.status_description'), 'it broke')
    const fields = new Map(child.logs[0]?.fields.map(({ key, value }) => [key, value]))
    assert.equal(fields.get('event'), 'exception')
    assert.equal(fields.get('exception.message'), 'no such user')
    assert.match(String(fields.get('exception.stacktrace')), /TypeError: no such user\n/)
  })
}

test("the OpenTelemetry SDK's Zipkin exporter", async () => {
  const url = `http://127.0.0.1:${viewer.ports.zipkin}/api/v2/spans`
  await sendWithSdk('sdk-zipkin', new ZipkinExporter({ url }))
  const spans = await arrived('sdk-zipkin', 2)
  checkSdkSpans(spans)
})

test('a Zipkin reporter: client and server share an id', async () => {
  const {
    Tracer: ZipkinTracer,
    BatchRecorder,
    ExplicitContext,
    jsonEncoder,
    Annotation,
    InetAddress,
  } = zipkin
  const logger = new zipkinHttp.HttpLogger({
    endpoint: `http://127.0.0.1:${viewer.ports.zipkin}/api/v2/spans`,
    jsonEncoder: jsonEncoder.JSON_V2,
    httpInterval: 10,
  })
  const ctxImpl = new ExplicitContext()
  // One recorder for each, as in two processes.
  const make = (localServiceName: string) => {
    const recorder = new BatchRecorder({ logger })
    const sampler = new zipkin.sampler.CountingSampler(1)
    return new ZipkinTracer({ ctxImpl, recorder, localServiceName, sampler })
  }
  const client = make('zipkin-client')
  const server = make('zipkin-server')
  const id = client.createRootId()
  client.letId(id, () => {
    client.recordServiceName('zipkin-client')
    client.recordRpc('get')
    client.recordBinary('http.path', '/orders')
    client.recordAnnotation(new Annotation.ClientSend())
    client.recordAnnotation(
      new Annotation.ServerAddr({
        serviceName: 'zipkin-server',
        host: new InetAddress('10.0.0.2'),
        port: 80,
      }),
    )
  })
  server.letId(id, () => {
    server.recordServiceName('zipkin-server')
    server.recordRpc('get /orders')
    server.recordAnnotation(new Annotation.ServerRecv())
    server.recordBinary('error', 'out of stock')
    server.recordAnnotation(new Annotation.ServerSend())
  })
  client.letId(id, () => client.recordAnnotation(new Annotation.ClientRecv()))
  const [clientSpan] = await arrived('zipkin-client', 1)
  const [serverSpan] = await arrived('zipkin-server', 1)
  assert.equal(clientSpan?.spanId, serverSpan?.spanId)
  assert.equal(clientSpan?.kind, 'client')
  assert.equal(serverSpan?.kind, 'server')
  assert.equal(clientSpan && tagOf(clientSpan, 'peer.service'), 'zipkin-server')
  assert.equal(serverSpan?.error, true)
  assert.equal(viewer.trace(clientSpan?.traceId ?? '')?.spans.length, 2)
})

for (const [name, reporter] of [
  ['UDP', () => ({ agentHost: '127.0.0.1', agentPort: viewer.ports.jaegerBinary as number })],
  ['HTTP', () => ({ collectorEndpoint: `http://127.0.0.1:${viewer.ports.jaeger}/api/traces` })],
] as const) {
  test(`jaeger-client over ${name}`, async () => {
    const service = `jaeger-client-${name}`
    const errors: string[] = []
    const tracer = jaeger.initTracer(
      {
        serviceName: service,
        sampler: { type: 'const', param: 1 },
        reporter: { ...reporter(), flushIntervalMs: 20 },
      },
      { tags: { 'my.version': '1.0' }, logger: { info() {}, error: message => errors.push(message) } },
    )
    const parent = tracer.startSpan('GET /a', {
      startTime: 1_700_000_000_000,
      tags: { 'span.kind': 'server' },
    })
    const child = tracer.startSpan('work', { childOf: parent, startTime: 1_700_000_000_001 })
    const later = tracer.startSpan('later', { references: [opentracing.followsFrom(parent.context())] })
    child.setTag('error', true).setTag('count', 3).setTag('ratio', 0.5).setTag('text', 'ünï')
    child.log({ event: 'error', message: 'no', stack: 'a\nb' }, 1_700_000_000_002)
    child.finish(1_700_000_000_003)
    later.finish()
    parent.finish(1_700_000_000_010)
    const spans = await arrived(service, 3)
    // close() aborts the request whose response is outstanding, and reports that as an error.
    assert.deepEqual(errors, [])
    await new Promise<void>(resolve =>
      (tracer as unknown as { close(done: () => void): void }).close(resolve),
    )
    const [a, b, c] = [named(spans, 'GET /a'), named(spans, 'work'), named(spans, 'later')]
    assert.equal(a.traceId, parent.context().toTraceId().padStart(32, '0'))
    assert.equal(b.parentId, a.spanId)
    assert.equal(a.start, 1_700_000_000_000_000)
    assert.equal(a.duration, 10_000)
    assert.equal(a.kind, 'server')
    assert.equal(b.error, true)
    assert.equal(tagOf(b, 'count'), 3)
    assert.equal(tagOf(b, 'ratio'), 0.5)
    assert.equal(tagOf(b, 'text'), 'ünï')
    assert.equal(tagOf(b, 'my.version'), '1.0')
    assert.equal(b.logs[0]?.time, 1_700_000_000_002_000)
    assert.deepEqual(c.references, [{ kind: 'followsFrom', traceId: a.traceId, spanId: a.spanId }])
  })
}

test('compact thrift over UDP, as clients in other languages send it', async () => {
  const { createSocket } = await import('node:dgram')
  const socket = createSocket('udp4')
  const packet = compactBatch({
    service: 'compact',
    spans: [
      {
        traceIdLow: 0x1234n,
        traceIdHigh: -2n,
        spanId: 0x7fffffffffffffffn,
        parentId: 0n,
        operation: 'compact work',
        start: 1_700_000_000_000_000n,
        duration: 1500n,
        tags: [
          { key: 'text', value: 'ünï' },
          { key: 'yes', value: true },
          { key: 'no', value: false },
          { key: 'long', value: -5n },
          { key: 'ratio', value: -0.125 },
        ],
      },
    ],
  })
  await new Promise<void>(resolve =>
    socket.send(packet, viewer.ports.jaegerCompact as number, '127.0.0.1', () => socket.close(resolve)),
  )
  const [span] = await arrived('compact', 1)
  assert.equal(span?.traceId, 'fffffffffffffffe0000000000001234')
  assert.equal(span?.spanId, '7fffffffffffffff')
  assert.equal(span?.parentId, undefined)
  assert.equal(span?.duration, 1500)
  assert.deepEqual(span?.tags, [
    { key: 'text', value: 'ünï' },
    { key: 'yes', value: true },
    { key: 'no', value: false },
    { key: 'long', value: -5 },
    { key: 'ratio', value: -0.125 },
  ])
})

test('Zipkin JSON in gzip', async () => {
  const body = gzipSync(
    JSON.stringify([
      {
        traceId: 'abc',
        id: '1',
        name: 'g',
        timestamp: 1e15,
        duration: 7,
        localEndpoint: { serviceName: 'gz' },
      },
    ]),
  )
  const response = await fetch(`http://127.0.0.1:${viewer.ports.zipkin}/api/v2/spans`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    body,
  })
  assert.equal(response.status, 202)
  const [span] = await arrived('gz', 1)
  assert.equal(span?.traceId, '00000000000000000000000000000abc')
  assert.equal(span?.duration, 7)
})
