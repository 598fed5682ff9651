// A strict TypeScript project in CommonJS: every entry, with the types of the frameworks.
import express = require('express')
import Fastify = require('fastify')
import Koa = require('koa')
import core = require('tracing-middleware')
import expressTracing = require('tracing-middleware/express')
import fastifyTracing = require('tracing-middleware/fastify')
import fetchTracing = require('tracing-middleware/fetch')
import jaeger = require('tracing-middleware/jaeger')
import koaTracing = require('tracing-middleware/koa')
import testing = require('tracing-middleware/testing')
import tracer = require('tracing-middleware/tracer')

const recording = testing.recordingTracer()
express()
  .use(expressTracing.tracingMiddleware({ tracer: recording }))
  .use(expressTracing.tracingErrorMiddleware())
new Koa().use(koaTracing.tracingMiddleware({ tracer: recording }))
void Fastify().register(fastifyTracing.tracingPlugin, { tracer: recording })
const same: typeof fetch = fetchTracing.tracedFetch
const length: number = core.withSpan('work', () => [same]).length
void [length, jaeger.initJaegerTracer, tracer.createTracer]
