// The server of the page: its paths, saved traces and events. The page itself is tested in browser-*.test.ts.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startViewer, type Viewer } from '../src/index.ts'
import { idOf, sendOtlp, toOtlp } from './support/otlp.ts'
import { post } from './support/post.ts'
import { browse, sendShop } from './support/shop.ts'
import { FREE_PORTS } from './support/viewer.ts'

let viewer: Viewer

before(async () => {
  viewer = await startViewer({ ports: FREE_PORTS })
  await sendShop(viewer.ports.otlp as number, Date.now())
})

after(() => viewer.close())

test('unknown paths: 404; a wrong method: 405; HEAD has no body', async () => {
  assert.equal((await fetch(`${viewer.url}/api/nothing`)).status, 404)
  assert.equal((await fetch(`${viewer.url}/../../etc/passwd`)).status, 404)
  assert.equal((await fetch(`${viewer.url}/page.js.map`)).status, 404)
  assert.equal((await fetch(`${viewer.url}/api/services`, { method: 'DELETE' })).status, 405)
  const head = await fetch(`${viewer.url}/api/services`, { method: 'HEAD' })
  assert.equal(await head.text(), '')
  assert.equal(head.headers.get('x-content-type-options'), 'nosniff')
})

test('a saved trace can be opened: all its spans are the same', async () => {
  const id = idOf('checkout 4', 32)
  const saved = await (await fetch(`${viewer.url}/api/traces/${id}`)).json()
  const other = await startViewer({ ports: FREE_PORTS })
  try {
    const open = (document: unknown) =>
      post(other.ports.page, '/viewer/open', 'application/json', JSON.stringify(document))
    const { status, text } = await open(saved)
    assert.equal(status, 200)
    assert.deepEqual(JSON.parse(text), { traceIds: [id], spans: 14, refused: 0 })
    assert.deepEqual(other.trace(id)?.spans, viewer.trace(id)?.spans)
    for (const [document, reason] of [
      [{}, /it is not Jaeger's JSON/],
      [{ data: [] }, /the file has no spans/],
      [{ data: [{ spans: [{ traceID: 'x' }] }] }, /its trace id must be/],
    ] as const) {
      const reply = await open(document)
      assert.equal(reply.status, 400)
      assert.match(reply.text, reason)
    }
  } finally {
    await other.close()
  }
})

test('pages get an event when spans arrive', async () => {
  const stop = new AbortController()
  const response = await fetch(`${viewer.url}/viewer/events`, { signal: stop.signal })
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await sendOtlp(viewer.ports.otlp as number, toOtlp('change', Date.now(), browse(1)))
  let text = ''
  while (!/event: change\ndata: .*\n\n/.test(text))
    text += Buffer.from((await reader.read()).value ?? []).toString()
  const change = JSON.parse(/data: (.*)\n/.exec(text)?.[1] ?? '')
  assert.deepEqual(change.traceIds, [idOf('change', 32)])
  assert.equal(change.stats.traces, 20)
  stop.abort()
})
