import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, describe, it, mock } from 'node:test'
import ky from 'ky'
import opentracing, { type Span, type Tracer } from 'opentracing'
import pRetry from 'p-retry'
import undici from 'undici'
import { activeSpan, bindSpan, registry, runInScope } from '../../../src/core/scope.ts'
import {
  createTracedFetch,
  type FetchSpanState,
  type FetchState,
  type TracedFetchOptions,
  tracedFetch,
} from '../../../src/outbound/fetch/index.ts'
import { type RecordedSpan, type RecordingTracer, recordingTracer } from '../../../src/testing/index.ts'
import { runProgram, source } from '../../support/children.ts'
import { type Fetch, openRaw, openWorld, see, type World } from '../../support/fetch-world.ts'

let world: World
before(async () => {
  world = await openWorld()
})
after(() => world.close())
afterEach(() => {
  world.received.length = 0
  world.traces.length = 0
})

const last = (tracer: RecordingTracer): RecordedSpan => tracer.spans.at(-1) as RecordedSpan
const header = (span: RecordedSpan): string => `${span.traceId}:${span.spanId}:0:1`
const quiet = (): void => {}
const inside = <T>(span: Span, work: () => T): T => bindSpan(work as () => unknown, span)() as T
/** Work in the scope of a span that has ended. */
const outlive = <T>(span: Span, work: () => T): T =>
  runInScope({ liveSpan: undefined, ended: span.context(), tracer: span.tracer(), parent: undefined }, work)

/** Collects what is told to `onError`. */
function ears(): { onError: (error: unknown, place: string) => void; heard: [string, string][] } {
  const heard: [string, string][] = []
  return { heard, onError: (error, place) => heard.push([place, String((error as Error).message)]) }
}

/** A tracer that writes what it is told into carriers. */
function injecting(write: (carrier: Record<string, unknown>) => void): RecordingTracer {
  return Object.assign(recordingTracer(), {
    inject: (_context: unknown, _format: string, carrier: Record<string, unknown>) => write(carrier),
  })
}

describe('the place in the trace', () => {
  it('F127: a root span outside of any trace', async () => {
    const tracer = recordingTracer()
    await createTracedFetch({ tracer })(world.origin)
    assert.equal(last(tracer).parentId, undefined)
    assert.deepEqual(last(tracer).references, [])
    assert.deepEqual(world.traces, [{ 'uber-trace-id': header(last(tracer)) }])
  })

  it('F127: rootSpans: false: outside of a trace no span and no header, inside as ever', async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ rootSpans: false, tracer })
    await fetch(world.origin)
    assert.deepEqual([tracer.spans.length, world.traces], [0, [{}]])
    const span = tracer.startSpan('request')
    await inside(span, () => fetch(world.origin))
    assert.equal(last(tracer).parentId, span.context().toSpanId())
    await outlive(span, () => fetch(world.origin))
    assert.equal(tracer.spans.length, 3)
  })

  it('a child of the active span, by its tracer; the caller is back in its own span after', async () => {
    const tracer = recordingTracer()
    const span = tracer.startSpan('request') as RecordedSpan
    await inside(span, async () => {
      await tracedFetch(world.origin)
      assert.equal(activeSpan(), span)
    })
    const { traceId, parentId, references } = last(tracer)
    assert.equal(parentId, span.spanId)
    assert.equal(traceId, span.traceId)
    assert.deepEqual(references, [{ type: 'child_of', traceId, spanId: span.spanId }])
    assert.equal(tracer.spans.length, 2)
    assert.deepEqual(world.traces, [{ 'uber-trace-id': header(last(tracer)) }])
  })

  it('follows from a span that has ended', async () => {
    const tracer = recordingTracer()
    const span = tracer.startSpan('request') as RecordedSpan
    await outlive(span, () => createTracedFetch({ tracer })(world.origin))
    assert.deepEqual(last(tracer).references, [
      { type: 'follows_from', traceId: span.traceId, spanId: span.spanId },
    ])
  })

  it('the client span is active while fetch works, and in nothing else', async () => {
    const tracer = recordingTracer()
    let inside: unknown
    const fetch = createTracedFetch({
      tracer,
      fetch: (...parameters) => {
        inside = activeSpan()
        return globalThis.fetch(...parameters)
      },
    })
    const call = fetch(world.origin)
    assert.equal(activeSpan(), undefined)
    assert.equal(inside, last(tracer))
    await call
  })

  it('without a tracer it is plain fetch', async () => {
    const inner = mock.fn(globalThis.fetch)
    const response = await createTracedFetch({ fetch: inner, tracer: new opentracing.Tracer() })(world.origin)
    assert.equal(response.status, 200)
    assert.deepEqual(world.traces, [{}])
    assert.deepEqual(inner.mock.calls[0]?.arguments, [world.origin, undefined])
  })

  it('uses the global tracer, also one that is installed later', async () => {
    const { stdout, stderr } = await runProgram(`
      import { createServer } from 'node:http'
      import opentracing from 'opentracing'
      import { tracedFetch } from '${source}/outbound/fetch/index.ts'
      import { recordingTracer } from '${source}/testing/index.ts'
      const server = createServer((req, res) => res.end()).listen(0, '127.0.0.1', async () => {
        const url = 'http://127.0.0.1:' + server.address().port
        await (await tracedFetch(url)).text()
        const tracer = recordingTracer()
        opentracing.initGlobalTracer(tracer)
        await (await tracedFetch(url)).text()
        console.log(JSON.stringify(tracer.spans.map(span => [span.operationName, span.finishCount])))
        server.closeAllConnections()
        server.close()
      })
    `)
    assert.equal(stdout, '[["GET",1]]\n', stderr)
  })

  it('F128: 1,000 parallel calls: each its own span, parent and headers', async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer })
    const shared = Object.freeze({ headers: Object.freeze({ 'X-Shared': '1' }) })
    const parents = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => {
        const span = tracer.startSpan(`parent ${i}`) as RecordedSpan
        return inside(span, async () => {
          await new Promise(resolve => setTimeout(resolve, i % 7))
          const response = await fetch(`${world.origin}/echo/${i}`, shared)
          assert.equal(await response.text(), `GET /echo/${i}`)
          assert.equal(activeSpan(), span)
          return span
        })
      }),
    )
    const calls = tracer.spans.filter(span => span.operationName === 'GET')
    assert.equal(calls.length, 1000)
    assert.equal(new Set(calls.map(span => span.spanId)).size, 1000)
    const byUrl = new Map(calls.map(span => [new URL(String(span.tags['http.url'])).pathname, span]))
    world.received.forEach(({ path }, i) => {
      assert.deepEqual(world.traces[i], { 'uber-trace-id': header(byUrl.get(path) as RecordedSpan) })
    })
    parents.forEach((parent, i) => {
      assert.equal(byUrl.get(`/echo/${i}`)?.parentId, parent.spanId)
    })
    assert.ok(
      calls.every(span => span.finishCount === 1),
      'each finished once',
    )
  })

  it('F123: retries: a span for each attempt', async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer })
    const statuses = (): unknown[] => tracer.spans.map(span => span.tags['http.status_code'])
    const byKy = await ky(`${world.origin}/flaky/ky`, { fetch, retry: { limit: 2, delay: () => 1 } })
    assert.equal(await byKy.text(), 'attempt 3')
    assert.deepEqual(statuses(), [503, 503, 200])
    tracer.clear()
    const byRetry = await pRetry(
      async () => {
        const response = await fetch(`${world.origin}/flaky/p-retry`)
        if (!response.ok) throw new Error(response.statusText)
        return response.text()
      },
      { retries: 2, minTimeout: 1, factor: 1 },
    )
    assert.equal(byRetry, 'attempt 3')
    assert.deepEqual(statuses(), [503, 503, 200])
    assert.deepEqual(
      tracer.spans.map(span => span.finishCount),
      [1, 1, 1],
    )
  })
})

describe('headers', () => {
  it("F116: what the caller sent by a trace header's name is replaced, in any case and shape", async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer })
    const url = world.origin
    const own = { 'Uber-Trace-Id': 'mine', 'X-Own': '1', traceparent: 'kept' }
    const calls: (() => Promise<Response>)[] = [
      () => fetch(url, { headers: own }),
      () => fetch(url, { headers: Object.entries(own) as [string, string][] }),
      () => fetch(url, { headers: new Headers(own) }),
      () => fetch(url, { headers: new Map(Object.entries(own)) as never }),
      () => fetch(url, { headers: Object.entries(own).map(pair => new Set(pair)) as never }),
      () => fetch(new Request(url, { headers: own })),
    ]
    for (const call of calls) {
      world.traces.length = world.received.length = 0
      await call()
      assert.deepEqual(Object.values(world.traces[0] as object), [header(last(tracer))])
      const sent = world.received[0]?.headers
        .map(line => line.toLowerCase())
        .filter(line => /^(x-own|traceparent|uber)/.test(line))
      assert.deepEqual(sent, ['x-own: 1', 'traceparent: kept'])
    }
  })

  it('F124: a header that cannot be sent is left out, and told once', async () => {
    const { onError, heard } = ears()
    const tracer = injecting(carrier =>
      Object.assign(carrier, {
        'x-good': '1',
        'x-number': 7,
        'x-latin': 'caf\u00e9',
        'x-lines': 'a\r\nX-Evil: 1',
        'x-lf': 'a\nb',
        'x-nul': 'a\0b',
        'x-del': 'a\x7fb',
        'x-chinese': '中',
        'x-object': {},
        'x-missing': undefined,
        'a b': '1',
        'a:b': '1',
        '': '1',
        'x-long': 'x'.repeat(20_000),
      }),
    )
    const response = await createTracedFetch({ tracer, onError })(world.origin)
    assert.equal(response.status, 200)
    const sent = world.received[0]?.headers.filter(line => /^(x-|a)/.test(line) && !line.startsWith('accept'))
    assert.deepEqual(sent, ['x-good: 1', 'x-number: 7', 'x-latin: caf\u00e9'])
    assert.deepEqual(heard, [['inject', 'the header "x-lines" cannot be sent and is left out']])
  })

  it('F124: a header that would change the request is left out', async () => {
    const forbidden = [
      'Host',
      'content-length',
      'transfer-encoding',
      'connection',
      'Expect',
      'upgrade',
      'cookie',
    ]
    const more = ['authorization', 'content-type', 'proxy-x', 'sec-fetch-mode', 'te', 'keep-alive']
    const all = [...forbidden, ...more]
    const tracer = injecting(carrier =>
      Object.assign(carrier, Object.fromEntries(all.map(name => [name, '3']))),
    )
    const plain = await globalThis.fetch(world.origin, { method: 'POST', body: 'body' })
    await createTracedFetch({ tracer, onError: quiet })(world.origin, { method: 'POST', body: 'body' })
    assert.equal(plain.status, 200)
    assert.deepEqual(world.received[1], world.received[0])
  })

  it('all trace headers together stay below what servers take', async () => {
    const tracer = injecting(carrier => {
      for (let i = 0; i < 30; i++) carrier[`uberctx-${i}`] = 'x'.repeat(1000)
    })
    const response = await createTracedFetch({ tracer, onError: quiet })(world.origin)
    assert.equal(response.status, 200)
    assert.equal(Object.keys(world.traces[0] as object).length, 12)
  })

  it('F022: baggage of 8192 bytes is sent whole', async () => {
    const tracer = injecting(carrier => Object.assign(carrier, { baggage: 'x'.repeat(8192) }))
    await createTracedFetch({ tracer })(world.origin)
    assert.ok(world.received[0]?.headers.includes(`baggage: ${'x'.repeat(8192)}`))
  })

  // A tracer that writes baggage as it is, as some do.
  const careless = (): Tracer => {
    const tracer = recordingTracer()
    return Object.assign(tracer, {
      inject: (
        context: { baggage: Map<string, string> },
        _format: string,
        carrier: Record<string, string>,
      ) => {
        carrier['uber-trace-id'] = 'kept'
        for (const [key, value] of context.baggage) carrier[`uberctx-${key}`] = value
      },
    })
  }
  for (const [id, key, value] of [
    ['F026', 'k', 'v\r\nX-Evil: 1'],
    ['F026', 'k', 'v\0'],
    ['F027', 'k', '中'],
    ['F028', 'a b', '1'],
    ['F028', 'a:b', '1'],
    ['F028', 'a\nb', '1'],
  ] as const) {
    it(`${id}: baggage ${JSON.stringify({ [key]: value })} of a tracer that does not encode: dropped, the call succeeds`, async () => {
      const tracer = careless()
      const span = tracer.startSpan('request')
      span.setBaggageItem(key, value)
      span.setBaggageItem('good', '1')
      const fetch = createTracedFetch({ onError: quiet })
      const response = await inside(span, () => fetch(world.origin))
      assert.equal(response.status, 200)
      assert.deepEqual(world.traces, [{ 'uber-trace-id': 'kept', 'uberctx-good': '1' }])
      assert.doesNotMatch(String(world.received[0]?.headers), /evil/i)
    })
  }

  it('F034: inject throws: the call is as without tracing, told once, 100 times over', async () => {
    const { onError, heard } = ears()
    const tracer = injecting(() => {
      throw new Error('inject is broken')
    })
    const fetch = createTracedFetch({ tracer, onError })
    const call = { method: 'POST', body: 'b', headers: { 'X-Own': '1' } }
    const plain = await see(() => globalThis.fetch(world.origin, call))
    for (let i = 0; i < 100; i++) assert.deepEqual(await see(() => fetch(world.origin, call)), plain)
    assert.deepEqual(world.received.slice(1), Array(100).fill(world.received[0]))
    assert.deepEqual(heard, [['inject', 'inject is broken']])
    assert.ok(
      tracer.spans.every(span => span.finishCount === 1),
      'each finished once',
    )
  })

  it('F034: inject gives a promise that rejects: told, never unhandled', async () => {
    const { onError, heard } = ears()
    const tracer = Object.assign(recordingTracer(), { inject: () => Promise.reject(new Error('later')) })
    await createTracedFetch({ tracer, onError })(world.origin)
    assert.deepEqual(heard, [['inject', 'later']])
  })
})

describe('propagate', () => {
  const sent = async (
    propagate: NonNullable<TracedFetchOptions['propagate']>,
    onError: NonNullable<TracedFetchOptions['onError']> = quiet,
  ): Promise<string[]> => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer, propagate, onError })
    await fetch(`${world.origin}/a`)
    await fetch(`${world.otherOrigin}/b`)
    assert.equal(tracer.finishedSpans.length, 2)
    return world.received
      .filter((_, i) => Object.keys(world.traces[i] as object).length > 0)
      .map(({ path }) => path)
  }
  const rows: [string, () => NonNullable<TracedFetchOptions['propagate']>, string[]][] = [
    ['true: everyone', () => true, ['/a', '/b']],
    ['false: nobody', () => false, []],
    ['an empty list: nobody', () => [], []],
    ['a list of origins', () => [world.otherOrigin], ['/b']],
    ['an origin with a slash', () => [`${world.origin}/`], ['/a']],
    ['a RegExp, with the flag g', () => [new RegExp(`:${new URL(world.origin).port}$`, 'g')], ['/a']],
    [
      'a function',
      () =>
        ({ url }: FetchState) =>
          url.pathname === '/b',
      ['/b'],
    ],
  ]
  for (const [title, propagate, expected] of rows) {
    it(`F110: ${title}`, async () => assert.deepEqual(await sent(propagate()), expected))
  }

  it('F110: a function that throws or gives a promise: nobody, told once', async () => {
    const { onError, heard } = ears()
    const boom = (): boolean => {
      throw new Error('boom')
    }
    assert.deepEqual(await sent(boom, onError), [])
    assert.deepEqual(heard, [['propagate', 'boom']])
    assert.deepEqual(await sent((async () => true) as never), [])
  })

  it('F121: the headers of the first request go along a redirect, to another origin too', async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer, propagate: [world.origin] })
    await fetch(`${world.origin}/redirect/302?to=${encodeURIComponent(`${world.otherOrigin}/b`)}`)
    const [span] = tracer.spans as [RecordedSpan]
    assert.deepEqual(world.traces, Array(2).fill({ 'uber-trace-id': header(span) }))
    assert.equal(tracer.spans.length, 1)
  })
})

describe('what a span says', () => {
  it('F105: secrets of the URL are on no tag', async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer, secretKeys: ['iban'] })
    await fetch(`${world.origin}/x?token=t0psecret&iban=t0psecret&page=2#access_token=t0psecret`)
    assert.equal(last(tracer).tags['http.url'], `${world.origin}/x?token=REDACTED&iban=REDACTED&page=2`)
    assert.equal(world.received[0]?.path, '/x?token=t0psecret&iban=t0psecret&page=2')
    await fetch(`${world.origin}/redirect/302?to=${encodeURIComponent('/y?iban=t0psecret')}`)
    assert.doesNotMatch(JSON.stringify(tracer.spans.map(({ tags, logs }) => [tags, logs])), /t0psecret/)
  })

  it('peer.hostname and peer.port: of IPv6, and of a URL without port', async () => {
    const tracer = recordingTracer()
    const inner = async (): Promise<Response> => new Response('ok')
    const fetch = createTracedFetch({ tracer, fetch: inner })
    for (const url of ['http://[::1]:8080/', 'https://example.com/', 'http://example.com/']) await fetch(url)
    assert.deepEqual(
      tracer.spans.map(({ tags }) => [tags['peer.hostname'], tags['peer.port']]),
      [
        ['::1', 8080],
        ['example.com', 443],
        ['example.com', 80],
      ],
    )
  })

  it('the same of more services than are remembered, called in turns, by names that change, with a user', async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({
      tracer,
      fetch: async () => new Response('ok'),
      peerService: ({ url }) => url.searchParams.get('as') ?? undefined,
    })
    const asked = Array.from({ length: 300 }, (_, i) => {
      const [port, service] = [8000 + (i % 150), ['one', 'two', undefined][i % 3]]
      const query = service === undefined ? '' : `?as=${service}`
      return { url: `http://${i % 7 === 0 ? 'ada:t0psecret@' : ''}shop:${port}/${query}`, port, service }
    })
    // The longer origin begins as the shorter does.
    asked.push({ url: 'http://shop:800/', port: 800, service: undefined })
    asked.push({ url: 'http://shop:8000/', port: 8000, service: undefined })
    for (const { url } of asked) await fetch(url)
    assert.deepEqual(
      tracer.spans.map(({ tags }) => [tags['peer.hostname'], tags['peer.port'], tags['peer.service']]),
      asked.map(({ port, service }) => ['shop', port, service]),
    )
    assert.doesNotMatch(JSON.stringify(tracer.spans.map(({ tags }) => tags)), /t0psecret/)
  })

  it('names: known methods, HTTP for others, patch is sent and told as it is', async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer, fetch: async () => new Response('ok') })
    for (const method of ['get', 'POST', 'PATCH', 'patch', 'Purge', 'x'.repeat(300)])
      await fetch(world.origin, { method })
    assert.deepEqual(
      tracer.spans.slice(0, 5).map(span => [span.operationName, span.tags['http.method']]),
      [
        ['GET', 'GET'],
        ['POST', 'POST'],
        ['PATCH', 'PATCH'],
        ['HTTP', 'patch'],
        ['HTTP', 'Purge'],
      ],
    )
    assert.equal(String(last(tracer).tags['http.method']).length, 256)
  })

  it('operationName, peerService and tags', async () => {
    const tracer = recordingTracer()
    const options: TracedFetchOptions = {
      tracer,
      tags: { 'service.tier': 'gold', component: 'my-client' },
      operationName: ({ method, url }) => `${method} ${url.pathname.replace(/\d+/, ':id')}`,
      peerService: ({ url }) => (url.pathname === '/users/7' ? 'users' : undefined),
    }
    await createTracedFetch(options)(`${world.origin}/users/7`)
    await createTracedFetch({ tracer, operationName: 'ask', peerService: 'fixed' })(world.origin)
    await createTracedFetch(options)(world.origin)
    const [first, second, third] = tracer.spans as [RecordedSpan, RecordedSpan, RecordedSpan]
    assert.equal(first.operationName, 'GET /users/:id')
    assert.equal(first.tags['peer.service'], 'users')
    assert.equal(first.tags.component, 'my-client')
    assert.equal(first.tags['service.tier'], 'gold')
    assert.deepEqual([second.operationName, second.tags['peer.service']], ['ask', 'fixed'])
    assert.equal('peer.service' in third.tags, false)
  })

  it('control characters and endless texts reach no tag and no name', async () => {
    const tracer = recordingTracer()
    const nasty = `a\nb${'x'.repeat(5000)}`
    const fetch = createTracedFetch({
      tracer,
      tags: { nasty },
      operationName: nasty,
      peerService: () => nasty,
    })
    await fetch(`${world.origin}/${'x'.repeat(9000)}`)
    const { operationName, tags } = last(tracer)
    for (const text of [operationName, tags.nasty, tags['peer.service'], tags['http.url']].map(String)) {
      assert.ok(text.length <= 2048 && !text.includes('\n'), text)
    }
  })

  it('callbacks that throw, give nonsense or reject cost themselves alone, and are told once', async () => {
    const { onError, heard } = ears()
    const tracer = recordingTracer()
    const boom = (): never => {
      throw new Error('boom')
    }
    const fetch = createTracedFetch({
      tracer,
      onError,
      operationName: boom,
      peerService: (() => 7) as never,
      isError: boom,
      decorateSpan: (async () => boom()) as never,
    })
    for (let i = 0; i < 3; i++) assert.equal((await fetch(`${world.origin}/status/404`)).status, 404)
    assert.deepEqual(heard, [
      ['operationName', 'boom'],
      ['decorateSpan', 'boom'],
      ['isError', 'boom'],
    ])
    assert.deepEqual(
      tracer.finishedSpans.map(span => [span.operationName, span.tags.error, span.tags['peer.service']]),
      Array(3).fill(['GET', true, undefined]),
    )
  })

  it('F130: isError decides about answers alone', async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer, isError: ({ response }) => response.status === 418 })
    for (const status of [200, 404, 418, 500]) await fetch(`${world.origin}/status/${status}`)
    await fetch(world.closed).catch(quiet)
    assert.deepEqual(
      tracer.spans.map(span => span.tags.error),
      // false, said aloud: a tracer's own status rule would know better than silence.
      [undefined, false, true, false, true],
    )
  })

  it('decorateSpan sees each call at its start and its end, and wins over our tags', async () => {
    const tracer = recordingTracer()
    const states: FetchSpanState[] = []
    const fetch = createTracedFetch({
      tracer,
      decorateSpan: state => {
        states.push(state)
        state.span.setTag(state.phase, 'yes')
        if (state.phase === 'end') state.span.setTag('error', 'mine')
      },
    })
    const init = { method: 'post', body: 'b' }
    const response = await fetch(`${world.origin}/status/500`, init)
    const [start, end] = states as [FetchSpanState, FetchSpanState]
    assert.deepEqual([start.input, start.init, start.method], [`${world.origin}/status/500`, init, 'POST'])
    assert.equal(start.url.pathname, '/status/500')
    assert.equal(start.span, last(tracer))
    assert.ok(end.phase === 'end', 'the end')
    assert.equal(end.response, response)
    assert.deepEqual([end.error, end.aborted], [undefined, false])
    assert.deepEqual(
      [last(tracer).tags.start, last(tracer).tags.end, last(tracer).tags.error],
      ['yes', 'yes', 'mine'],
    )

    const error = await fetch(world.closed).catch(reason => reason)
    const failed = states[3] as FetchSpanState
    assert.ok(failed.phase === 'end', 'the end')
    assert.deepEqual([failed.response, failed.error === error, failed.aborted], [undefined, true, false])

    await fetch(world.origin, { signal: AbortSignal.abort() }).catch(quiet)
    const aborted = states[5] as FetchSpanState
    assert.ok(aborted.phase === 'end', 'the end')
    assert.equal(aborted.aborted, true)
  })

  it('F044: what a callback or a tracer fetches itself is not traced: no recursion', async () => {
    const inner: Promise<unknown>[] = []
    const tracer = recordingTracer()
    const start = tracer.startSpan
    const phone = (): unknown => {
      inner.push(fetch(`${world.origin}/home`))
      return undefined
    }
    tracer.startSpan = (...parameters) => {
      phone()
      const span = start.apply(tracer, parameters)
      for (const name of ['setTag', 'addTags', 'log', 'finish', 'context', 'tracer'] as const) {
        const method = span[name] as () => unknown
        Object.assign(span, {
          [name]: (...args: []) => {
            phone()
            return method.apply(span, args)
          },
        })
      }
      return span
    }
    const { inject } = tracer
    tracer.inject = (...parameters) => {
      phone()
      return inject.apply(tracer, parameters)
    }
    const fetch = createTracedFetch({
      tracer,
      isError: () => phone() === 1,
      decorateSpan: phone,
      operationName: () => `call ${phone()}`,
      propagate: () => phone() !== 1,
    })
    await fetch(`${world.origin}/away`)
    await Promise.all(inner)
    assert.ok(inner.length > 8, 'everybody phones home')
    assert.equal(tracer.spans.length, 1)
    assert.equal(registry.insideTracer, 0)
    for (const [i, { path }] of world.received.entries()) {
      assert.equal(Object.keys(world.traces[i] as object).length, path === '/away' ? 1 : 0)
    }
    // The app's own use of its span is no work of the tracer's.
    const own = createTracedFetch({ tracer })
    await own(world.origin)
    assert.equal(tracer.spans.length, 2)
  })

  it('a tracer whose every method throws never touches a call', async () => {
    const broken = new Proxy({} as opentracing.Span, {
      get: (_target, name) => () => {
        throw new Error(`${String(name)} is broken`)
      },
    })
    const warnings: Error[] = []
    process.on('warning', warning => warnings.push(warning))
    for (const endOn of ['headers', 'body'] as const) {
      for (const startSpan of [() => broken, () => null, () => undefined, broken.finish] as never[]) {
        const tracer = { startSpan, inject: broken.finish, extract: quiet } as unknown as Tracer
        const fetch = createTracedFetch({ tracer, endOn, onError: quiet })
        const plain = await see(() => globalThis.fetch(`${world.origin}/x`))
        assert.deepEqual(await see(() => fetch(`${world.origin}/x`)), plain)
        const error = await fetch(world.closed).catch(reason => reason)
        assert.equal(error.cause.code, 'ECONNREFUSED')
      }
    }
    assert.equal(registry.insideTracer, 0)
    await new Promise(setImmediate)
    process.removeAllListeners('warning')
    assert.ok(
      warnings.every(warning => warning.name === 'TracingWarning'),
      String(warnings),
    )
  })
})

describe('F126: which fetch does the work', () => {
  const original = globalThis.fetch
  const own = (body: string): Fetch => (async () => new Response(body)) as Fetch
  afterEach(() => {
    globalThis.fetch = original
  })

  it('the global one of the moment of the call: a mock is used, whenever it was installed', async () => {
    const tracer = recordingTracer()
    globalThis.fetch = own('installed before')
    const fetch = createTracedFetch({ tracer })
    assert.equal(await (await fetch('http://mocked.invalid/')).text(), 'installed before')
    globalThis.fetch = own('installed after')
    assert.equal(await (await fetch('http://mocked.invalid/')).text(), 'installed after')
    assert.equal(tracer.finishedSpans.length, 2)
  })

  it('the one of the option, whatever is global', async () => {
    globalThis.fetch = own('global')
    const fetch = createTracedFetch({ tracer: recordingTracer(), fetch: own('given') })
    assert.equal(await (await fetch('http://mocked.invalid/')).text(), 'given')
  })

  it('a mock gets headers in the shape that the caller wrote, and the very Request', async () => {
    const inner = mock.fn(own('ok'))
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer, fetch: inner })
    const request = new Request('http://mocked.invalid/', { headers: { 'X-A': '1' } })
    const url = new URL('http://mocked.invalid/')
    await fetch(request)
    await fetch(url, { method: 'POST', headers: { 'X-A': '1' }, agent: 7 } as RequestInit)
    const [first, second] = inner.mock.calls as unknown as [
      { arguments: [unknown, RequestInit] },
      { arguments: [unknown, RequestInit] },
    ]
    assert.equal(first.arguments[0], request)
    assert.equal(
      new Headers(first.arguments[1].headers).get('uber-trace-id'),
      header(tracer.spans[0] as RecordedSpan),
    )
    assert.deepEqual(second.arguments, [
      url,
      {
        method: 'POST',
        headers: { 'X-A': '1', 'uber-trace-id': header(tracer.spans[1] as RecordedSpan) },
        agent: 7,
      },
    ])
  })

  it('a mock that throws, gives no promise, or nothing: as without us', async () => {
    const tracer = recordingTracer()
    const boom = new Error('boom')
    const given: [unknown, unknown][] = [
      [undefined, undefined],
      ['text', 'text'],
      [null, null],
    ]
    for (const [value, expected] of given) {
      const fetch = createTracedFetch({ tracer, fetch: (() => value) as never, onError: quiet })
      assert.equal(fetch('http://mocked.invalid/'), expected)
    }
    const throwing = (): never => {
      throw boom
    }
    assert.throws(
      () => createTracedFetch({ tracer, fetch: throwing })('http://mocked.invalid/'),
      error => error === boom,
    )
    for (const reason of [boom, 'text', undefined, null, Object.freeze({ message: 'frozen' })]) {
      const rejecting = createTracedFetch({ tracer, fetch: () => Promise.reject(reason) })
      const caught = await rejecting('http://mocked.invalid/').then(
        () => 'answered',
        error => [error],
      )
      assert.equal((caught as unknown[])[0], reason)
      assert.equal(last(tracer).tags.error, true)
    }
    const error = Response.error()
    const failing = createTracedFetch({ tracer, fetch: async () => error })
    assert.equal(await failing('http://mocked.invalid/'), error)
    assert.equal('http.status_code' in last(tracer).tags, false)
    assert.equal(tracer.finishedSpans.length, tracer.spans.length)
  })

  it('undici: its own fetch, Request and Headers keep the case of names; MockAgent answers', async () => {
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer, fetch: undici.fetch as unknown as Fetch })
    const headers = new undici.Headers({ 'X-CaSe': '1' }) as unknown as Headers
    await fetch(`${world.origin}/a`, { headers })
    await fetch(new undici.Request(`${world.origin}/b`, { headers: { 'X-CaSe': '1' } }) as unknown as Request)
    for (const { headers: sent } of world.received) assert.ok(sent.includes('X-CaSe: 1'), String(sent))
    assert.deepEqual(
      world.traces,
      tracer.spans.map(span => ({ 'uber-trace-id': header(span) })),
    )
    assert.equal(tracer.finishedSpans.length, 2)

    const agent = new undici.MockAgent()
    agent.disableNetConnect()
    agent
      .get('http://mocked.invalid')
      .intercept({ path: '/', headers: { 'uber-trace-id': /./ } })
      .reply(200, 'by MockAgent')
    const response = await fetch('http://mocked.invalid/', { dispatcher: agent } as never)
    assert.equal(await response.text(), 'by MockAgent')
    await agent.close()
  })

  it('a traced fetch as the global fetch does not call itself', async () => {
    const tracer = recordingTracer()
    globalThis.fetch = createTracedFetch({ tracer })
    assert.equal((await globalThis.fetch(world.origin)).status, 200)
    assert.equal(tracer.spans.length, 1)
    assert.equal((await createTracedFetch({ tracer })(world.origin)).status, 200)
    assert.equal(tracer.spans.length, 2)
  })

  it('a traced fetch as the global one, over a fetch that it was given, and under a mock that lets calls through', async () => {
    const tracer = recordingTracer()
    const traced = createTracedFetch({ tracer, fetch: globalThis.fetch })
    const mocked = mock.fn((...parameters: Parameters<Fetch>) => traced(...parameters))
    globalThis.fetch = mocked
    assert.equal((await createTracedFetch({ tracer })(world.origin)).status, 200)
    assert.equal(mocked.mock.callCount(), 1)
    const [outer, inner] = tracer.spans as [RecordedSpan, RecordedSpan]
    assert.equal(inner.parentId, outer.spanId)
    assert.equal(tracer.finishedSpans.length, 2)
    assert.deepEqual(world.traces, [{ 'uber-trace-id': header(inner) }])
  })
})

it('a rejection that the caller forgets is unhandled, as with fetch', async () => {
  const program = (call: string): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    runProgram(`
      import { createTracedFetch } from '${source}/outbound/fetch/index.ts'
      import { recordingTracer } from '${source}/testing/index.ts'
      const traced = createTracedFetch({ tracer: recordingTracer() })
      process.on('unhandledRejection', error => console.log('unhandled', error.message, error.cause.code))
      ${call}('${world.closed}')
    `)
  const plain = await program('fetch')
  const traced = await program('traced')
  assert.equal(plain.stdout, 'unhandled fetch failed ECONNREFUSED\n')
  assert.equal(traced.stdout, plain.stdout, traced.stderr)
})

it('F120: an upload of 100 MB passes through, chunk by chunk', async () => {
  let arrived = 0
  let mostUnderWay = 0
  const server = createServer((req, res) => {
    req.on('data', chunk => {
      arrived += chunk.length
    })
    req.on('end', () => res.end('done'))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const chunk = Buffer.alloc(64 * 1024)
  async function* upload(): AsyncGenerator<Buffer> {
    for (let i = 0; i < 1600; i++) {
      mostUnderWay = Math.max(mostUnderWay, i * chunk.length - arrived)
      yield chunk
    }
  }
  const tracer = recordingTracer()
  const fetch = createTracedFetch({ tracer })
  const { port } = server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    body: upload() as never,
    duplex: 'half',
  })
  assert.equal(await response.text(), 'done')
  assert.equal(arrived, 1600 * chunk.length)
  assert.ok(mostUnderWay < 8 * 2 ** 20, `${mostUnderWay} bytes under way`)
  assert.equal(last(tracer).finishCount, 1)
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

describe('options are checked', () => {
  const rows: [unknown, RegExp][] = [
    [null, /createTracedFetch\(options\) takes an object of options, not null/],
    ['http://h/', /takes an object of options, not "http:\/\/h\/".*tracedFetch\(url\)/],
    [[], /takes an object of options, not \[\]/],
    ['http://user:hunter2@h/', /not "http:\/\/REDACTED:REDACTED@h\/"/],
    [globalThis.fetch, /takes an object of options, not the function fetch/],
    [{ Propagate: true }, /unknown option 'Propagate'; did you mean 'propagate'\?/],
    [{ nonsense: 1 }, /unknown option 'nonsense'; the options are tracer, fetch/],
    [{ tracer: {} }, /tracer must be an OpenTracing tracer .*, not \{\}/],
    [{ fetch: 'fetch' }, /fetch must be a function .*, not "fetch"/],
    [{ rootSpans: 'no' }, /rootSpans must be true or false, not "no"/],
    [{ propagate: 'https://h' }, /propagate must be true, false, .*, not "https:\/\/h"/],
    [
      { propagate: ['https://h/path'] },
      /propagate must be .* origins without path .*, not \["https:\/\/h\/path"\]/,
    ],
    [{ propagate: ['https://user@h'] }, /propagate must be/],
    [{ propagate: ['h'] }, /propagate must be/],
    [{ propagate: ['ftp://h'] }, /propagate must be/],
    [{ operationName: '' }, /operationName must be/],
    [{ tags: [] }, /tags must be an object of tags.*, not \[\]/],
    [{ peerService: 7 }, /peerService must be .*, not 7/],
    [{ isError: true }, /isError must be a function.*, not true/],
    [{ decorateSpan: {} }, /decorateSpan must be a function.*, not \{\}/],
    [{ endOn: 'Body' }, /endOn must be 'headers' or 'body', not "Body"/],
    [{ endOn: 'body', bodyTimeout: 0 }, /bodyTimeout must be .*, not 0/],
    [{ endOn: 'body', bodyTimeout: 2 ** 31 }, /bodyTimeout must be .*, not 2147483648/],
    [{ endOn: 'body', bodyTimeout: Number.NaN }, /bodyTimeout must be/],
    [{ bodyTimeout: 100 }, /bodyTimeout has a meaning with endOn: 'body' alone/],
    [{ secretKeys: 'iban' }, /secretKeys must be .*, not "iban"/],
    [{ onError: 'log' }, /onError must be a function.*, not "log"/],
  ]
  for (const [options, message] of rows) {
    it(String(message), () => {
      assert.throws(() => createTracedFetch(options as TracedFetchOptions), { name: 'TypeError', message })
    })
  }

  it('undefined values are options left out; the options are read once', async () => {
    const tracer = recordingTracer()
    const tags: Record<string, unknown> = { a: 1 }
    const options = {
      tracer,
      fetch: undefined,
      propagate: undefined,
      endOn: undefined,
      tags,
    } as unknown as TracedFetchOptions
    const fetch = createTracedFetch(options)
    tags.a = 2
    options.rootSpans = false
    await fetch(world.origin)
    assert.equal(last(tracer).tags.a, 1)
  })
})

it('raw bytes: nothing but the trace headers is added', async () => {
  let bytes = ''
  const raw = await openRaw((text, socket) => {
    bytes = text
    socket.end('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n')
  })
  await globalThis.fetch(raw.origin)
  const plain = bytes.split('\r\n')
  const tracer = recordingTracer()
  await createTracedFetch({ tracer })(raw.origin)
  const added = bytes.split('\r\n').filter(line => !plain.includes(line))
  assert.deepEqual(added, [`uber-trace-id: ${header(last(tracer))}`])
  await raw.close()
})
