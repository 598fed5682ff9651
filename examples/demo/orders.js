// Orders: Koa. Loads an order, then asks the stock service for its goods.

import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import Router from '@koa/router'
import Koa from 'koa'
import { withSpan } from 'tracing-middleware'
import { tracedFetch } from 'tracing-middleware/fetch'
import { tracingMiddleware } from 'tracing-middleware/koa'
import { installTracer, serve } from './tracer.js'

await installTracer('orders')

const app = new Koa()
app.silent = true // the demo prints the errors itself, as traces
app.use(tracingMiddleware({ tracedRequestAttributes: ['params.id=order.id'] }))

const router = new Router({ prefix: '/orders' })
router.get('/:id', async ctx => {
  const customer = new AbortController()
  ctx.res.on('close', () => customer.abort())
  const order = await withSpan('load order', { tags: { 'db.type': 'sql' } }, async () => {
    await sleep(15)
    return { id: ctx.params.id, sku: ctx.params.id }
  })
  const answer = await tracedFetch(`${process.env.STOCK}/stock/${order.sku}`, { signal: customer.signal })
  if (!answer.ok) ctx.throw(502, `stock answered ${answer.status}`)
  ctx.body = { ...order, ...(await answer.json()) }
})
app.use(router.routes())
serve(createServer(app.callback()))
