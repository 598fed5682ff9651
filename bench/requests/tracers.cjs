// Tracers that export to the collectors beside the servers, each as its documentation sets it up.

const { entry } = require('./entry.cjs')

const SERVICE = 'bench'

// These two cannot be asked to flush: their timers send every second, and every two seconds.
const JAEGER_FLUSH = 1200
const DATADOG_FLUSH = 2200
const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds))

function ownTracer(dist, ports, options) {
  const { createTracer, otlpExporter } = require(entry(dist, 'tracer'))
  const exporter = otlpExporter({ url: `http://127.0.0.1:${ports.otlp}/v1/traces` })
  return createTracer({ serviceName: SERVICE, exporter, ...options })
}

function jaegerTracer(ports) {
  const { initTracer } = require('jaeger-client')
  return initTracer(
    {
      serviceName: SERVICE,
      sampler: { type: 'const', param: 1 },
      reporter: { agentHost: '127.0.0.1', agentPort: ports.jaeger },
    },
    {},
  )
}

function openTelemetryProvider(ports) {
  const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node')
  const { BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base')
  const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto')
  const { resourceFromAttributes } = require('@opentelemetry/resources')
  const exporter = new OTLPTraceExporter({ url: `http://127.0.0.1:${ports.otlp}/v1/traces` })
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': SERVICE }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  })
  provider.register()
  return provider
}

module.exports = {
  DATADOG_FLUSH,
  JAEGER_FLUSH,
  jaegerTracer,
  openTelemetryProvider,
  ownTracer,
  pause,
  SERVICE,
}
