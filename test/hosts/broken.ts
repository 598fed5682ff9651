// Hosts that are broken on purpose, each in the way of an adapter that somebody has published: they prove that the rows
// can turn red. Ours is underneath, so that what is red comes from the one thing that is broken.

import type { ServerResponse } from 'node:http'
import express from 'express'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastify from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import Koa from 'koa'
import { getHandling, getSpan } from '../../src/core/server/index.ts'
import * as ours from '../../src/express/index.ts'
import { tracingPlugin } from '../../src/fastify/index.ts'
import { tracingMiddleware as oursOfKoa } from '../../src/koa/index.ts'
import { expressHost } from './express.ts'
import { fastifyHost } from './fastify.ts'
import { koaHost } from './koa.ts'
import type { Host } from './sample.ts'

/** Does something wrong with a request that has begun; what it gives back is done when the app has handled it. */
type Wrong = (request: object, response: ServerResponse) => undefined | (() => void)

interface Broken {
  how: string
  hosts: Host[]
  /** The rows among `sentinels` that must turn red, and no others; default: all that want a span. */
  red?: string[]
}

/** Rows from every corner of the table, which each broken host is run on. */
export const sentinels: string[] = [
  'R-TAGS',
  'R-404',
  'R-CONTINUE',
  'R-MOUNT-TEMPLATE',
  'R-THROW-ERROR',
  'R-THROW-OWN-HANDLER',
  'R-ABORT-DURING',
  'R-STREAM-TIME',
  'R-HTTP10',
  'R-WEBSOCKET',
  'R-ACTIVE',
  'R-KEEP-ALIVE',
  'R-LETS-GO',
  'R-IGNORE',
  'R-RESPONSE-HEADER',
]

function expressWith(wrong: Wrong, tracingErrorMiddleware = ours.tracingErrorMiddleware): Host {
  const tracingMiddleware: typeof ours.tracingMiddleware = options => {
    const middleware = ours.tracingMiddleware(options)
    return (req, res, next) =>
      middleware(req, res, () => {
        const then = wrong(req, res)
        next()
        then?.()
      })
  }
  return expressHost('Express 5', express, {}, { tracingMiddleware, tracingErrorMiddleware })
}

function koaWith(wrong: Wrong, around = (next: () => Promise<unknown>) => next()): Host {
  const tracingMiddleware: typeof oursOfKoa = options => {
    const middleware = oursOfKoa(options)
    return (ctx, next) =>
      around(async () =>
        middleware(ctx, async () => {
          const then = wrong(ctx, ctx.res)
          try {
            await next()
          } finally {
            then?.()
          }
        }),
      )
  }
  return koaHost('Koa 3', Koa, {}, { tracingMiddleware })
}

function fastifyWith(wrong: Wrong, more: (app: FastifyInstance) => void = () => {}): Host {
  const plugin: FastifyPluginAsync = async (app, options) => {
    const thens = new WeakMap<object, () => void>()
    await app.register(tracingPlugin, options)
    app.addHook('onRequest', async (request, reply) => {
      const then = wrong(request, reply.raw)
      if (then !== undefined) thens.set(request, then)
    })
    app.addHook('preHandler', async request => thens.get(request)?.())
    more(app)
  }
  return fastifyHost('Fastify 5', fastify, {}, { tracingPlugin: fastifyPlugin(plugin) })
}

const inEach = (wrong: Wrong): Host[] => [expressWith(wrong), koaWith(wrong), fastifyWith(wrong)]
const nothing: Wrong = () => undefined

const kept: unknown[] = []

export const brokenHosts: Broken[] = [
  {
    how: 'never begins',
    hosts: [
      expressHost(
        'Express 5',
        express,
        {},
        {
          tracingMiddleware: () => (_req, _res, next) => next(),
          tracingErrorMiddleware: ours.tracingErrorMiddleware,
        },
      ),
      koaHost('Koa 3', Koa, {}, { tracingMiddleware: () => (_ctx, next) => next() }),
      fastifyHost('Fastify 5', fastify, {}, { tracingPlugin: async () => {} }),
    ],
  },
  {
    how: 'never fails',
    hosts: inEach(request => {
      const handling = getHandling(request)
      if (handling !== undefined) handling.fail = () => {}
      return undefined
    }),
    red: ['R-THROW-ERROR', 'R-THROW-OWN-HANDLER'],
  },
  {
    how: 'swallows the error',
    hosts: [
      expressWith(nothing, () => (_error, _req, _res, next) => next()),
      koaWith(nothing, next => next().catch(() => {})),
      fastifyWith(nothing, app =>
        app.addHook('onRoute', route => {
          const { handler } = route
          route.handler = async function (request, reply) {
            try {
              return await handler.call(this, request, reply)
            } catch {
              return ''
            }
          }
        }),
      ),
    ],
    red: ['R-THROW-ERROR', 'R-THROW-OWN-HANDLER', 'R-RESPONSE-HEADER'],
  },
  {
    how: 'ends the span itself, early',
    hosts: inEach(request => () => getSpan(request)?.finish()),
  },
  {
    how: 'names by the path',
    hosts: inEach(request => {
      const { originalUrl, url } = request as { originalUrl?: string; url: string }
      getSpan(request)?.setOperationName(`GET ${originalUrl ?? url}`)
      return undefined
    }),
    red: ['R-TAGS', 'R-404', 'R-MOUNT-TEMPLATE'],
  },
  {
    how: 'keeps what has ended',
    hosts: inEach(request => {
      kept.push(getSpan(request))
      return undefined
    }),
    red: ['R-LETS-GO'],
  },
  {
    how: 'adds a header',
    hosts: inEach((_request, response) => {
      response.setHeader('x-traced', 'yes')
      return undefined
    }),
    red: ['R-HTTP10', 'R-KEEP-ALIVE'],
  },
]
