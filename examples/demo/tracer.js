// The tracer of a demo service: ours or jaeger-client, both to the demo's own collector.

/** Installs the global tracer that `--tracer` asked for. */
export async function installTracer(serviceName) {
  const { DEMO_TRACER, DEMO_OTLP, DEMO_JAEGER } = process.env
  if (DEMO_TRACER === 'jaeger') {
    const { initJaegerTracer } = await import('tracing-middleware/jaeger')
    const reporter = { collectorEndpoint: DEMO_JAEGER, flushIntervalMs: 100 }
    initJaegerTracer({ serviceName, sampler: { type: 'const', param: 1 }, reporter, global: true })
  } else {
    const { createTracer, otlpExporter } = await import('tracing-middleware/tracer')
    createTracer({
      serviceName,
      exporter: otlpExporter({ url: DEMO_OTLP }),
      batch: { delay: 100 },
      global: true,
    })
  }
}

/** Listens on a free port of this machine, tells the demo which, and ends when the demo does. */
export function serve(server) {
  server.listen(0, '127.0.0.1', () => process.send?.({ port: server.address().port }))
  process.on('disconnect', () => {
    server.close()
    server.closeIdleConnections()
  })
}
