import { networkInterfaces } from 'node:os'
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

const everyLacks: Record<string, string> = Object.values(networkInterfaces())
  .flat()
  .some(address => address?.address === '::1')
  ? {}
  : { 'R-IPV6': 'this machine has no IPv6', 'R-IPV4-MAPPED': 'the same' }
const expressLacks = {
  ...everyLacks,
  'R-H2-STREAMS':
    'Express replaces the prototypes of request and response, and breaks HTTP/2 by that on its own',
  'R-H2-RESET': 'the same',
  'R-H2-EVENTS': 'the same',
}
const fastifyLacks = {
  ...everyLacks,
  'R-PERCENT-PATH': 'Fastify answers a path that cannot be decoded before its first hook',
  'R-THROW-AFTER-HEADERS': 'Fastify tells what is thrown behind hijack() to its log alone',
}

export const hosts: Host[] = [
  expressHost('Express 5', express, expressLacks),
  expressHost('Express 4', express4 as unknown as typeof express, expressLacks),
  koaHost('Koa 3', Koa, everyLacks),
  koaHost('Koa 2', Koa2 as unknown as typeof Koa, everyLacks),
  fastifyHost('Fastify 5', fastify, fastifyLacks),
  fastifyHost('Fastify 4', fastify4 as unknown as typeof fastify, fastifyLacks),
]
