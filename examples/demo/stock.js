// Stock: Fastify. Knows how much is left, unless the shelf is broken, and takes its time when it is far away.

import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { withSpan } from 'tracing-middleware'
import { tracingPlugin } from 'tracing-middleware/fastify'
import { installTracer, serve } from './tracer.js'

await installTracer('stock')

const app = Fastify()
await app.register(tracingPlugin)
app.get('/stock/:sku', async request => {
  const { sku } = request.params
  return withSpan('look at the shelf', { tags: { shelf: 'B7' } }, async span => {
    await sleep(sku === 'far-away' ? 400 : 10)
    if (sku === 'broken') throw new Error('the shelf has collapsed')
    span.log({ event: 'counted', left: 5 })
    return { left: 5 }
  })
})
await app.ready()
serve(app.server)
