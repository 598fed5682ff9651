// Our own small client, against servers that answer byte by byte what is asked of them here.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { HttpConnection, StaleConnection } from '../../../src/tracer/export/http-connection.ts'

const servers: Server[] = []
const open = new Set<Socket>()
const staying = setInterval(() => {}, 1000)
after(() => {
  clearInterval(staying)
  for (const server of servers) server.close()
  for (const socket of open) socket.destroy()
})

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  server.on('connection', socket => open.add(socket))
  servers.push(server.listen(0, host))
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A server that has `answer` called for each request that has arrived whole. */
async function serve(
  answer: (socket: Socket, request: string, count: number) => void,
): Promise<{ url: URL; sockets: Socket[] }> {
  const sockets: Socket[] = []
  let count = 0
  const server = createServer(socket => {
    sockets.push(socket)
    let received = ''
    socket.on('error', () => {})
    socket.on('data', chunk => {
      received += chunk.toString('latin1')
      if (!/\r\n\r\nbody$/.test(received)) return
      const request = received
      received = ''
      answer(socket, request, ++count)
    })
  })
  return { url: new URL(`http://127.0.0.1:${await listen(server)}/v1/traces?x=1`), sockets }
}

const BODY = Buffer.from('body')
const post = (connection: HttpConnection) => connection.post({ 'content-type': 'text/plain' }, BODY)
const connectionTo = (url: URL, headers = {}) => new HttpConnection(url, headers, {})
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** The answer to two posts, and over how many connections they went. */
async function answersTo(answer: string | readonly string[], ending = false): Promise<unknown[]> {
  const { url, sockets } = await serve(async socket => {
    for (const part of [answer].flat()) {
      socket.write(part, 'latin1')
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    if (ending) socket.end()
  })
  const connection = connectionTo(url)
  const seen: unknown[] = []
  for (let i = 0; i < 2; i++) {
    const { status, body } = await post(connection)
    seen.push(`${status} ${body}`)
  }
  connection.close()
  return [...seen, sockets.length]
}

describe('the connection to a backend', { timeout: 30_000 }, () => {
  it('sends a whole request: path, host, length, the headers of the user and of the body', async () => {
    let seen = ''
    const { url } = await serve((socket, request) => {
      seen = request
      socket.write(OK)
    })
    await post(connectionTo(url, { 'x-key': 'schlüssel' }))
    const [head, body] = seen.split('\r\n\r\n')
    assert.deepEqual(head?.split('\r\n'), [
      'POST /v1/traces?x=1 HTTP/1.1',
      `host: ${url.host}`,
      'x-key: schlüssel',
      'content-type: text/plain',
      'content-length: 4',
    ])
    assert.equal(body, 'body')
  })

  it('sends name and password of a URL as node:http does', async () => {
    let seen = ''
    const { url } = await serve((socket, request) => {
      seen = request
      socket.write(OK)
    })
    url.username = 'me'
    url.password = 'p@ss'
    await post(connectionTo(url))
    assert.match(seen, new RegExp(`authorization: Basic ${Buffer.from('me:p@ss').toString('base64')}\r\n`))
  })

  it('refuses headers that would break the request', () => {
    const url = new URL('http://127.0.0.1/')
    assert.throws(() => connectionTo(url, { 'x-key': 'a\r\nb: c' }), TypeError)
    assert.throws(() => connectionTo(url, { 'x key': 'a' }), TypeError)
  })

  it('reaches IPv6 addresses', async t => {
    const server = createServer(socket => socket.on('data', () => socket.write(OK)))
    const port = await listen(server, '::1').catch(() => undefined)
    if (port === undefined) return t.skip('this machine has no IPv6')
    const connection = connectionTo(new URL(`http://[::1]:${port}/`))
    assert.equal((await post(connection)).status, 200)
    connection.close()
  })

  it('reads what node:http writes, with a length and in chunks', async () => {
    let chunked = false
    const server = createHttpServer((request, response) => {
      request.resume().on('end', () => {
        if (chunked) response.write('first, ')
        response.end('last')
      })
    })
    const connection = connectionTo(new URL(`http://127.0.0.1:${await listen(server)}/`))
    assert.equal(String((await post(connection)).body), 'last')
    chunked = true
    assert.equal(String((await post(connection)).body), 'first, last')
    connection.close()
    server.closeAllConnections()
  })

  const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const KEPT: [what: string, answer: string | readonly string[], seen: string][] = [
    ['a length', OK, '200 ok'],
    ['a length, in pieces', OK.split(''), '200 ok'],
    ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', '204 '],
    ['an empty body', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n', '200 '],
    ['an interim answer first', `HTTP/1.1 100 Continue\r\n\r\n${OK}`, '200 ok'],
    ['chunks', `${CHUNKED}3;x=y\r\none\r\n3\r\ntwo\r\n0\r\n\r\n`, '200 onetwo'],
    ['chunks, in pieces', `${CHUNKED}3\r\none\r\n0\r\n\r\n`.split(''), '200 one'],
    ['chunks and a trailer', `${CHUNKED}3\r\none\r\n0\r\nx-sum: 1\r\n\r\n`, '200 one'],
    [
      'HTTP/1.0 that keeps',
      `HTTP/1.0 200 OK\r\nConnection: keep-alive\r\ncontent-length: 2\r\n\r\nok`,
      '200 ok',
    ],
  ]
  for (const [what, answer, seen] of KEPT) {
    it(`is kept behind an answer with ${what}`, async () => {
      assert.deepEqual(await answersTo(answer), [seen, seen, 1])
    })
  }

  const ENDED: [what: string, answer: string, seen: string, ending?: boolean][] = [
    ['Connection: close', `HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 2\r\n\r\nok`, '200 ok'],
    ['HTTP/1.0', `HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok`, '200 ok'],
    ['a body up to the end', 'HTTP/1.1 200 OK\r\n\r\nall of it', '200 all of it', true],
    ['more than it promised', `${OK}!`, '200 ok'],
    ['more than its chunks', `${CHUNKED}3\r\none\r\n0\r\n\r\n!`, '200 one'],
    ['less than it promised', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok', '200 ok', true],
    [
      'a timeout that is over',
      'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\ncontent-length: 2\r\n\r\nok',
      '200 ok',
    ],
  ]
  for (const [what, answer, seen, ending] of ENDED) {
    it(`is not used again behind an answer with ${what}`, async () => {
      assert.deepEqual(await answersTo(answer, ending), [seen, seen, 2])
    })
  }

  it('tells when a kept connection was closed just as it was used again; the next post has another', async () => {
    const { url } = await serve((socket, _, count) => {
      if (count === 2) socket.destroy()
      else socket.write(OK)
    })
    const connection = connectionTo(url)
    await post(connection)
    await assert.rejects(post(connection), StaleConnection)
    assert.equal((await post(connection)).status, 200)
    connection.close()
  })

  it('rejects when a new connection is closed, refused, or speaks something else', async () => {
    for (const answer of ['', 'SSH-2.0-OpenSSH_9\r\n\r\n', 'HTTP/2 200\r\n\r\n', `${CHUNKED}zz\r\n`]) {
      const { url } = await serve(socket => socket.end(answer))
      await assert.rejects(
        post(connectionTo(url)),
        error => error instanceof Error && !(error instanceof StaleConnection),
      )
    }
    const { url } = await serve(() => {})
    await new Promise(resolve => servers.at(-1)?.close(resolve))
    await assert.rejects(post(connectionTo(url)), { code: 'ECONNREFUSED' })
  })

  it('keeps no more of an endless answer than it must, and lets go of it', async () => {
    for (const head of ['HTTP/1.1 200 OK\r\n\r\n', 'HTTP/1.1 200 OK\r\nx-long: ', 'nonsense']) {
      let isClosed = false
      const { url } = await serve(socket => {
        socket.on('close', () => {
          isClosed = true
        })
        socket.write(head)
        const more = () => !socket.destroyed && socket.write('x'.repeat(65_536), more)
        more()
      })
      const connection = connectionTo(url)
      const outcome = await post(connection).catch(error => error)
      if (outcome instanceof Error) assert.match(outcome.message, /not HTTP/)
      else assert.equal(outcome.body.length, 65_536)
      for (let i = 0; i < 100 && !isClosed; i++) await new Promise(resolve => setTimeout(resolve, 10))
      assert.ok(isClosed, head)
    }
  })

  it('what comes unasked ends the connection', async () => {
    const { url, sockets } = await serve(socket => {
      socket.write(OK)
      setTimeout(() => socket.write(OK), 5)
    })
    const connection = connectionTo(url)
    await post(connection)
    await new Promise(resolve => setTimeout(resolve, 50))
    assert.equal((await post(connection)).status, 200)
    assert.equal(sockets.length, 2)
    connection.close()
  })

  it('close gives the post that is under way up, with its reason', async () => {
    const { url } = await serve(() => {})
    const connection = connectionTo(url)
    const waiting = post(connection)
    setTimeout(() => connection.close(new Error('enough')), 20)
    await assert.rejects(waiting, { message: 'enough' })
  })

  it('close makes way for the next post at once', async () => {
    const { url, sockets } = await serve((socket, _, count) => {
      if (count === 2) socket.write(OK)
    })
    const connection = connectionTo(url)
    const waiting = assert.rejects(post(connection), { message: 'enough' })
    while (sockets.length === 0) await new Promise(resolve => setTimeout(resolve, 1))
    await new Promise(resolve => setTimeout(resolve, 20))
    connection.close(new Error('enough'))
    const { status } = await post(connection)
    await waiting
    assert.equal(status, 200)
    connection.close()
  })
})
