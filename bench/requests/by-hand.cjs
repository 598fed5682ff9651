// The least that anybody could write: bounds to measure against, and no more than that. They miss aborted requests, thrown
// errors, routes, privacy and everything else that makes tracing safe.

const { AsyncLocalStorage } = require('node:async_hooks')
const { randomBytes } = require('node:crypto')
const http = require('node:http')
const opentracing = require('opentracing')

const storage = new AsyncLocalStorage()

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
    fetch: url => {
      const { traceId, parentId } = storage.getStore()
      return fetch(url, { headers: { traceparent: `00-${traceId}-${parentId}-01` } })
    },
  }
}

// Nothing of a request is kept but the bytes of its span, written when the response closes.
const SPANS_IN_BATCH = 512
const ROOM = 1024

/** Context, ids, eight tags, OTLP in protocol buffers, sent in batches: what a trace takes, without anything that is ours. */
function smallestOtlp(framework, { ports }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const origin = performance.timeOrigin
  const ids = randomBytes(8)
  let buffer = Buffer.allocUnsafeSlow(SPANS_IN_BATCH * ROOM)
  let spare = Buffer.allocUnsafeSlow(SPANS_IN_BATCH * ROOM)
  let at = 0
  let spans = 0
  let sent = Promise.resolve()

  const text = (tag, value) => {
    const { length } = value
    buffer[at] = tag
    buffer[at + 1] = length
    at += 2
    // For texts as short as these a loop is faster than a call out of JavaScript.
    for (let i = 0; i < length; i++) buffer[at++] = value.charCodeAt(i)
  }
  // KeyValue { key = 1, value = 2 { string_value = 1 or int_value = 3 } }; all of them are shorter than 128 bytes.
  const tag = (key, value) => {
    buffer[at] = 0x4a
    const start = at + 2
    at = start
    text(0x0a, key)
    buffer[at] = 0x12
    const inner = at + 2
    at = inner
    if (typeof value === 'string') {
      text(0x0a, value)
    } else {
      buffer[at++] = 0x18
      let rest = value
      for (; rest > 127; rest >>>= 7) buffer[at++] = (rest & 127) | 128
      buffer[at++] = rest
    }
    buffer[inner - 1] = at - inner
    buffer[start - 1] = at - start
  }
  const time = (tag, milliseconds) => {
    // In units of 65,536 ns, and the rest: a number holds no more than 53 bits.
    const upper = Math.floor((milliseconds * 1e6) / 65536)
    const lower = Math.round((milliseconds - upper * 0.065536) * 1e6) & 65535
    buffer[at] = tag
    buffer.writeUInt16LE(lower, at + 1)
    buffer.writeUIntLE(upper, at + 3, 6)
    at += 9
  }
  const span = (req, res, { traceId, parentId, start }) => {
    buffer[at] = 0x12
    const begin = at + 3
    at = begin
    buffer[at] = 0x0a
    buffer[at + 1] = 16
    at += 2 + buffer.hexWrite(traceId, at + 2)
    buffer[at] = 0x12
    buffer[at + 1] = 8
    ids.copy(buffer, at + 2)
    ids.writeUInt32LE((ids.readUInt32LE(0) + 0x9e3779b9) >>> 0, 0)
    at += 10
    buffer[at] = 0x22
    buffer[at + 1] = 8
    at += 2 + buffer.hexWrite(parentId, at + 2)
    text(0x2a, req.method)
    buffer[at] = 0x30
    buffer[at + 1] = 2
    at += 2
    time(0x39, origin + start)
    time(0x41, origin + performance.now())
    tag('http.request.method', req.method)
    tag('url.scheme', 'http')
    tag('url.path', req.url)
    tag('server.address', req.headers.host)
    tag('network.peer.address', req.socket.remoteAddress)
    tag('network.peer.port', req.socket.remotePort)
    tag('component', framework)
    tag('http.response.status_code', res.statusCode)
    const length = at - begin
    buffer[begin - 2] = (length & 127) | 128
    buffer[begin - 1] = length >> 7
    if (++spans === SPANS_IN_BATCH) send()
  }
  const send = () => {
    // ResourceSpans and ScopeSpans, each with a length of four bytes.
    const head = Buffer.alloc(10)
    const wide = (length, from) => {
      for (let i = 0; i < 4; i++) head[from + i] = ((length >> (7 * i)) & 127) | (i < 3 ? 128 : 0)
    }
    head[0] = 0x0a
    wide(at + 5, 1)
    head[5] = 0x12
    wide(at, 6)
    const body = buffer.subarray(0, at)
    ;[buffer, spare] = [spare, buffer]
    at = spans = 0
    const before = sent
    sent = new Promise((resolve, reject) => {
      const request = http.request({
        port: ports.otlp,
        host: '127.0.0.1',
        path: '/v1/traces',
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/x-protobuf', 'content-length': head.length + body.length },
      })
      request.on('response', response => response.resume().on('end', resolve))
      request.on('error', reject)
      request.write(head)
      request.end(body)
    })
    return Promise.all([before, sent])
  }
  return {
    begin: beginOf[framework]((req, res, next) => {
      const { traceparent } = req.headers
      const context = {
        traceId: traceparent.slice(3, 35),
        parentId: traceparent.slice(36, 52),
        start: performance.now(),
      }
      res.on('close', () => span(req, res, context))
      return storage.run(context, next)
    }),
    fetch: smallest(framework).fetch,
    flush: () => (spans > 0 ? send() : sent),
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
    fetch: url => fetchBelow(tracer, storage.getStore(), url),
  }
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

module.exports = { smallest, smallestOtlp, smallestOver, fetchBelow, hollowTracer }
