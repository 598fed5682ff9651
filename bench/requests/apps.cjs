// The same small service in three frameworks, each with its defaults, as its own documentation starts one.
// CommonJS, since the peers' instrumentation takes hold of what is required.

// /wait answers when it is told to: until then its requests are in flight.
const waiting = []
const wait = () => new Promise(resolve => waiting.push(resolve))
const release = () => {
  for (const resolve of waiting.splice(0)) resolve({ waited: true })
}

/** What a variant may hook into: `begin` before the routes, `end` after them, `fetch` for the call to the next service. */
const apps = {
  async express({ begin, end, fetch }, next) {
    const express = require('express')
    const app = express()
    begin?.(app)
    app.get('/hello', (_req, res) => {
      res.json({ hello: 'world' })
    })
    app.get('/users/:id', (req, res) => {
      res.json({ id: req.params.id, name: 'Ada Lovelace' })
    })
    app.get('/wait', async (_req, res) => {
      res.json(await wait())
    })
    app.get('/chain', async (req, res) => {
      const answer = await fetch(next, req)
      res.json({ next: await answer.json() })
    })
    end?.(app)
    return listening(app.listen(0, '127.0.0.1'))
  },

  async koa({ begin, fetch }, next) {
    const Koa = require('koa')
    const { Router } = require('@koa/router')
    const app = new Koa()
    const router = new Router()
    begin?.(app)
    router.get('/hello', ctx => {
      ctx.body = { hello: 'world' }
    })
    router.get('/users/:id', ctx => {
      ctx.body = { id: ctx.params.id, name: 'Ada Lovelace' }
    })
    router.get('/wait', async ctx => {
      ctx.body = await wait()
    })
    router.get('/chain', async ctx => {
      const answer = await fetch(next, ctx)
      ctx.body = { next: await answer.json() }
    })
    app.use(router.routes())
    return listening(app.listen(0, '127.0.0.1'))
  },

  async fastify({ begin, fetch }, next) {
    const app = require('fastify')()
    await begin?.(app)
    app.get('/hello', async () => ({ hello: 'world' }))
    app.get('/users/:id', async request => ({ id: request.params.id, name: 'Ada Lovelace' }))
    app.get('/wait', wait)
    app.get('/chain', async request => {
      const answer = await fetch(next, request)
      return { next: await answer.json() }
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return app.server.address().port
  },
}

function listening(server) {
  return new Promise((resolve, reject) => {
    server.on('listening', () => resolve(server.address().port))
    server.on('error', reject)
  })
}

module.exports = { apps, waiting, release }
