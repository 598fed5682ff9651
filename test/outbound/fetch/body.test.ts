import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import undici from 'undici'
import { createTracedFetch, type TracedFetchOptions } from '../../../src/outbound/fetch/index.ts'
import { type RecordedSpan, type RecordingTracer, recordingTracer } from '../../../src/testing/index.ts'
import { runProgram, source } from '../../support/children.ts'
import { type Fetch, openRaw, openWorld, type World } from '../../support/fetch-world.ts'
import { rows } from './rows.ts'

let world: World
before(async () => {
  world = await openWorld()
})
after(() => world.close())

/** Waits for all spans to have ended, for 2 s at most. */
async function allEnded(tracer: RecordingTracer): Promise<void> {
  for (let i = 0; i < 400 && tracer.finishedSpans.length < tracer.spans.length; i++) await sleep(5)
  assert.deepEqual(
    tracer.spans.map(span => span.finishCount),
    tracer.spans.map(() => 1),
  )
}

function toBody(options: TracedFetchOptions = {}): {
  tracer: RecordingTracer
  fetch: Fetch
  span(): RecordedSpan
} {
  const tracer = recordingTracer()
  const fetch = createTracedFetch({ endOn: 'body', tracer, ...options })
  return { tracer, fetch, span: () => tracer.spans.at(-1) as RecordedSpan }
}

const events = (span: RecordedSpan): unknown[] => span.logs.map(({ fields }) => fields.event)

describe("endOn: 'body': when the span ends", () => {
  it('with the last byte, whoever reads it; the log says when the headers were there', async () => {
    const { tracer, fetch, span } = toBody()
    const response = await fetch(`${world.origin}/slow/150`)
    assert.equal(span().finishCount, 0)
    assert.deepEqual(events(span()), ['headers'])
    assert.equal(await response.text(), 'first partsecond part')
    await allEnded(tracer)
    const { tags, startTime, finishTime, logs } = span()
    assert.equal(tags['http.response_body'], 'complete')
    assert.equal(tags['http.status_code'], 200)
    assert.equal('error' in tags, false)
    assert.ok((finishTime as number) - startTime >= 140, 'the streaming time is inside')
    assert.ok((finishTime as number) - (logs[0]?.timestamp as number) >= 50, 'the log is early')
  })

  for (const [title, path, init] of [
    ['no body: HEAD', '/large/10', { method: 'HEAD' }],
    ['no body: 204', '/status/204', {}],
    ['an empty body', '/large/0', {}],
    ['a small body that nobody reads', '/large/1000', {}],
    ['a compressed body', '/gzip', {}],
    ['a redirect: the last body counts', '/redirect/302?to=/large/10', {}],
    ['a redirect that is not followed', '/redirect/302?to=/large/10', { redirect: 'manual' }],
    ['a lone question mark and a fragment', '/x?#top', {}],
    ['an error status', '/status/500', {}],
  ] as [string, string, RequestInit][]) {
    it(title, async () => {
      const { tracer, fetch, span } = toBody()
      await fetch(world.origin + path, init)
      await allEnded(tracer)
      assert.equal(span().tags['http.response_body'], 'complete')
    })
  }

  it('F118: a body that nobody reads: when bodyTimeout has passed', async () => {
    const { tracer, fetch, span } = toBody({ bodyTimeout: 50 })
    const response = await fetch(`${world.origin}/large/1000000`)
    assert.equal(span().finishCount, 0)
    await allEnded(tracer)
    const { tags, startTime, finishTime } = span()
    assert.equal(tags['http.response_body'], 'timeout')
    assert.equal('error' in tags, false)
    assert.ok((finishTime as number) - startTime >= 45, 'it has waited')
    assert.equal((await response.text()).length, 1_000_000)
    assert.equal(span().finishCount, 1)
  })

  it('F119: a body that is cancelled', async () => {
    const { tracer, fetch, span } = toBody()
    const response = await fetch(`${world.origin}/drip`)
    await response.body?.cancel()
    await allEnded(tracer)
    const { tags } = span()
    assert.deepEqual(
      [tags['http.response_body'], tags.error, tags.aborted],
      ['cancelled', undefined, undefined],
    )
  })

  it('F119: a body that breaks off is a failure', async () => {
    const { tracer, fetch, span } = toBody()
    const response = await fetch(`${world.origin}/cut`)
    await assert.rejects(response.text(), { message: 'terminated' })
    await allEnded(tracer)
    assert.equal(span().tags['http.response_body'], 'failed')
    assert.equal(span().tags.error, true)
    assert.deepEqual(events(span()), ['headers', 'error'])
    assert.equal(span().logs[1]?.fields['error.kind'], 'SocketError')
  })

  it('F114: aborted by the caller in the middle of the body: an outcome', async () => {
    const { tracer, fetch, span } = toBody()
    const controller = new AbortController()
    const response = await fetch(`${world.origin}/drip`, { signal: controller.signal })
    const reason = new Error('enough')
    const body = assert.rejects(response.text(), error => error === reason)
    controller.abort(reason)
    await body
    await allEnded(tracer)
    const { tags, logs } = span()
    assert.deepEqual([tags['http.response_body'], tags.aborted, tags.error], ['cancelled', true, undefined])
    assert.deepEqual(logs[1]?.fields, { event: 'aborted', during: 'body', message: 'enough' })
  })

  it('F115: AbortSignal.timeout in the middle of the body: a failure', async () => {
    const { tracer, fetch, span } = toBody()
    const response = await fetch(`${world.origin}/drip`, { signal: AbortSignal.timeout(60) })
    await assert.rejects(response.text(), { name: 'TimeoutError' })
    await allEnded(tracer)
    const { tags } = span()
    assert.deepEqual(
      [tags['http.response_body'], tags['error.type'], tags.error],
      ['failed', 'TimeoutError', true],
    )
  })

  it('F113: no answer at all: at once, as ever', async () => {
    const { tracer, fetch, span } = toBody()
    await assert.rejects(fetch(world.closed), { message: 'fetch failed' })
    assert.equal(span().finishCount, 1)
    assert.equal('http.response_body' in span().tags, false)
    await allEnded(tracer)
  })

  it('F126: a fetch that is not undici, and a mock of undici: at the headers, and says so', async () => {
    const { fetch, span } = toBody({ fetch: async () => new Response('mock') })
    await fetch('http://mocked.invalid/')
    assert.deepEqual([span().finishCount, span().tags['http.response_body']], [1, 'unwatched'])
    const agent = new undici.MockAgent()
    agent.disableNetConnect()
    agent.get('http://mocked.invalid').intercept({ path: '/' }).reply(200, 'by MockAgent')
    const second = toBody({ fetch: undici.fetch as unknown as Fetch })
    await second.fetch('http://mocked.invalid/', { dispatcher: agent } as never)
    assert.deepEqual([second.span().finishCount, second.span().tags['http.response_body']], [1, 'unwatched'])
    await agent.close()
  })

  it('calls to the same URL end each with its own body', async () => {
    const { tracer, fetch } = toBody()
    const waiting: (() => void)[] = []
    const raw = await openRaw((_text, socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1')
      waiting.push(() => socket.end('2'))
    })
    const responses = await Promise.all(Array.from({ length: 5 }, () => fetch(`${raw.origin}/same`)))
    const ended: number[] = []
    for (const finish of waiting.reverse()) {
      finish()
      await sleep(15)
      ended.push(tracer.finishedSpans.length)
    }
    assert.deepEqual(ended, [1, 2, 3, 4, 5])
    assert.deepEqual(await Promise.all(responses.map(response => response.text())), Array(5).fill('12'))
    await raw.close()
  })

  it('a body that another fetch uploads from within is none of ours', async () => {
    const { tracer, fetch, span } = toBody()
    async function* upload(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(await (await globalThis.fetch(`${world.origin}/large/5`)).arrayBuffer())
    }
    const response = await fetch(`${world.origin}/slow/60`, {
      method: 'POST',
      body: upload() as never,
      duplex: 'half',
    })
    assert.equal(span().finishCount, 0)
    await response.text()
    await allEnded(tracer)
    assert.equal(span().tags['http.response_body'], 'complete')
  })

  it('more redirects than fetch follows', async () => {
    const { tracer, fetch } = toBody()
    await assert.rejects(fetch(`${world.origin}/loop`))
    await allEnded(tracer)
  })
})

describe("endOn: 'body' changes nothing that a caller can see", () => {
  const look = async (id: string, fetch: Fetch): Promise<unknown> => {
    world.received.length = 0
    const row = rows.find(one => one.id === id)
    const seen = await row?.run(fetch, world)
    return { seen, received: world.received.map(one => ({ ...one })) }
  }
  for (const { id, title } of rows) {
    it(`${id} ${title}`, async () => {
      const { tracer, fetch } = toBody({ bodyTimeout: 100 })
      const plain = await look(id, globalThis.fetch)
      assert.deepEqual(await look(id, fetch), plain)
      await allEnded(tracer)
    })
  }
})

const programStart = `
  import { createServer } from 'node:http'
  import diagnostics from 'node:diagnostics_channel'
  import v8 from 'node:v8'
  import vm from 'node:vm'
  import { createTracedFetch } from '${source}/outbound/fetch/index.ts'
  import { recordingTracer } from '${source}/testing/index.ts'
  const tracer = recordingTracer()
  const server = createServer((req, res) => res.end('x'.repeat(Number(req.url.slice(1)))))
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const origin = 'http://127.0.0.1:' + server.address().port
`

it('nothing is subscribed until a call wants to know the end of a body', async () => {
  const { stdout, stderr } = await runProgram(`${programStart}
    const subscribed = () => console.log(diagnostics.hasSubscribers('undici:request:create'))
    const toBody = createTracedFetch({ tracer, endOn: 'body' })
    await (await createTracedFetch({ tracer })(origin + '/1')).text()
    subscribed()
    await (await toBody(origin + '/1')).text()
    subscribed()
    process.exit()
  `)
  assert.equal(stdout, 'false\ntrue\n', stderr)
})

it('the wait for a body that nobody reads keeps no process alive', async () => {
  const { stdout, stderr } = await runProgram(`${programStart}
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
    const toBody = createTracedFetch({ tracer, endOn: 'body' })
    const counts = []
    for (const fetch of [globalThis.fetch, toBody]) {
      const before = timers()
      const response = await fetch(origin + '/1000000')
      counts.push(timers() - before)
      await response.body.cancel()
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    console.log(counts[1] - counts[0])
    process.exit()
  `)
  assert.equal(stdout, '0\n', stderr)
})

for (const endOn of ['headers', 'body']) {
  it(`F118: 1,000 bodies that nobody reads, endOn ${endOn}: no open span, all collected`, async () => {
    const { stdout, stderr } = await runProgram(`${programStart}
      v8.setFlagsFromString('--expose-gc')
      const gc = vm.runInNewContext('gc')
      let unhandled = 0
      process.on('unhandledRejection', () => unhandled++)
      const fetch = createTracedFetch({ tracer, endOn: '${endOn}'${endOn === 'body' ? ', bodyTimeout: 300' : ''} })
      const responses = []
      let spans = 0
      let open = 0
      async function calls(count, size) {
        await Promise.all(Array.from({ length: count }, async () => {
          responses.push(new WeakRef(await fetch(origin + '/' + size)))
        }))
      }
      const settle = async () => {
        await new Promise(resolve => setTimeout(resolve, ${endOn === 'body' ? 400 : 20}))
        spans += tracer.spans.length
        open += tracer.spans.length - tracer.finishedSpans.length
        tracer.clear()
        for (let i = 0; i < 3; i++) {
          gc()
          await new Promise(resolve => setTimeout(resolve, 20))
        }
      }
      await calls(50, 1000)
      await settle()
      const before = process.memoryUsage().heapUsed
      for (let i = 0; i < 18; i++) await calls(50, 1000)
      // Too large to be taken in unread: these hold their connections until they are collected.
      await calls(50, 300_000)
      await settle()
      const grown = process.memoryUsage().heapUsed - before
      const kept = responses.filter(one => one.deref() !== undefined).length
      console.log(JSON.stringify({ spans, open, kept, unhandled, grown }))
      process.exit()
    `)
    const { spans, open, kept, unhandled, grown } = JSON.parse(
      stdout || `{"stderr":${JSON.stringify(stderr)}}`,
    )
    assert.deepEqual({ spans, open, unhandled }, { spans: 1000, open: 0, unhandled: 0 }, stderr)
    assert.ok(kept <= 5, `${kept} responses are kept`)
    assert.ok(grown < 5 * 2 ** 20, `${grown} bytes more`)
  })
}
