// The cases of pieces.js, in groups that do the same work. A case is made with the package's folder and gives `run(i)`,
// one operation; what it returns is looked at, so that no compiler leaves it out. `isAsync`: the operation is awaited;
// `without(i)`: what of it is not to be counted.

import { createRequire } from 'node:module'
import { Socket } from 'node:net'

const require = createRequire(import.meta.url)
const http = require('node:http')
const { entry } = require('./requests/entry.cjs')

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const SPAN_ID = 'b7ad6b7169203331'
// Many, and flat as a parser makes them: one text alone would be remembered by whoever compiles the code.
const many = make => Array.from({ length: 1024 }, (_, i) => Buffer.from(make(i)).toString())
const URLS = many(i => `/users/${10_000 + i}`)
const PARENTS = many(i => `00-${TRACE_ID}-${SPAN_ID.slice(0, 12)}${(4096 + i).toString(16)}-01`)
const JAEGER_PARENTS = many(i => `${TRACE_ID}:${SPAN_ID.slice(0, 12)}${(4096 + i).toString(16)}:0:1`)
const headersOf = i => ({
  host: '127.0.0.1:3000',
  accept: 'application/json',
  'user-agent': 'bench',
  traceparent: PARENTS[i & 1023],
  'uber-trace-id': JAEGER_PARENTS[i & 1023],
})

export const groups = {
  'an exchange: begin, run, close': {
    // What Node itself does for it, to be taken off.
    without: 'no tracing',
    cases: {
      'no tracing': () => ({ run: i => exchange(i, (_req, _res, next) => next()) }),
      'ours: no tracer installed': dist => oursAround(dist, {}),
      'ours: a tracer that does nothing': dist => oursAround(dist, { tracer: hollowTracer() }),
      'ours: our tracer, not sampled': async dist =>
        oursAround(dist, { tracer: await ourTracer(dist, { sampler: 'neverSampler', parentBased: false }) }),
      'ours: our tracer, recorded': async dist => oursAround(dist, { tracer: await ourTracer(dist) }),
      'by hand: AsyncLocalStorage alone': () => {
        const { smallest } = require('./requests/by-hand.cjs')
        return around(smallest('express'))
      },
      'express-opentracing: a tracer that does nothing': () => {
        const middleware = require('express-opentracing').default({ tracer: hollowTracer() })
        return { run: i => exchange(i, middleware) }
      },
      "OpenTelemetry's HTTP instrumentation, recorded": openTelemetryAround,
    },
  },

  'redactUrl: nothing to redact': {
    cases: {
      ours: async dist => redact(dist, i => `http://127.0.0.1:3000${URLS[i & 1023]}`),
      'new URL(url).href': () => ({ run: i => new URL(`http://127.0.0.1:3000${URLS[i & 1023]}`).href }),
    },
  },
  'redactUrl: three pairs, one of them a secret': {
    cases: {
      ours: async dist =>
        redact(dist, i => `http://127.0.0.1:3000${URLS[i & 1023]}?page=2&token=abc&q=x%20y`),
      'new URL(url), searchParams': () => ({
        run: i => {
          const url = new URL(`http://127.0.0.1:3000${URLS[i & 1023]}?page=2&token=abc&q=x%20y`)
          if (url.searchParams.has('token')) url.searchParams.set('token', 'REDACTED')
          return url.href
        },
      }),
    },
  },

  'extract: traceparent and uber-trace-id among five headers': {
    cases: {
      'ours: all formats': async dist => oursExtract(dist, undefined),
      'ours: tracecontext alone': async dist => oursExtract(dist, { extract: ['tracecontext'] }),
      'by hand: traceparent': () => ({
        run: i => {
          const text = headersOf(i).traceparent
          const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text)
          return match && { traceId: match[1], spanId: match[2], sampled: (Number(match[3]) & 1) === 1 }
        },
      }),
      'OpenTelemetry: W3C': () => {
        const { W3CTraceContextPropagator } = require('@opentelemetry/core')
        const { ROOT_CONTEXT, defaultTextMapGetter } = require('@opentelemetry/api')
        const propagator = new W3CTraceContextPropagator()
        return { run: i => propagator.extract(ROOT_CONTEXT, headersOf(i), defaultTextMapGetter) }
      },
      'jaeger-client: uber-trace-id': () => {
        const tracer = jaegerTracer()
        return { run: i => tracer.extract('http_headers', headersOf(i)) }
      },
    },
  },
  inject: {
    cases: {
      'ours: traceparent and uber-trace-id': async dist => oursInject(dist, undefined),
      'ours: tracecontext alone': async dist => oursInject(dist, { inject: ['tracecontext'] }),
      'OpenTelemetry: W3C': () => {
        const { W3CTraceContextPropagator } = require('@opentelemetry/core')
        const { ROOT_CONTEXT, defaultTextMapSetter, trace } = require('@opentelemetry/api')
        const propagator = new W3CTraceContextPropagator()
        const start = i =>
          trace.setSpanContext(ROOT_CONTEXT, {
            traceId: TRACE_ID,
            spanId: PARENTS[i & 1023].slice(36, 52),
            traceFlags: 1,
          })
        return {
          run: i => {
            const carrier = {}
            propagator.inject(start(i), carrier, defaultTextMapSetter)
            return carrier
          },
          without: start,
        }
      },
      'jaeger-client: uber-trace-id': () => injectWith(jaegerTracer()),
    },
  },

  'withSpan around a function': {
    cases: {
      'ours: our tracer, recorded': async dist => oursWithSpan(dist, await ourTracer(dist), () => 1),
      'ours: no tracer installed': async dist => oursWithSpan(dist, undefined, () => 1),
      "OpenTelemetry's startActiveSpan, recorded": () => openTelemetryActive(() => 1),
    },
  },
  'withSpan around an async function': {
    cases: {
      'ours: our tracer, recorded': async dist => ({
        ...(await oursWithSpan(dist, await ourTracer(dist), async () => 1)),
        isAsync: true,
      }),
      "OpenTelemetry's startActiveSpan, recorded": () => ({
        ...openTelemetryActive(async () => 1),
        isAsync: true,
      }),
    },
  },

  'tracedFetch, over a fetch that answers at once': {
    without: 'that fetch alone',
    cases: {
      'that fetch alone': () => ({ run: i => answerAtOnce(urlFor(i)), isAsync: true }),
      'ours: our tracer, recorded': async dist => oursFetch(dist, await ourTracer(dist)),
      'ours: a tracer that does nothing': dist => oursFetch(dist, hollowTracer()),
      "OpenTelemetry's undici instrumentation, recorded": openTelemetryFetch,
    },
  },

  'attributes: headers.x-tenant and params.id': {
    cases: {
      'ours: tracedRequestAttributes': oursAttributes,
      'by hand: two tags': () => ({
        run: i => {
          const request = requestWithAttributes(i)
          return { 'headers.x-tenant': request.req.headers['x-tenant'], 'params.id': request.params.id }
        },
      }),
    },
  },
}

// An exchange without a network: Node's own request and response on a socket that goes nowhere.

const socket = new Socket()
Object.defineProperty(socket, 'remoteAddress', { value: '127.0.0.1' })
Object.defineProperty(socket, 'remotePort', { value: 40_000 })

function exchange(i, handle) {
  const req = new http.IncomingMessage(socket)
  req.method = 'GET'
  req.url = URLS[i & 1023]
  req.headers = headersOf(i)
  const res = new http.ServerResponse(req)
  res.socket = socket
  let seen = 0
  handle(req, res, () => {
    seen++
  })
  res.statusCode = 200
  res.finished = true
  res.emit('finish')
  res.emit('close')
  return seen
}

async function oursAround(dist, options) {
  const { createServerTracing } = await import(entry(dist, 'adapter'))
  const framework = { component: 'bench', usage: 'bench', route: () => '/users/:id', read: () => undefined }
  const tracing = createServerTracing(framework, options)
  return {
    run: i =>
      exchange(i, (req, res, next) => {
        tracing.begin({ req, res, target: req.url, request: req }).run(next)
      }),
  }
}

/** A variant that is written for Express, without Express. */
function around({ begin }) {
  let middleware
  begin({
    use: handler => {
      middleware = handler
    },
  })
  return { run: i => exchange(i, middleware) }
}

function openTelemetryAround() {
  const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
  openTelemetryProvider(new HttpInstrumentation())
  // A server of its own, required after the instrumentation, as in an app.
  const server = require('node:http').createServer()
  return {
    run: i =>
      exchange(i, (req, res, next) => {
        server.removeAllListeners('request')
        server.on('request', next)
        server.emit('request', req, res)
      }),
  }
}

// Tracers.

function hollowTracer() {
  return require('./requests/by-hand.cjs').hollowTracer()
}

async function ourTracer(dist, { sampler = 'alwaysSampler', ...options } = {}) {
  const tracing = await import(entry(dist, 'tracer'))
  // Recorded and thrown away: encoding is measured in span.js.
  const exporter = { export: () => {} }
  return tracing.createTracer({ serviceName: 'bench', exporter, sampler: tracing[sampler](), ...options })
}

function jaegerTracer() {
  const { initTracer } = require('jaeger-client')
  return initTracer(
    { serviceName: 'bench', sampler: { type: 'const', param: 1 } },
    { reporter: { setProcess() {}, report() {}, close() {} } },
  )
}

function openTelemetryProvider(instrumentation) {
  const { registerInstrumentations } = require('@opentelemetry/instrumentation')
  const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node')
  const tracerProvider = new NodeTracerProvider()
  tracerProvider.register()
  if (instrumentation) registerInstrumentations({ tracerProvider, instrumentations: [instrumentation] })
  return tracerProvider
}

// The other pieces.

async function redact(dist, urlOf) {
  const { redactUrl } = await import(entry(dist, ''))
  return { run: i => redactUrl(urlOf(i)) }
}

async function oursExtract(dist, propagation) {
  const { createPropagation } = await import(`${dist}/propagation/index.js`)
  const { extract } = createPropagation(propagation)
  return { run: i => extract(headersOf(i)) }
}

async function oursInject(dist, propagation) {
  return injectWith(await ourTracer(dist, { propagation }))
}

/** A fresh span for each, whose start is taken off: a context keeps the text that was once made of it. */
function injectWith(tracer) {
  const parent = tracer.extract('http_headers', headersOf(0))
  const start = () => tracer.startSpan('x', { childOf: parent })
  return {
    run: () => {
      const carrier = {}
      tracer.inject(start().context(), 'http_headers', carrier)
      return carrier
    },
    without: start,
  }
}

async function oursWithSpan(dist, tracer, fn) {
  const { withSpan } = await import(entry(dist, ''))
  if (tracer !== undefined) await makeGlobal(dist, tracer)
  return { run: () => withSpan('work', fn) }
}

function openTelemetryActive(fn) {
  const tracer = openTelemetryProvider().getTracer('bench')
  return {
    run: () =>
      tracer.startActiveSpan('work', span => {
        const result = fn()
        if (typeof result !== 'object') span.end()
        else result.finally(() => span.end())
        return result
      }),
  }
}

/** The same copy of opentracing as the package's own. */
async function makeGlobal(dist, tracer) {
  const { createRequire } = await import('node:module')
  createRequire(`${dist}/tracer/index.js`)('opentracing').initGlobalTracer(tracer)
}

const ANSWER = new Response('{}')
const answerAtOnce = () => Promise.resolve(ANSWER)
const urlFor = i => `http://127.0.0.1:3000${URLS[i & 1023]}`

async function oursFetch(dist, tracer) {
  const { createTracedFetch } = await import(entry(dist, 'fetch'))
  const fetch = createTracedFetch({ tracer, fetch: answerAtOnce })
  return { run: i => fetch(urlFor(i)), isAsync: true }
}

/** What undici tells its channels about a request is all that this instrumentation sees of it. */
function openTelemetryFetch() {
  const { channel } = require('node:diagnostics_channel')
  const { UndiciInstrumentation } = require('@opentelemetry/instrumentation-undici')
  openTelemetryProvider(new UndiciInstrumentation())
  const create = channel('undici:request:create')
  const sendHeaders = channel('undici:client:sendHeaders')
  const headers = channel('undici:request:headers')
  const trailers = channel('undici:request:trailers')
  return {
    isAsync: true,
    run: i => {
      const request = { origin: 'http://127.0.0.1:3000', path: URLS[i & 1023], method: 'GET', headers: [] }
      create.publish({ request })
      sendHeaders.publish({ request, socket })
      headers.publish({ request, response: { statusCode: 200, headers: [] } })
      trailers.publish({ request, trailers: [] })
      return answerAtOnce()
    },
  }
}

const requestWithAttributes = i => ({
  params: { id: URLS[i & 1023] },
  req: { headers: { host: 'x', 'x-tenant': URLS[(i + 7) & 1023] } },
})

async function oursAttributes(dist) {
  const { parseAttributes, readAttributes } = await import(`${dist}/core/server/attributes.js`)
  const { createIsSecret } = await import(entry(dist, ''))
  const attributes = parseAttributes(['headers.x-tenant', 'params.id'])
  const secret = createIsSecret()
  return {
    run: i => {
      const request = requestWithAttributes(i)
      const tags = {}
      const source = { req: request.req, target: '/', read: name => request[name] }
      readAttributes(attributes, source, secret, throwIt, tags)
      return tags
    },
  }
}

function throwIt(place, error) {
  throw new Error(place, { cause: error })
}
