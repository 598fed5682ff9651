// What stands between a framework and its routes, variant by variant: each as its own documentation sets it up.
// make(framework, { dist, ports }) is called before the framework is required, and gives
//   begin(app)  puts the variant before the routes      end(app)   behind them
//   fetch(url, request)  the call to the next service   flush()    sends what waits
// `header` is the trace header that its requests bring (default: traceparent), `sampled: false` what that decides.

const { entry } = require('./entry.cjs')
const byHand = require('./by-hand.cjs')
const {
  DATADOG_FLUSH,
  JAEGER_FLUSH,
  jaegerTracer,
  openTelemetryProvider,
  ownTracer,
  pause,
  SERVICE,
} = require('./tracers.cjs')

const variants = {
  bare: { label: 'bare', make: () => ({}) },
  control: { label: 'bare again (control)', make: () => ({}) },

  none: { label: 'ours, no tracer installed', make: (framework, { dist }) => ours(framework, dist, {}) },
  ignored: {
    label: 'ours, request ignored',
    make: (framework, { dist, ports }) =>
      ours(framework, dist, { tracer: ownTracer(dist, ports), ignore: ['/hello', '/users/*', '/chain'] }),
  },
  hollow: {
    label: 'ours, a tracer that does nothing',
    make: (framework, { dist }) => ours(framework, dist, { tracer: byHand.hollowTracer() }),
  },
  unsampled: {
    label: 'ours, unsampled, propagating',
    sampled: false,
    make: (framework, { dist, ports }) => ours(framework, dist, { tracer: ownTracer(dist, ports) }),
  },
  sampled: {
    label: 'ours, sampled, OTLP protobuf',
    spans: true,
    make: (framework, { dist, ports }) => ours(framework, dist, { tracer: ownTracer(dist, ports) }),
  },
  jaeger: {
    label: 'ours with jaeger-client, UDP',
    spans: true,
    make: (framework, { dist, ports }) => {
      const { initJaegerTracer } = require(entry(dist, 'jaeger'))
      const tracer = initJaegerTracer({
        serviceName: SERVICE,
        sampler: { type: 'const', param: 1 },
        reporter: { agentHost: '127.0.0.1', agentPort: ports.jaeger },
      })
      return { ...ours(framework, dist, { tracer }), flush: () => pause(JAEGER_FLUSH) }
    },
  },
  'opentelemetry-bridge': {
    label: 'ours over the OpenTelemetry SDK, OTLP protobuf',
    spans: true,
    make: (framework, { dist, ports }) => {
      const { openTelemetryTracer } = require(entry(dist, 'opentelemetry'))
      const tracerProvider = openTelemetryProvider(ports)
      const tracer = openTelemetryTracer({ tracerProvider })
      return { ...ours(framework, dist, { tracer }), flush: () => tracerProvider.forceFlush() }
    },
  },

  smallest: {
    label: 'smallest by hand: AsyncLocalStorage alone',
    make: framework => byHand.smallest(framework),
  },
  'smallest-otlp': {
    label: 'smallest by hand: eight tags, OTLP protobuf',
    spans: true,
    make: byHand.smallestOtlp,
  },
  'smallest-jaeger': {
    label: 'smallest by hand with jaeger-client, UDP',
    header: 'uber-trace-id',
    spans: true,
    make: (framework, { ports }) => ({
      ...byHand.smallestOver(framework, jaegerTracer(ports)),
      flush: () => pause(JAEGER_FLUSH),
    }),
  },
  'express-opentracing': {
    label: 'express-opentracing with jaeger-client, UDP',
    header: 'uber-trace-id',
    frameworks: ['express'],
    spans: true,
    make: (_framework, { ports }) => {
      const tracer = jaegerTracer(ports)
      const middleware = require('express-opentracing').default
      return {
        begin: app => app.use(middleware({ tracer })),
        fetch: (url, request) => byHand.fetchBelow(tracer, request.span, url),
        flush: () => pause(JAEGER_FLUSH),
      }
    },
  },
  opentelemetry: {
    label: 'OpenTelemetry, HTTP + framework, OTLP protobuf',
    spans: true,
    make: opentelemetry,
  },
  'dd-trace': {
    label: 'dd-trace 5',
    spans: true,
    make: (_framework, { ports }) => {
      // Traces alone, and no traffic but to the sink.
      process.env.DD_INSTRUMENTATION_TELEMETRY_ENABLED = 'false'
      process.env.DD_REMOTE_CONFIGURATION_ENABLED = 'false'
      process.env.DD_TRACE_STARTUP_LOGS = 'false'
      require('dd-trace').init({
        service: SERVICE,
        url: `http://127.0.0.1:${ports.datadog}`,
        sampleRate: 1,
        rateLimit: -1,
        profiling: false,
      })
      return { flush: () => pause(DATADOG_FLUSH) }
    },
  },
}

function ours(framework, dist, options) {
  const adapter = require(entry(dist, framework))
  const { createTracedFetch } = require(entry(dist, 'fetch'))
  const fetch = createTracedFetch()
  const begin = {
    express: app => app.use(adapter.tracingMiddleware(options)),
    koa: app => app.use(adapter.tracingMiddleware(options)),
    fastify: app => app.register(adapter.tracingPlugin, options),
  }
  return {
    begin: begin[framework],
    end: framework === 'express' ? app => app.use(adapter.tracingErrorMiddleware()) : undefined,
    fetch: url => fetch(url),
    flush: () => options.tracer?.flush?.(),
  }
}

function opentelemetry(framework, { ports }) {
  const { registerInstrumentations } = require('@opentelemetry/instrumentation')
  const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
  const { UndiciInstrumentation } = require('@opentelemetry/instrumentation-undici')
  const instrumentationOf = {
    express: () => new (require('@opentelemetry/instrumentation-express').ExpressInstrumentation)(),
    koa: () => new (require('@opentelemetry/instrumentation-koa').KoaInstrumentation)(),
    fastify: () =>
      new (require('@fastify/otel').FastifyOtelInstrumentation)({ registerOnInitialization: true }),
  }
  const tracerProvider = openTelemetryProvider(ports)
  registerInstrumentations({
    tracerProvider,
    instrumentations: [
      new HttpInstrumentation(),
      instrumentationOf[framework](),
      new UndiciInstrumentation(),
    ],
  })
  return { flush: () => tracerProvider.forceFlush() }
}

module.exports = { variants }
