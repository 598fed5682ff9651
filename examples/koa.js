// Koa, traced to an OTLP collector on this machine: node examples/koa.js, then ask for http://localhost:3000/users/42

import Router from '@koa/router'
import Koa from 'koa'
import { activeSpan, withSpan } from 'tracing-middleware'
import { tracingMiddleware } from 'tracing-middleware/koa'
import { createTracer } from 'tracing-middleware/tracer'

const tracer = createTracer({ serviceName: 'koa-example' })

const app = new Koa()
app.use(tracingMiddleware({ tracer, ignore: '/health' }))

const router = new Router()
router.get('/health', ctx => {
  ctx.body = 'ok'
})
router.get('/users/:id', async ctx => {
  activeSpan()?.setTag('user.id', ctx.params.id)
  ctx.body = await withSpan('load user', () => ({ id: ctx.params.id, name: 'Ada' }))
})
router.get('/boom', () => {
  throw new Error('boom')
})

app.use(router.routes())
app.listen(process.env.PORT ?? 3000, function () {
  console.log(`listening on ${this.address().port}`)
})
