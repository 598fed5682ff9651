// Express, traced to an OTLP collector on this machine: node examples/express.js, then ask for http://localhost:3000/users/42

import express from 'express'
import { activeSpan, withSpan } from 'tracing-middleware'
import { tracingErrorMiddleware, tracingMiddleware } from 'tracing-middleware/express'
import { createTracer } from 'tracing-middleware/tracer'

const tracer = createTracer({ serviceName: 'express-example' })

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
