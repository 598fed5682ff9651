// Whatever a caller sends as trace headers: the request is answered as without tracing, and continues a trace or starts
// one. The formats themselves are proven where they are read, in test/propagation*.test.ts and test/jaeger-headers.test.ts.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import http, { type IncomingMessage } from 'node:http'
import jaegerClient from 'jaeger-client'
import inject from 'light-my-request'
import type opentracing from 'opentracing'
import type { Tracer } from 'opentracing'
import { padTraceId } from '../../src/core/conventions/operation-name.ts'
import { activeSpan } from '../../src/core/scope.ts'
import { initJaegerTracer } from '../../src/jaeger/index.ts'
import { ask, eventually, raw } from '../support/client.ts'
import {
  CALLER_ID,
  CLOSE,
  caller,
  GET,
  hello,
  type Row,
  row,
  type Scene,
  type Seen,
  TRACE_ID,
} from './row.ts'

interface Vector {
  id: string
  carrier: Record<string, string>
  /** The parent's ids, padded; undefined where a new trace must start. */
  parent: { traceId: string; spanId: string } | undefined
}

interface Case {
  id: string
  carrier: Record<string, string>
  expect: string | { valid?: boolean; traceId?: string; spanId?: string }
}

function casesOf(name: string, list: string): Case[] {
  return JSON.parse(readFileSync(new URL(`../cases/${name}.json`, import.meta.url), 'utf8'))[list]
}

/** Cases that say which ids must come of them, and that a request of Node's can carry. */
const vectors: Vector[] = [
  ...casesOf('w3c', 'traceContext').filter(({ expect }) => expect === 'continue' || expect === 'restart'),
  ...casesOf('jaeger', 'extract').filter(({ carrier }) => 'uber-trace-id' in carrier),
  ...casesOf('b3', 'extract'),
].flatMap(({ id, carrier, expect }) => {
  const texts = Object.values(carrier)
  if (texts.some(text => typeof text !== 'string' || /[^ -~]/.test(text) || text.includes(' x '))) return []
  const [, traceId = '', spanId = ''] =
    /-([0-9a-f]{32})-([0-9a-f]{16})-/.exec(carrier.traceparent ?? '') ?? []
  if (expect === 'continue') return { id, carrier, parent: { traceId, spanId } }
  if (expect === 'restart') return { id, carrier, parent: undefined }
  if (typeof expect === 'string' || expect.valid === undefined) return []
  if (!expect.valid) return { id, carrier, parent: undefined }
  if (expect.traceId === undefined || expect.spanId === undefined) return []
  return { id, carrier, parent: { traceId: expect.traceId.padStart(32, '0'), spanId: expect.spanId } }
})

/** A request whose headers no HTTP client could send, as a custom server or a test double may make it. */
async function dispatch({ server }: Scene, change: (req: IncomingMessage) => void): Promise<number> {
  const answer = await inject(
    (req, res) => {
      change(req as unknown as IncomingMessage)
      server.emit('request', req, res)
    },
    { url: '/hello' },
  )
  return answer.statusCode
}

/** jaeger-client as it is, with its own codec, keeping its spans in memory. */
function plainJaeger(sampled: boolean): Tracer {
  // @types/jaeger-client tells of initTracer alone.
  const { Tracer, InMemoryReporter, ConstSampler } = jaegerClient as unknown as {
    Tracer: new (name: string, reporter: object, sampler: object) => Tracer
    InMemoryReporter: new () => object
    ConstSampler: new (decision: boolean) => object
  }
  return new Tracer('test', new InMemoryReporter(), new ConstSampler(sampled))
}

interface JaegerSpan {
  context(): opentracing.SpanContext & {
    parentIdStr?: string
    isDebug(): boolean
    isSampled(): boolean
  }
  _tags: { key: string; value: unknown }[]
}

function jaegerSpans({ options }: Seen): JaegerSpan[] {
  return (options.tracer as unknown as { _reporter: { spans: JaegerSpan[] } })._reporter.spans
}

function throwing(): object {
  return new Proxy<Record<string, string>>(
    { host: 'x' },
    {
      get(target, name) {
        if (name === 'uber-trace-id') throw new Error('a getter of somebody')
        return target[String(name)]
      },
    },
  )
}

export const headerRows: Row[] = [
  row({
    id: 'R-HEADER-CASE',
    title: 'header names in odd case (F018)',
    app: hello,
    request: port => raw(port, GET('/hello', `UBER-Trace-ID: ${caller['uber-trace-id']}\r\n${CLOSE}`)),
    unchanged: true,
    expect({ span }) {
      assert.equal(span.traceId, TRACE_ID)
      assert.equal(span.parentId, CALLER_ID)
    },
  }),
  ...(
    [
      ['LATIN1', 'latin1 bytes', '\xe9\xff:\xe9:0:1', 'F016'],
      ['EMPTY', 'nothing', '', 'F017'],
      ['COMMAS', 'the same header twice', `zz:1:0:1\r\nuber-trace-id: ${TRACE_ID}:1:0:1`, 'F005'],
      ['PERCENT', 'malformed percent-encoding', '%ZZ', 'F008'],
      ['WRONG', 'what is no id', '1zz:1zz:0:1', 'F007'],
    ] as const
  ).map(([id, what, value, fault]) =>
    row({
      id: `R-HEADER-${id}`,
      title: `${what} in the trace headers: a new root, and the very answer (${fault})`,
      app: hello,
      request: port => {
        const names = ['uber-trace-id', 'traceparent', 'tracestate', 'b3', 'x-b3-traceid', 'jaeger-debug-id']
        return raw(port, GET('/hello', names.map(name => `${name}: ${value}\r\n`).join('') + CLOSE))
      },
      unchanged: true,
      expect({ span }) {
        assert.equal(span.parentId, undefined)
        assert.match(span.traceId, /^[0-9a-f]{32}$/)
        assert.notEqual(span.traceId, TRACE_ID)
      },
    }),
  ),
  row({
    id: 'R-HEADER-64K',
    title: 'trace headers of 64 KB: a new root, and the very answer (F009)',
    app: { ...hello, maxHeaderSize: 512 * 1024 },
    async request(port) {
      const answers = []
      for (const filling of ['a', ':', '-', '%', '0:']) {
        const long = filling.repeat(65_536 / filling.length)
        const headers = {
          'uber-trace-id': long,
          traceparent: long,
          tracestate: long,
          b3: long,
          baggage: long,
        }
        answers.push(await ask(port, '/hello', { headers }))
      }
      return answers
    },
    spans: 5,
    unchanged: true,
    expect({ spans }) {
      for (const span of spans) assert.equal(span.parentId, undefined)
    },
  }),
  ...(
    [
      ['ARRAY', 'an array', ['a', 'b'], 'F006'],
      ['NULL-PROTOTYPE', 'no prototype', Object.assign(Object.create(null), caller), 'F019'],
      ['THROWING', 'a getter that throws', throwing(), 'F019'],
    ] as const
  ).map(([id, what, value, fault]) =>
    row({
      id: `R-HEADERS-${id}`,
      title: `headers with ${what}: the request goes on (${fault})`,
      app: hello,
      request: (_port, _host, scene) =>
        dispatch(scene, req => {
          if (Array.isArray(value)) Object.assign(req.headers, { 'uber-trace-id': value })
          else req.headers = value as never
        }),
      reports: id === 'THROWING' ? ['extract'] : [],
      expect({ span }, status) {
        assert.equal(status, 200)
        assert.equal(span.parentId, id === 'NULL-PROTOTYPE' ? CALLER_ID : undefined)
      },
    }),
  ),
  row({
    id: 'R-JAEGER-ARRAY',
    title: 'jaeger-client throws on an array: told once, and the requests go on (F006)',
    app: hello,
    options: () => ({ tracer: plainJaeger(true) }),
    async request(_port, _host, scene) {
      const array = (req: IncomingMessage) => Object.assign(req.headers, { 'uber-trace-id': ['a', 'b'] })
      return [await dispatch(scene, array), await dispatch(scene, array)]
    },
    spans: 0,
    reports: ['extract'],
    async expect(seen, statuses) {
      assert.deepEqual(statuses, [200, 200])
      await eventually(() => jaegerSpans(seen).length === 2, 'two spans')
      for (const span of jaegerSpans(seen)) assert.equal(span.context().parentIdStr ?? null, null)
    },
  }),
  row({
    id: 'R-DEBUG-ID',
    title: 'jaeger-debug-id and baggage without a trace: a debug trace of its own that carries them',
    app: { routes: [{ path: '/hello', handle: () => String(activeSpan()?.getBaggageItem('plan')) }] },
    options: () => ({ tracer: plainJaeger(false) }),
    request: port =>
      ask(port, '/hello', { headers: { 'jaeger-debug-id': 'find-me', 'jaeger-baggage': 'plan=gold' } }),
    spans: 0,
    async expect(seen, answer) {
      await eventually(() => jaegerSpans(seen).length === 1, 'a span in spite of the sampler')
      const [span] = jaegerSpans(seen)
      assert.equal(answer.body, 'gold')
      assert.equal(span?.context().isDebug(), true)
      assert.deepEqual(
        span?._tags.filter(({ key }) => key === 'jaeger-debug-id').map(({ value }) => value),
        ['find-me'],
      )
    },
  }),
  row({
    id: 'R-JAEGER-VECTORS',
    title:
      'W, J and B vectors through initJaegerTracer: a trace is continued whole, or not at all (F001-F008, F010)',
    app: {
      routes: [
        {
          path: '/ids',
          handle: () => {
            const context = activeSpan()?.context() as ReturnType<JaegerSpan['context']>
            return { traceId: context.toTraceId(), parentId: context.parentIdStr ?? null }
          },
        },
      ],
    },
    options: () => ({
      tracer: initJaegerTracer({ serviceName: 'test', sampler: { type: 'const', param: 0 } }),
    }),
    async request(port) {
      const agent = new http.Agent({ keepAlive: true })
      const answers = []
      for (const { carrier } of vectors) answers.push(await ask(port, '/ids', { headers: carrier, agent }))
      agent.destroy()
      return answers
    },
    spans: 0,
    async expect({ options }, answers) {
      assert.ok(vectors.length >= 75, String(vectors.length))
      vectors.forEach(({ id, carrier, parent }, i) => {
        assert.equal(answers[i]?.status, 200, id)
        const { traceId, parentId } = JSON.parse(answers[i]?.body ?? '')
        // jaeger-client prints ids without their leading zeros.
        assert.match(traceId, /^(?!0+$)[0-9a-f]{1,32}$/, id)
        if (parent === undefined) {
          assert.equal(parentId, null, id)
          assert.ok(!JSON.stringify(carrier).includes(traceId), id)
        } else {
          assert.deepEqual(
            [traceId.padStart(32, '0'), padTraceId(parentId)],
            [parent.traceId, parent.spanId],
            id,
          )
        }
      })
      await (options.tracer as unknown as { close(): Promise<void> }).close()
    },
  }),
]
