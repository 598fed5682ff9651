// A strict TypeScript project in ES modules: every entry, with the types of the frameworks in the callbacks.
import express, { type Request } from 'express'
import Fastify from 'fastify'
import Koa, { type Context } from 'koa'
import type { Span } from 'opentracing'
import {
  activeSpan,
  bindSpan,
  getSpan,
  type ServerTracingOptions,
  traced,
  withSpan,
} from 'tracing-middleware'
import { tracingErrorMiddleware, tracingMiddleware } from 'tracing-middleware/express'
import tracingPlugin, { tracingPlugin as samePlugin } from 'tracing-middleware/fastify'
import { createTracedFetch, tracedFetch } from 'tracing-middleware/fetch'
import { initJaegerTracer } from 'tracing-middleware/jaeger'
import { tracingMiddleware as koaTracing } from 'tracing-middleware/koa'
import { openTelemetryTracer } from 'tracing-middleware/opentelemetry'
import { recordingTracer } from 'tracing-middleware/testing'
import { createTracer } from 'tracing-middleware/tracer'

const tracer = recordingTracer()
const app = express()
app.use(
  tracingMiddleware({
    tracer,
    samplingPriority: ({ request }) => (request.query.debug === 'true' ? 1 : undefined),
    operationName: ({ request, route }) => `${request.method} ${route ?? 'nowhere'}`,
    decorateSpan(state) {
      if (state.phase === 'end') state.span.setTag('status', state.statusCode ?? 0)
    },
  }),
)
app.get('/', (req, res) => {
  const span: Span | undefined = getSpan(req) ?? activeSpan()
  res.json({ traced: span !== undefined })
})
app.use(tracingErrorMiddleware())

new Koa().use(koaTracing({ ignore: ({ request: ctx }) => ctx.get('user-agent') === 'probe' }))
const fastify = Fastify()
void fastify.register(tracingPlugin, {
  tracer,
  samplingPriority: ({ request }) => (request.routeOptions.url ? 1 : 0),
})
void fastify.register(samePlugin)
fastify.get('/health', { config: { tracing: false } }, async () => 'ok')
fastify.get('/search', { config: { tracing: { tags: { kind: 'search' } } } }, async () => 'ok')

const options: ServerTracingOptions<Request> = { isError: ({ statusCode = 0 }) => statusCode >= 400 }
const koaOptions: ServerTracingOptions<Context> = {}
// @ts-expect-error an unknown option is a type error
const wrong: ServerTracingOptions = { ignored: ['/health'] }
// @ts-expect-error exactOptionalPropertyTypes: an option is given or left out
const undefinedTags: ServerTracingOptions = { tags: undefined }

const text: string = withSpan('sync', () => 'text')
const promise: Promise<number> = withSpan(
  'async',
  { tags: { a: 1 } },
  async span => span.log({ event: 'x' }) && 1,
)
const add = traced('add', (a: number, b: number): number => a + b)
const sum: number = add(1, 2)
// @ts-expect-error the wrapped function keeps its parameters
add('1')
class Orders {
  @traced()
  place(id: string): string {
    return id
  }
}
const placed: string = new Orders().place('7')
const listener: (event: string) => void = bindSpan((_event: string) => {})
const same: typeof fetch = createTracedFetch()
void [options, koaOptions, wrong, undefinedTags, text, promise, sum, placed, listener, same, tracedFetch]
void [initJaegerTracer, createTracer, openTelemetryTracer]
