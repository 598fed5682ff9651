// Fastify, traced to an OTLP collector on this machine: node examples/fastify.js, then ask for http://localhost:3000/users/42

import Fastify from 'fastify'
import { activeSpan, withSpan } from 'tracing-middleware'
import { tracingPlugin } from 'tracing-middleware/fastify'
import { createTracer } from 'tracing-middleware/tracer'

const tracer = createTracer({ serviceName: 'fastify-example' })

const app = Fastify()
await app.register(tracingPlugin, { tracer })

app.get('/health', { config: { tracing: false } }, async () => 'ok')
app.get('/users/:id', async request => {
  activeSpan()?.setTag('user.id', request.params.id)
  return withSpan('load user', () => ({ id: request.params.id, name: 'Ada' }))
})
app.get('/boom', async () => {
  throw new Error('boom')
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
console.log(`listening on ${app.server.address().port}`)
