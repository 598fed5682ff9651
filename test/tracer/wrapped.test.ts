// Somebody stands between our tracer and us: what spans say is the same, and what that somebody adds is there.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import opentracing, { Span, type SpanOptions, type Tracer } from 'opentracing'
import { createTracedFetch } from '../../src/outbound/fetch/index.ts'
import { createTracer, type LeanTracer } from '../../src/tracer/index.ts'
import { plainServer } from '../support/plain-server.ts'

type Start = (name: string, options: SpanOptions | undefined) => Span

/** A tracer that starts its spans in a way of its own, and leaves the rest to ours. */
function around(tracer: LeanTracer, makeStart: (start: Start) => Start): Tracer {
  const start = makeStart((name, options) => tracer.startSpan(name, options))
  return Object.assign(new opentracing.Tracer(), {
    startSpan: start,
    inject: tracer.inject.bind(tracer),
    extract: tracer.extract.bind(tracer),
  }) as Tracer
}

/** A span that is no LeanSpan, and knows OpenTracing alone. */
class Wrapped extends Span {
  readonly inner: Span
  constructor(inner: Span) {
    super()
    this.inner = inner
  }
  override context() {
    return this.inner.context()
  }
  override setTag(key: string, value: unknown): this {
    this.inner.setTag(key, value)
    return this
  }
  override addTags(tags: Record<string, unknown>): this {
    this.inner.addTags(tags)
    return this
  }
  override setOperationName(name: string): this {
    this.inner.setOperationName(name)
    return this
  }
  override finish(time?: number): void {
    this.inner.finish(time)
  }
}

const extra = { team: 'orders' }

const ways: Record<string, { start: (start: Start) => Start; adds?: typeof extra }> = {
  'hands all on': { start: start => start },
  'hands on what OpenTracing knows alone': {
    start: start => (name, options) => {
      const { childOf, references, tags, startTime } = options ?? {}
      return start(name, { childOf, references, tags, startTime } as SpanOptions)
    },
  },
  'adds tags': {
    start: start => (name, options) => start(name, { ...options, tags: { ...options?.tags, ...extra } }),
    adds: extra,
  },
  'has spans of its own': { start: start => (name, options) => new Wrapped(start(name, options)) },
}

/** A request that makes a call, and one without a caller: the tags of their spans. */
async function tagsOf(makeStart: (start: Start) => Start): Promise<Record<string, unknown>[]> {
  const spans: Record<string, unknown>[] = []
  const lean = createTracer({
    serviceName: 'orders',
    exporter: { export: batch => void spans.push(...batch.map(({ tags }) => ({ ...tags }))) },
  })
  const tracer = around(lean, makeStart)
  const traced = createTracedFetch()
  const next = await plainServer(() => 'next', 'untraced')
  const app = await plainServer(
    async () => (await traced(`http://127.0.0.1:${next.port}/next?page=2`)).text(),
    { tracer },
  )
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  for (const headers of [{ traceparent }, {}]) {
    const answer = await fetch(`http://127.0.0.1:${app.port}/`, {
      headers: { connection: 'close', ...headers },
    })
    assert.equal(await answer.text(), 'next')
  }
  await app.close()
  await next.close()
  await lean.close()
  return spans.map(tags => {
    assert.equal(typeof tags['peer.port'], 'number')
    // Ports are new each time.
    const { 'peer.port': _, 'http.url': url, ...rest } = tags
    return { ...rest, 'http.url': String(url).replace(/:\d+/, '') }
  })
}

const IN = {
  'span.kind': 'server',
  component: 'http',
  'http.method': 'GET',
  'http.url': 'http://127.0.0.1/',
  'peer.ipv4': '127.0.0.1',
  'http.status_code': 200,
}
const OUT = {
  'span.kind': 'client',
  component: 'fetch',
  'http.method': 'GET',
  'http.url': 'http://127.0.0.1/next?page=2',
  'peer.hostname': '127.0.0.1',
  'http.status_code': 200,
}

describe('a tracer that stands in front of ours and', () => {
  for (const [how, { start, adds }] of Object.entries(ways)) {
    it(how, async () => {
      const calls = [OUT, IN, OUT, IN].map(tags => ({ ...tags, ...adds }))
      assert.deepEqual(await tagsOf(start), calls)
    })
  }
})

describe("a tracer that is not the parent's", () => {
  it('is given tags by the call, for its sampler', async () => {
    const seen: unknown[] = []
    const exporter = { export() {} }
    const tracer = createTracer({
      serviceName: 'calls',
      exporter,
      parentBased: false,
      sampler: {
        sample({ tags }) {
          seen.push(tags['http.method'])
          return true
        },
      },
    })
    const parents = createTracer({ serviceName: 'orders', exporter })
    const next = await plainServer(() => 'next', 'untraced')
    const traced = createTracedFetch({ tracer })
    const app = await plainServer(async () => (await traced(`http://127.0.0.1:${next.port}/`)).text(), {
      tracer: parents,
    })
    await (await fetch(`http://127.0.0.1:${app.port}/`, { headers: { connection: 'close' } })).text()
    await Promise.all([app.close(), next.close(), parents.close(), tracer.close()])
    assert.deepEqual(seen, ['GET'])
  })
})
