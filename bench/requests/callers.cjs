// What stands between a service and its calls to another one, variant by variant, without a server around it.
// make({ dist, ports }) gives
//   inside(run)  a span, or a context, in which calls are made   fetch(url)   one call
//   flush()      sends what waits

const { entry } = require('./entry.cjs')
const byHand = require('./by-hand.cjs')
const { JAEGER_FLUSH, jaegerTracer, openTelemetryProvider, ownTracer, pause } = require('./tracers.cjs')

const callers = {
  bare: { label: 'fetch', make: () => ({}) },
  control: { label: 'fetch again (control)', make: () => ({}) },
  context: {
    label: 'by hand: in a context of AsyncLocalStorage',
    make: () => ({ inside: run => byHand.inside({}, run) }),
  },
  header: {
    label: 'by hand: context and a trace header',
    make: () => ({ inside: run => byHand.inside(byHand.newTrace(), run), fetch: byHand.fetchInTrace }),
  },
  'smallest-otlp': { label: 'by hand: and a span, six tags, OTLP protobuf', make: byHand.smallestCalls },
  none: {
    label: 'ours, no tracer installed',
    make: ({ dist }) => ours(dist, undefined),
  },
  unsampled: {
    label: 'ours, unsampled, propagating',
    make: ({ dist, ports }) => {
      const { neverSampler } = require(resolve(dist, 'tracer/index.js'))
      return ours(dist, ownTracer(dist, ports, { sampler: neverSampler(), global: true }))
    },
  },
  sampled: {
    label: 'ours, sampled, OTLP protobuf',
    make: ({ dist, ports }) => ours(dist, ownTracer(dist, ports, { global: true })),
  },
  'smallest-jaeger': {
    label: 'by hand: a span of jaeger-client, UDP',
    make: ({ ports }) => {
      const tracer = jaegerTracer(ports)
      return {
        inside: run => {
          const span = tracer.startSpan('work')
          return byHand.inside(span, run).finally(() => span.finish())
        },
        fetch: url => byHand.fetchInSpan(tracer, url),
        flush: () => pause(JAEGER_FLUSH),
      }
    },
  },
  opentelemetry: {
    label: "OpenTelemetry's undici instrumentation, OTLP protobuf",
    make: ({ ports }) => {
      const { registerInstrumentations } = require('@opentelemetry/instrumentation')
      const { UndiciInstrumentation } = require('@opentelemetry/instrumentation-undici')
      const tracerProvider = openTelemetryProvider(ports)
      registerInstrumentations({ tracerProvider, instrumentations: [new UndiciInstrumentation()] })
      const tracer = tracerProvider.getTracer('bench')
      return {
        inside: run => tracer.startActiveSpan('work', span => run().finally(() => span.end())),
        flush: () => tracerProvider.forceFlush(),
      }
    },
  },
}

function ours(dist, tracer) {
  const { withSpan } = require(entry(dist, ''))
  const { createTracedFetch } = require(entry(dist, 'fetch'))
  const fetch = createTracedFetch()
  return { inside: run => withSpan('work', run), fetch: url => fetch(url), flush: () => tracer?.flush() }
}

module.exports = { callers }
