// Other protocols than HTTP/1.1 over IPv4: what is no request is left alone, what is one gets its span.

import assert from 'node:assert/strict'
import http2 from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import { activeSpan } from '../../src/core/scope.ts'
import type { RecordedSpan } from '../../src/testing/index.ts'
import { type At, TLS } from '../hosts/sample.ts'
import { ask, eventually, raw } from '../support/client.ts'
import { hello, names, type Row, row } from './row.ts'

export const protocolRows: Row[] = [
  row({
    id: 'R-WEBSOCKET',
    title: 'a WebSocket is not touched and leaves no span (F073)',
    app: hello,
    async request(port, _host, { server }) {
      const sockets = new WebSocketServer({ server })
      sockets.on('connection', socket => {
        socket.on('message', text => socket.send(`${text}, span: ${activeSpan() !== undefined}`))
      })
      const client = new WebSocket(`ws://127.0.0.1:${port}/hello`)
      const said = await new Promise<string>((resolve, reject) => {
        client.on('open', () => client.send('hi'))
        client.on('message', text => resolve(String(text)))
        client.on('error', reject)
      })
      const closed = new Promise(resolve => client.on('close', resolve))
      client.close()
      await closed
      sockets.close()
      return said
    },
    spans: 0,
    unchanged: true,
    expect(_seen, said) {
      assert.equal(said, 'hi, span: false')
    },
  }),
  row({
    id: 'R-CONNECT',
    title: 'CONNECT is not touched and leaves no span (F073)',
    app: hello,
    request(port, _host, { server }) {
      server.on('connect', (_req, socket) => socket.end('HTTP/1.1 200 Connection Established\r\n\r\ntunnel'))
      return raw(port, 'CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example\r\n\r\n')
    },
    spans: 0,
    unchanged: true,
    expect(_seen, answer) {
      assert.match(answer, /tunnel$/)
    },
  }),
  row({
    id: 'R-HTTPS',
    title: 'over TLS the URL says https',
    app: { ...hello, protocol: 'https' },
    request: port => ask(port, '/hello', { tls: TLS }),
    expect({ span, port }, answer) {
      assert.equal(answer.body, 'hello')
      assert.equal(span.tags['http.url'], `https://127.0.0.1:${port}/hello`)
      assert.equal(span.tags['peer.ipv4'], '127.0.0.1')
    },
  }),
  ...(
    [
      [
        'R-IPV4-MAPPED',
        'an IPv4 client of an IPv6 socket is peer.ipv4',
        '::ffff:127.0.0.1',
        '127.0.0.1',
        'peer.ipv4',
      ],
      ['R-IPV6', 'an IPv6 client is peer.ipv6', '::1', '::1', 'peer.ipv6'],
    ] as const
  ).map(([id, title, address, host, tag]) =>
    row({
      id,
      title,
      app: { ...hello, address },
      request: port => ask(port, '/hello', { host }),
      expect({ span }) {
        const peers = Object.entries(span.tags).filter(([name]) => name.startsWith('peer.ip'))
        assert.deepEqual(peers, [[tag, host]])
      },
    }),
  ),
  row({
    id: 'R-H2-STREAMS',
    title:
      '50 streams of one HTTP/2 session: each its own span and trace; pseudo-headers are no headers (F072)',
    app: {
      protocol: 'http2',
      routes: [
        {
          path: '/n/:n',
          handle: async ({ req }) => {
            await sleep(req.url?.endsWith('0') ? 20 : 1)
            return (activeSpan() as RecordedSpan).traceId
          },
        },
      ],
    },
    options: { tracedRequestAttributes: ['HEADERS', 'headers.:path'] },
    request: port =>
      overHttp2(port, session =>
        Promise.all(
          Array.from({ length: 50 }, async (_, n) => {
            const sent = String(n + 1).padStart(32, 'a')
            return { sent, got: await stream(session, `/n/${n}`, { 'uber-trace-id': `${sent}:1:0:1` }) }
          }),
        ),
      ),
    spans: 50,
    expect(seen, answers) {
      assert.deepEqual(
        answers.map(({ got }) => got),
        answers.map(({ sent }) => sent),
      )
      assert.deepEqual([...new Set(names(seen))], ['GET /n/:n'])
      assert.equal(new Set(seen.spans.map(span => span.traceId)).size, 50)
      assert.match(String(seen.span.tags['http.url']), new RegExp(`^http://127.0.0.1:${seen.port}/n/\\d+$`))
      assert.deepEqual(Object.keys(JSON.parse(String(seen.span.tags.HEADERS))), ['uber-trace-id'])
      assert.equal('headers.:path' in seen.span.tags, false)
    },
  }),
  row({
    id: 'R-H2-EVENTS',
    title: "over HTTP/2 the only listener of an event is the app's: it has its span (F072, F085)",
    app: () => {
      const active: string[] = []
      return {
        protocol: 'http2',
        routes: [
          {
            path: '/events',
            handle: ({ req, res }: At) => {
              for (const [name, emitter] of [['end', req] as const, ['finish', res] as const]) {
                emitter.on(name, () => active.push(`${name}: ${activeSpan() !== undefined}`))
              }
              req.resume()
              return 'x'
            },
          },
          { path: '/active', handle: () => active },
        ],
      }
    },
    request: port =>
      overHttp2(port, async session => {
        await stream(session, '/events', {})
        return JSON.parse(await stream(session, '/active', {})) as string[]
      }),
    spans: 2,
    expect(_seen, active) {
      assert.deepEqual(active.sort(), ['end: true', 'finish: true'])
    },
  }),
  row({
    id: 'R-H2-RESET',
    title:
      'an HTTP/2 stream that the client resets, before the answer and in the middle of it (F059, F060, F072)',
    app: {
      protocol: 'http2',
      routes: [
        { path: '/hang', handle: () => new Promise(() => {}) },
        { path: '/large', handle: () => 'x'.repeat(5_000_000) },
      ],
    },
    request: (port, _host, { tracer }) =>
      overHttp2(port, async session => {
        for (const path of ['/hang', '/large']) {
          const before = tracer.spans.length
          const request = session.request({ ':path': path }).on('error', () => {})
          if (path === '/large') await new Promise(resolve => request.on('response', resolve))
          else await eventually(() => tracer.spans.length > before, 'the request arrived')
          request.close(http2.constants.NGHTTP2_CANCEL)
          await eventually(() => tracer.finishedSpans.length > before, 'the span ended')
        }
      }),
    spans: 2,
    expect({ spans }) {
      assert.deepEqual(
        spans.map(({ tags }) => [tags.aborted, tags['http.status_code']]),
        [
          ['before response', undefined],
          ['during response', 200],
        ],
      )
    },
  }),
]

async function overHttp2<T>(
  port: number,
  use: (session: http2.ClientHttp2Session) => Promise<T>,
): Promise<T> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  try {
    return await use(session)
  } finally {
    session.destroy()
  }
}

function stream(
  session: http2.ClientHttp2Session,
  path: string,
  headers: Record<string, string>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    session
      .request({ ':path': path, ...headers })
      .setEncoding('utf8')
      .on('data', chunk => {
        text += chunk
      })
      .on('end', () => resolve(text))
      .on('error', reject)
  })
}
