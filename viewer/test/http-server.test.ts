// Who may send requests, and requests that are not valid HTTP.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { startViewer, type Viewer } from '../src/index.ts'
import { sendOtlp, toOtlp } from './support/otlp.ts'
import { post } from './support/post.ts'
import { browse } from './support/shop.ts'
import { eventually, FREE_PORTS } from './support/viewer.ts'

let viewer: Viewer

before(async () => {
  viewer = await startViewer({ ports: FREE_PORTS })
})

after(() => viewer.close())

test('pages of other sites can neither read nor write', async () => {
  const ask = (port: number | undefined, headers: Record<string, string>, method = 'GET') =>
    new Promise<number>(resolve => {
      const outgoing = request(
        { host: '127.0.0.1', port, path: '/api/services', method, headers },
        response => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      outgoing.end()
    })
  const { page } = viewer.ports
  assert.equal(await ask(page, { host: `localhost:${page}` }), 200)
  assert.equal(await ask(page, { host: `127.0.0.1:${page}` }), 200)
  // DNS rebinding: a foreign host name that resolves to this machine.
  assert.equal(await ask(page, { host: `evil.example:${page}` }), 403)
  assert.equal(await ask(page, { host: 'localhost.evil.example' }), 403)
  // Across origins.
  assert.equal(await ask(page, { host: `localhost:${page}`, origin: 'https://evil.example' }), 403)
  assert.equal(await ask(page, { host: `localhost:${page}`, origin: `http://localhost:${page}` }), 200)
  assert.equal(
    (
      await post(viewer.ports.otlp, '/v1/traces', 'application/json', '{}', {
        origin: 'https://evil.example',
      })
    ).status,
    403,
  )
  // Content types that a form of another site can send.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    assert.equal((await post(page, '/viewer/clear', type, '{}')).status, 415)
  }
})

async function openSocket(text: string): Promise<Socket> {
  const socket = connect(viewer.ports.otlp as number, '127.0.0.1')
  await once(socket, 'connect')
  await new Promise<void>(resolve => socket.write(text, () => resolve()))
  return socket
}

for (const [what, text, response] of [
  ['text that is not HTTP', 'nonsense\r\n\r\n', /^HTTP\/1\.1 400 /],
  [
    'a path with two slashes',
    'GET //v1/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n',
    /^HTTP\/1\.1 404 .*receives traces only/s,
  ],
  [
    'a request to a proxy',
    'GET http://x/ HTTP/1.1\r\nHost: localhost\r\n\r\n',
    /^HTTP\/1\.1 400 .*must start with \//s,
  ],
] as const) {
  test(`${what} gets a response`, async t => {
    const socket = await openSocket(text)
    t.after(() => socket.destroy())
    let received = ''
    socket.setEncoding('utf8').on('data', data => {
      received += data
    })
    await eventually(() => response.test(received), `${response} in the response`)
  })
}

test('a client that disconnects while it sends a body does no harm', async () => {
  const head = 'POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
  const socket = await openSocket(`${head}Content-Length: 100\r\n\r\n{`)
  socket.destroy()
  await sendOtlp(viewer.ports.otlp as number, toOtlp('alive', Date.now(), browse(1)))
  assert.equal(viewer.traces()[0]?.spans.length, 4)
})
