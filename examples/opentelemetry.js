// Express with OpenTracing in the code and OpenTelemetry's SDK behind it, to an OTLP collector on this machine:
// node examples/opentelemetry.js, then ask for http://localhost:3000/users/42

import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import express from 'express'
import { activeSpan, withSpan } from 'tracing-middleware'
import { tracingErrorMiddleware, tracingMiddleware } from 'tracing-middleware/express'
import { openTelemetryTracer } from 'tracing-middleware/opentelemetry'

const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': 'opentelemetry-example' }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
})
const tracer = openTelemetryTracer({ tracerProvider: provider })

const app = express()
app.use(tracingMiddleware({ tracer, ignore: '/health' }))

app.get('/health', (_req, res) => res.send('ok'))
app.get('/users/:id', async (req, res) => {
  activeSpan()?.setTag('user.id', req.params.id)
  const user = await withSpan('load user', () => ({ id: req.params.id, name: 'Ada' }))
  res.json(user)
})
app.get('/boom', () => {
  throw new Error('boom')
})

app.use(tracingErrorMiddleware())
app.listen(process.env.PORT ?? 3000, function () {
  console.log(`listening on ${this.address().port}`)
})

process.once('SIGTERM', async () => {
  await provider.shutdown()
  process.exit()
})
