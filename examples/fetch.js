// A service that asks another one with traced fetch, both in this process: node examples/fetch.js, then ask for
// http://localhost:3000/users/42. One trace: GET /users/:id, the outbound GET, and GET /profiles/:id.

import express from 'express'
import { tracingErrorMiddleware, tracingMiddleware } from 'tracing-middleware/express'
import { createTracedFetch } from 'tracing-middleware/fetch'
import { createTracer } from 'tracing-middleware/tracer'

const tracer = createTracer({ serviceName: 'fetch-example' })

const profiles = express()
profiles.use(tracingMiddleware({ tracer }))
profiles.get('/profiles/:id', (req, res) => res.json({ id: req.params.id, name: 'Ada' }))
const { port } = await new Promise(resolve => {
  const server = profiles.listen(0, '127.0.0.1', () => resolve(server.address()))
})

const fetch = createTracedFetch({ peerService: 'profiles', propagate: [`http://127.0.0.1:${port}`] })

const app = express()
app.use(tracingMiddleware({ tracer }))
app.get('/users/:id', async (req, res) => {
  const answer = await fetch(`http://127.0.0.1:${port}/profiles/${req.params.id}`, {
    signal: AbortSignal.timeout(2000),
  })
  res.status(answer.status).json(await answer.json())
})
app.use(tracingErrorMiddleware())
app.listen(process.env.PORT ?? 3000, function () {
  console.log(`listening on ${this.address().port}`)
})
