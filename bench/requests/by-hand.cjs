// The least that anybody could write: bounds to measure against, and no more than that. They miss aborted requests, thrown
// errors, routes, privacy and everything else that makes tracing safe.

const { AsyncLocalStorage } = require('node:async_hooks')
const { randomBytes } = require('node:crypto')
const opentracing = require('opentracing')
const { otlpByHand } = require('./otlp-by-hand.cjs')

const storage = new AsyncLocalStorage()
/** Runs `run` with `store` as what the calls in it find. */
const inside = (store, run) => storage.run(store, run)
// SpanKind, https://github.com/open-telemetry/opentelemetry-proto/blob/v1.7.0/opentelemetry/proto/trace/v1/trace.proto
const SERVER = 2
const CLIENT = 3

/** Puts `around(req, res, next)` before the routes of any of the three frameworks. */
const beginOf = {
  express: around => app => app.use(around),
  koa: around => app => app.use((ctx, next) => around(ctx.req, ctx.res, next)),
  fastify: around => app =>
    app.addHook('onRequest', (request, reply, next) => {
      around(request.raw, reply.raw, next)
    }),
}

/** Context alone: the caller's ids are taken on and passed on; nothing is recorded. */
function smallest(framework) {
  return {
    begin: beginOf[framework]((req, res, next) => {
      const { traceparent } = req.headers
      const context = { traceId: traceparent?.slice(3, 35), parentId: traceparent?.slice(36, 52), status: 0 }
      res.on('close', () => {
        context.status = res.statusCode
      })
      return storage.run(context, next)
    }),
    fetch: fetchInTrace,
  }
}

/** With the caller's own ids: no span is made of the call. */
function fetchInTrace(url) {
  const { traceId, parentId } = storage.getStore()
  return fetch(url, { headers: { traceparent: `00-${traceId}-${parentId}-01` } })
}

function newTrace() {
  return { traceId: randomBytes(16).toString('hex'), parentId: randomBytes(8).toString('hex') }
}

/** Context, ids, eight tags, OTLP in protocol buffers, sent in batches: what a trace takes, without anything that is ours. */
function smallestOtlp(framework, { ports }) {
  const { nextId, span, flush } = otlpByHand(ports, SERVER, (tag, req, res) => {
    tag('http.request.method', req.method)
    tag('url.scheme', 'http')
    tag('url.path', req.url)
    tag('server.address', req.headers.host)
    tag('network.peer.address', req.socket.remoteAddress)
    tag('network.peer.port', req.socket.remotePort)
    tag('component', framework)
    tag('http.response.status_code', res.statusCode)
  })
  return {
    begin: beginOf[framework]((req, res, next) => {
      const { traceparent } = req.headers
      const context = {
        traceId: traceparent.slice(3, 35),
        parentId: traceparent.slice(36, 52),
        start: performance.now(),
      }
      res.on('close', () => span(req.method, context, nextId(), req, res))
      return storage.run(context, next)
    }),
    fetch: fetchInTrace,
    flush,
  }
}

/** The same for calls: one span each, and its ids in the header. */
function smallestCalls({ ports }) {
  const { nextId, span, flush } = otlpByHand(ports, CLIENT, (tag, url, { status }) => {
    tag('http.request.method', 'GET')
    tag('url.full', url)
    tag('server.address', '127.0.0.1')
    tag('server.port', ports.next)
    tag('component', 'fetch')
    tag('http.response.status_code', status)
  })
  return {
    inside: run => inside(newTrace(), run),
    fetch: async url => {
      const { traceId, parentId } = storage.getStore()
      const id = Buffer.from(nextId())
      const context = { traceId, parentId, start: performance.now() }
      const answer = await fetch(url, { headers: { traceparent: `00-${traceId}-${id.hexSlice()}-01` } })
      span('GET', context, id, url, answer)
      return answer
    },
    flush,
  }
}

/** A span with the tags that a trace cannot do without, over any OpenTracing tracer. */
function smallestOver(framework, tracer) {
  return {
    begin: beginOf[framework]((req, res, next) => {
      const span = tracer.startSpan(req.method, {
        childOf: tracer.extract(opentracing.FORMAT_HTTP_HEADERS, req.headers),
        tags: { 'span.kind': 'server', 'http.method': req.method, 'http.url': req.url },
      })
      res.on('close', () => {
        span.setTag('http.status_code', res.statusCode)
        span.finish()
      })
      return storage.run(span, next)
    }),
    fetch: url => fetchInSpan(tracer, url),
  }
}

function fetchInSpan(tracer, url) {
  return fetchBelow(tracer, storage.getStore(), url)
}

async function fetchBelow(tracer, parent, url) {
  const span = tracer.startSpan('GET', {
    childOf: parent,
    tags: { 'span.kind': 'client', 'http.method': 'GET', 'http.url': url },
  })
  const headers = {}
  tracer.inject(span, opentracing.FORMAT_HTTP_HEADERS, headers)
  const answer = await fetch(url, { headers })
  span.setTag('http.status_code', answer.status)
  span.finish()
  return answer
}

class HollowSpan extends opentracing.Span {
  constructor(tracer) {
    super()
    this.from = tracer
  }
  _tracer() {
    return this.from
  }
}

class HollowTracer extends opentracing.Tracer {
  _startSpan() {
    return new HollowSpan(this)
  }
  _inject() {}
  _extract() {
    return null
  }
}

/** What remains is the cost of core and adapter. */
function hollowTracer() {
  return new HollowTracer()
}

module.exports = {
  fetchBelow,
  fetchInSpan,
  fetchInTrace,
  hollowTracer,
  inside,
  newTrace,
  smallest,
  smallestCalls,
  smallestOtlp,
  smallestOver,
}
