// An ES module project: a real request through each framework, and the copy that `require` gives sees the same span.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import express from 'express'
import { activeSpan } from 'tracing-middleware'
import { tracingMiddleware } from 'tracing-middleware/express'
import { recordingTracer } from 'tracing-middleware/testing'

const required = createRequire(import.meta.url)('tracing-middleware')
const tracer = recordingTracer()
const app = express()
app.use(tracingMiddleware({ tracer }))
app.get('/users/:id', (req, res) => {
  assert.notEqual(activeSpan(), undefined)
  assert.equal(required.activeSpan(), activeSpan())
  assert.equal(required.getSpan(req), activeSpan())
  res.send('ok')
})
const server = app.listen(0, '127.0.0.1', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/users/1`)
  assert.equal(await answer.text(), 'ok')
  server.close(() => {
    assert.deepEqual(
      tracer.finishedSpans.map(span => span.operationName),
      ['GET /users/:id'],
    )
    console.log('served')
  })
})
