// The front door: Express. Passes a checkout on to the orders service.

import { createServer } from 'node:http'
import express from 'express'
import { tracingErrorMiddleware, tracingMiddleware } from 'tracing-middleware/express'
import { tracedFetch } from 'tracing-middleware/fetch'
import { installTracer, serve } from './tracer.js'

await installTracer('gateway')

const app = express()
app.set('env', 'test') // the demo prints the errors itself, as traces
app.use(tracingMiddleware({ ignore: '/health' }))

app.get('/checkout/:order', async (req, res) => {
  // When the customer leaves, there is no reason to go on asking.
  const customer = new AbortController()
  res.on('close', () => customer.abort())
  const answer = await tracedFetch(`${process.env.ORDERS}/orders/${req.params.order}`, {
    signal: customer.signal,
  })
  if (!answer.ok) throw new Error(`orders answered ${answer.status}`)
  res.json(await answer.json())
})

app.use(tracingErrorMiddleware())
serve(createServer(app))
