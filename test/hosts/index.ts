import express from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import fastify4 from 'fastify4'
import Koa from 'koa'
import Koa2 from 'koa2'
import { expressHost } from './express.ts'
import { fastifyHost } from './fastify.ts'
import { koaHost } from './koa.ts'
import type { Host } from './sample.ts'

export const hosts: Host[] = [
  expressHost('Express 5', express),
  expressHost('Express 4', express4 as unknown as typeof express),
  koaHost('Koa 3', Koa),
  koaHost('Koa 2', Koa2 as unknown as typeof Koa),
  fastifyHost('Fastify 5', fastify),
  fastifyHost('Fastify 4', fastify4 as unknown as typeof fastify),
]
