// A CommonJS project: real requests through Koa and Fastify, and the copy that `import` gives sees the same span.
const assert = require('node:assert/strict')
const Koa = require('koa')
const Fastify = require('fastify')
const { activeSpan } = require('tracing-middleware')
const { tracingMiddleware } = require('tracing-middleware/koa')
const tracingPlugin = require('tracing-middleware/fastify')
const { recordingTracer } = require('tracing-middleware/testing')

async function main() {
  const imported = await import('tracing-middleware')
  const tracer = recordingTracer()
  const seen = []
  const look = () => seen.push(activeSpan() !== undefined && imported.activeSpan() === activeSpan())

  const koa = new Koa()
  koa.use(tracingMiddleware({ tracer }))
  koa.use(ctx => {
    look()
    ctx.body = 'ok'
  })
  const server = koa.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text()
  server.close()

  const fastify = Fastify()
  fastify.register(tracingPlugin, { tracer })
  fastify.get('/users/:id', async () => {
    look()
    return 'ok'
  })
  const address = await fastify.listen({ port: 0, host: '127.0.0.1' })
  await (await fetch(`${address}/users/1`)).text()
  await fastify.close()

  assert.deepEqual(seen, [true, true])
  assert.deepEqual(
    tracer.finishedSpans.map(span => span.operationName),
    ['GET', 'GET /users/:id'],
  )
  console.log('served')
}
main()
