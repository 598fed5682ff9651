// The span is there for all code of its own request, and for no other.

import assert from 'node:assert/strict'
import { AsyncResource } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns'
import { EventEmitter } from 'node:events'
import { stat } from 'node:fs'
import { createRequire } from 'node:module'
import { PassThrough, pipeline, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzip } from 'node:zlib'
import { activeSpan, bindSpan } from '../../src/core/scope.ts'
import { getHandling, getSpan } from '../../src/core/server/index.ts'
import { withSpan } from '../../src/core/with-span.ts'
import type { RecordedSpan } from '../../src/testing/index.ts'
import type { At } from '../hosts/sample.ts'
import { ask, eventually, raw } from '../support/client.ts'
import { caller, GET, hello, type Row, row } from './row.ts'

// Express and Koa bring it along.
const onFinished: (res: object, listener: () => void) => void = createRequire(import.meta.url)('on-finished')

/** Node gives its garbage collector to none but those who ask for it. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}

export const contextRows: Row[] = [
  row({
    id: 'R-ACTIVE',
    title: 'activeSpan() and getSpan() give the span of the request, also behind body parsing',
    app: {
      parses: true,
      routes: [
        {
          method: 'post',
          path: '/orders',
          handle: async ({ request, req, body }) => {
            const before = activeSpan()
            await sleep(1)
            const same = before !== undefined && activeSpan() === before
            return { same, fromRequest: getSpan(request) === before, fromRaw: getSpan(req) === before, body }
          },
        },
      ],
    },
    request: port =>
      ask(port, '/orders', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"id":1}',
      }),
    expect(_seen, answer) {
      assert.deepEqual(JSON.parse(answer.body), {
        same: true,
        fromRequest: true,
        fromRaw: true,
        body: { id: 1 },
      })
    },
  }),
  row({
    id: 'R-ACTIVE-SPLIT-BODY',
    title: 'the span is active behind a body that comes in two pieces',
    app: {
      parses: true,
      routes: [
        { method: 'post', path: '/orders', handle: ({ req }) => ({ same: activeSpan() === getSpan(req) }) },
      ],
    },
    async request(port) {
      const { connect } = await import('node:net')
      return new Promise<string>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1')
        let text = ''
        socket.on('data', chunk => {
          text += chunk
          if (text.includes('}')) socket.end()
        })
        socket.on('close', () => resolve(text))
        socket.on('error', reject)
        const head =
          'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n'
        socket.write(`${head}{"id"`)
        setTimeout(() => socket.write(':1}'), 40)
      })
    },
    expect(_seen, text) {
      assert.match(text, /"same":true/)
    },
  }),
  row({
    id: 'R-EVENTS',
    title: 'the span is active in the events of request and response, streams and their ends (F085, F087)',
    app: () => {
      const active: Record<string, boolean> = {}
      const see = (name: string) => () => {
        active[name] = activeSpan() !== undefined
      }
      return {
        routes: [
          {
            path: '/events',
            handle: async ({ req, res }: At) => {
              req.on('end', see('request end')).resume()
              res.on('finish', see('response finish'))
              pipeline(Readable.from(['a']), new PassThrough().resume(), see('pipeline'))
              setTimeout(see('timer'), 1)
              setImmediate(see('immediate'))
              process.nextTick(see('tick'))
              queueMicrotask(see('microtask'))
              stat('.', see('fs'))
              randomBytes(8, see('crypto'))
              gzip('x', see('zlib'))
              lookup('127.0.0.1', see('dns'))
              // All but the response's own.
              await eventually(() => Object.keys(active).length === 10, 'ten events')
              return 'x'
            },
          },
          { path: '/active', handle: () => active },
        ],
      }
    },
    async request(port) {
      await ask(port, '/events')
      return JSON.parse((await ask(port, '/active')).body)
    },
    spans: 2,
    expect(_seen, active) {
      const names = ['request end', 'response finish', 'pipeline', 'timer', 'immediate', 'tick', 'microtask']
      assert.deepEqual(
        Object.entries(active).filter(([, seen]) => !seen),
        [],
      )
      assert.deepEqual(Object.keys(active).sort(), [...names, 'fs', 'crypto', 'zlib', 'dns'].sort())
    },
  }),
  row({
    id: 'R-ON-FINISHED',
    title: 'the span is active in callbacks of on-finished, which Koa has on every response before us',
    app: () => {
      const found: unknown[] = []
      return {
        routes: [
          {
            path: '/finishing',
            handle: ({ res }: At) => {
              onFinished(res, () => found.push(activeSpan() !== undefined))
              return 'x'
            },
          },
          { path: '/found', handle: () => found },
        ],
      }
    },
    async request(port) {
      await ask(port, '/finishing')
      return JSON.parse((await ask(port, '/found')).body)
    },
    spans: 2,
    expect(_seen, found) {
      assert.deepEqual(found, [true])
    },
  }),
  row({
    id: 'R-GET-SPAN-LATE',
    title: 'getSpan() still answers while the response is being finished, and no longer once it has ended',
    app: () => {
      const found: unknown[] = []
      return {
        routes: [
          {
            path: '/late',
            handle: ({ req, res }: At) => {
              res.on('finish', () => found.push(getSpan(req) !== undefined))
              res.on('close', () => setImmediate(() => found.push(getSpan(req) !== undefined)))
              return 'x'
            },
          },
          { path: '/found', handle: () => found },
        ],
      }
    },
    async request(port, _host, { tracer, patience }) {
      await ask(port, '/late')
      await eventually(() => tracer.finishedSpans.length === 1, 'the span has ended', patience)
      return JSON.parse((await ask(port, '/found')).body)
    },
    spans: 2,
    expect(_seen, found) {
      assert.deepEqual(found, [true, false])
    },
  }),
  row({
    id: 'R-CHILDREN',
    title: 'withSpan in a handler is a child of the request; after the end of the request it follows from it',
    app: {
      routes: [
        {
          path: '/work',
          handle: async ({ res }) => {
            await withSpan('inside', () => sleep(1))
            res.on('close', () => setTimeout(() => withSpan('afterwards', () => {}), 5))
            return 'done'
          },
        },
      ],
    },
    async request(port, _host, { tracer, patience }) {
      await ask(port, '/work')
      await eventually(() => tracer.spans.length === 3, 'three spans', patience)
    },
    expect({ all, span }) {
      const inside = all.find(({ operationName }) => operationName === 'inside')
      const afterwards = all.find(({ operationName }) => operationName === 'afterwards')
      assert.equal(inside?.parentId, span.spanId)
      assert.deepEqual(afterwards?.references, [
        { type: 'follows_from', traceId: span.traceId, spanId: span.spanId },
      ])
      assert.equal(afterwards?.traceId, span.traceId)
    },
  }),
  row({
    id: 'R-KEEP-ALIVE',
    title: 'a second request on the same socket starts afresh (F070)',
    app: hello,
    request: port =>
      raw(
        port,
        GET('/hello', `uber-trace-id: ${caller['uber-trace-id']}\r\n`) +
          GET('/hello', 'Connection: close\r\n'),
      ),
    unchanged: true,
    spans: 2,
    expect({ spans }) {
      assert.equal(spans[0]?.traceId, '0af7651916cd43dd8448eb211c80319c')
      assert.notEqual(spans[1]?.traceId, spans[0]?.traceId)
      assert.equal(spans[1]?.parentId, undefined)
    },
  }),
  row({
    id: 'R-PIPELINED',
    title: 'pipelined requests: each its own span and trace, answers in order (F071)',
    app: {
      routes: [
        {
          path: '/n/:n',
          handle: async ({ req }: At) => {
            // The first answers last: order is Node's to keep, and spans must not be mixed up by it.
            await sleep(req.url === '/n/1' ? 30 : 1)
            return (activeSpan() as RecordedSpan).traceId
          },
        },
      ],
    },
    request: port =>
      raw(
        port,
        [1, 2, 3]
          .map(n =>
            GET(
              `/n/${n}`,
              `uber-trace-id: ${String(n).repeat(32)}:1:0:1\r\n${n === 3 ? 'Connection: close\r\n' : ''}`,
            ),
          )
          .join(''),
      ),
    spans: 3,
    expect({ spans }, text) {
      assert.deepEqual(
        spans.map(span => span.traceId),
        ['1', '2', '3'].map(digit => digit.repeat(32)),
      )
      assert.deepEqual(
        [...text.matchAll(/(\d)\1{31}/g)].map(([id]) => id),
        ['1', '2', '3'].map(digit => digit.repeat(32)),
      )
    },
  }),
  row({
    id: 'R-LETS-GO',
    title: 'what a request leaves behind (timers, listeners, promises) keeps no finished span alive (F096)',
    app: () => {
      const spans: WeakRef<object>[] = []
      const emitter = new EventEmitter()
      const left: unknown[] = [emitter]
      return {
        routes: [
          {
            path: '/leave',
            handle: async ({ req, res }: At) => {
              spans.push(new WeakRef(activeSpan() as object))
              left.push(setInterval(() => activeSpan(), 1e6).unref(), new Promise(() => {}), req, res)
              left.push(
                AsyncResource.bind(() => activeSpan()),
                bindSpan(() => activeSpan()),
              )
              emitter.on(
                'event',
                bindSpan(() => {}),
              )
              await sleep(1)
              return 'x'
            },
          },
          {
            path: '/kept',
            handle: () => {
              collectGarbage()
              const kept = spans.filter(ref => ref.deref() !== undefined)
              return { made: spans.length, kept: kept.length, left: left.length }
            },
          },
        ],
      }
    },
    async request(port, _host, { tracer, patience }) {
      for (let i = 0; i < 5; i++) await ask(port, '/leave')
      await eventually(() => tracer.finishedSpans.length === 5, 'five spans', patience)
      tracer.clear()
      return JSON.parse((await ask(port, '/kept')).body)
    },
    expect(_seen, got) {
      assert.deepEqual(got, { made: 5, kept: 0, left: 31 })
    },
  }),
  row({
    id: 'R-LATE-FAIL',
    title: 'an error that comes when the request has ended changes nothing, and is not held on to (F096)',
    app: () => {
      let late: WeakRef<Error> | undefined
      const held: unknown[] = []
      return {
        routes: [
          {
            path: '/late',
            handle: ({ req, res }: At) => {
              const handling = getHandling(req)
              held.push(handling)
              res.on('close', () =>
                setImmediate(() => {
                  const error = new Error('too late')
                  late = new WeakRef(error)
                  handling?.fail(error)
                }),
              )
              return 'x'
            },
          },
          {
            path: '/kept',
            handle: () => {
              collectGarbage()
              return { came: late !== undefined, kept: late?.deref() !== undefined, held: held.length }
            },
          },
        ],
      }
    },
    async request(port, _host, { tracer, patience }) {
      await ask(port, '/late')
      await eventually(() => tracer.finishedSpans.length === 1, 'the span has ended', patience)
      await ask(port, '/kept')
      return JSON.parse((await ask(port, '/kept')).body)
    },
    spans: 3,
    expect({ span }, got) {
      assert.deepEqual(got, { came: true, kept: false, held: 1 })
      assert.deepEqual([span.tags.error, span.logs], [undefined, []])
    },
  }),
  row({
    id: 'R-NO-LEAK',
    title: 'an interval from before the first request never sees a span (F089)',
    app: () => {
      let seen = 0
      let ticks = 0
      const timer = setInterval(() => {
        ticks++
        if (activeSpan() !== undefined) seen++
      }, 1).unref()
      return {
        routes: [
          {
            path: '/wait',
            handle: async () => {
              const before = ticks
              while (ticks < before + 3) await sleep(1)
              return 'x'
            },
          },
          {
            path: '/seen',
            handle: () => {
              clearInterval(timer)
              return { seen }
            },
          },
        ],
      }
    },
    async request(port) {
      await Promise.all([ask(port, '/wait'), ask(port, '/wait')])
      return JSON.parse((await ask(port, '/seen')).body)
    },
    spans: 3,
    expect(_seen, got) {
      assert.deepEqual(got, { seen: 0 })
    },
  }),
]
