// The cases of span.js. Each makes the same span: a child of one parent, with eight tags as a server's span has them,
// set one by one; `make(i)` makes one, `finished()` says how many were encoded so far.

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

// Made beforehand and flat, as they come from a parser: the tracer is measured, not who calls it.
const URLS = Array.from({ length: 1024 }, (_, i) =>
  Buffer.from(`http://127.0.0.1:3000/users/${i}`).toString(),
)
const urlOf = i => URLS[i & 1023]
const portOf = i => 40_000 + (i & 8191)

/** What was encoded has to be looked at, or a compiler may leave it out. */
export let consumed = 0
function consume(bytes) {
  consumed += bytes[0] + bytes[bytes.length - 1]
  if (bytes.length < 1000) throw new Error('that is no batch')
}

function openTracingSpan(tracer, parent, i) {
  const span = tracer.startSpan('GET /users/:id', { childOf: parent })
  span.setTag('span.kind', 'server')
  span.setTag('component', 'express')
  span.setTag('http.method', 'GET')
  span.setTag('http.url', urlOf(i))
  span.setTag('http.route', '/users/:id')
  span.setTag('peer.ipv4', '127.0.0.1')
  span.setTag('peer.port', portOf(i))
  span.setTag('http.status_code', 200)
  span.finish()
}

async function ours(dist, options, encode) {
  const { createTracer } = await import(`${dist}/tracer/index.js`)
  const { OtlpProtobuf } = await import(`${dist}/tracer/export/otlp-protobuf.js`)
  const { OtlpJson } = await import(`${dist}/tracer/export/otlp-json.js`)
  let count = 0
  let encoder
  const exporter = {
    start({ resource, semanticConventions = 'opentelemetry' }) {
      const Encoder = { protobuf: OtlpProtobuf, json: OtlpJson }[encode]
      encoder = Encoder && new Encoder(resource, semanticConventions)
    },
    export(spans) {
      count += spans.length
      if (encoder !== undefined) consume(encoder.encode(spans).body)
    },
  }
  const tracer = createTracer({ serviceName: 'bench', exporter, ...options })
  const parent = tracer.startSpan('parent')
  return {
    make: i => openTracingSpan(tracer, parent, i),
    finished: encode === undefined ? undefined : () => count,
  }
}

function openTelemetry(processor) {
  const { trace, context, SpanKind } = require('@opentelemetry/api')
  const { BasicTracerProvider } = require('@opentelemetry/sdk-trace-base')
  const { resourceFromAttributes } = require('@opentelemetry/resources')
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'bench' }),
    spanProcessors: processor ? [processor] : [],
  })
  const tracer = provider.getTracer('bench')
  const parent = trace.setSpan(context.active(), tracer.startSpan('parent'))
  return i => {
    const span = tracer.startSpan('GET /users/:id', { kind: SpanKind.SERVER }, parent)
    span.setAttribute('component', 'express')
    span.setAttribute('http.request.method', 'GET')
    span.setAttribute('url.full', urlOf(i))
    span.setAttribute('http.route', '/users/:id')
    span.setAttribute('network.peer.address', '127.0.0.1')
    span.setAttribute('network.peer.port', portOf(i))
    span.setAttribute('http.response.status_code', 200)
    span.setAttribute('network.protocol.version', '1.1')
    span.end()
  }
}

function jaegerClient() {
  const UDPSender = require('jaeger-client/dist/src/reporters/udp_sender.js').default
  const { Tracer, RemoteReporter, ConstSampler } = require('jaeger-client')
  let bytes = 0
  let spans = 0
  const sender = new UDPSender()
  sender._client.close()
  // The socket alone is left out: what it would be given is looked at instead.
  sender._client = {
    send(buffer, _offset, length, _port, _host, done) {
      bytes += length
      consumed += buffer[0] + buffer[length - 1]
      done()
    },
    close() {},
  }
  const reporter = new RemoteReporter(sender)
  const tracer = new Tracer('bench', reporter, new ConstSampler(true), { traceId128bit: true })
  const parent = tracer.startSpan('parent')
  return {
    make: i => {
      openTracingSpan(tracer, parent, i)
      spans++
    },
    finished: () => (bytes > 0 ? spans : 0),
  }
}

// 1,024 callers, so that nothing can be remembered of one.
const TRACEPARENTS = Array.from({ length: 1024 }, (_, i) =>
  Buffer.from(
    `00-0af7651916cd43dd8448eb211c8${(0x10000 + i).toString(16)}-b7ad6b716920${(0x1000 + i).toString(16)}-01`,
  ).toString(),
)

async function ourHeaders(dist) {
  const { createPropagation } = await import(`${dist}/propagation/index.js`)
  const propagation = createPropagation({ extract: ['tracecontext'], inject: ['tracecontext'] })
  return {
    make(i) {
      const context = propagation.extract({ host: 'localhost', traceparent: TRACEPARENTS[i & 1023] })
      const carrier = {}
      propagation.inject(context, carrier)
      consumed += carrier.traceparent.charCodeAt(50)
    },
  }
}

function openTelemetryHeaders() {
  const { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT } = require('@opentelemetry/api')
  const { W3CTraceContextPropagator } = require('@opentelemetry/core')
  const propagator = new W3CTraceContextPropagator()
  return {
    make(i) {
      const headers = { host: 'localhost', traceparent: TRACEPARENTS[i & 1023] }
      const context = propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter)
      const carrier = {}
      propagator.inject(context, carrier, defaultTextMapSetter)
      consumed += carrier.traceparent.charCodeAt(50)
    },
  }
}

export const cases = {
  'ours: traceparent in and out': dist => ourHeaders(dist),
  'OpenTelemetry: traceparent in and out': () => openTelemetryHeaders(),
  'ours: OTLP protobuf': dist => ours(dist, {}, 'protobuf'),
  'ours: OTLP JSON': dist => ours(dist, {}, 'json'),
  'ours: not encoded': dist => ours(dist, {}, 'nothing'),
  'ours: not sampled': async dist => {
    const { neverSampler } = await import(`${dist}/tracer/index.js`)
    return ours(dist, { sampler: neverSampler() }, undefined)
  },
  'OpenTelemetry: no processor': () => ({ make: openTelemetry(undefined) }),
  'OpenTelemetry: OTLP protobuf': () => {
    const { ProtobufTraceSerializer } = require('@opentelemetry/otlp-transformer')
    let batch = []
    let count = 0
    const processor = {
      onStart() {},
      onEnd(span) {
        batch.push(span)
        if (batch.length < 512) return
        consume(ProtobufTraceSerializer.serializeRequest(batch))
        count += batch.length
        batch = []
      },
      forceFlush: async () => {},
      shutdown: async () => {},
    }
    return { make: openTelemetry(processor), finished: () => count }
  },
  'jaeger-client: thrift': () => jaegerClient(),
}
