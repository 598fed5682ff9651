// Real sockets: a raw one for what HTTP clients cannot say, and node:http for the rest.

import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  rawHeaders: string[]
  body: string
}

export interface Ask {
  method?: string
  headers?: Record<string, string | string[]>
  body?: string
  agent?: http.Agent
  /** @default '127.0.0.1' */
  host?: string
  /** Speaks TLS with these options. */
  tls?: https.RequestOptions
}

/** One request over node:http; rejects when the connection is cut. */
export function ask(
  port: number,
  path: string,
  { method = 'GET', headers, body, agent, host = '127.0.0.1', tls }: Ask = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (tls ? https : http).request(
      { port, host, path, method, headers: headers ?? {}, ...(agent ? { agent } : {}), ...tls },
      response => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', chunk => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          const { statusCode = 0, headers, rawHeaders } = response
          resolve({ status: statusCode, headers, rawHeaders, body: text })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

/** Sends bytes and gives back everything that came until the other side closed, or until `until` is seen. */
export function raw(port: number, bytes: string, until?: RegExp, timeout = 2000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1')
    const timer = setTimeout(() => done(), timeout)
    let text = ''
    const done = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(text)
    }
    socket.setEncoding('latin1')
    socket.on('data', chunk => {
      text += chunk
      if (until?.test(text)) done()
    })
    socket.on('close', done)
    socket.on('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    socket.write(bytes, 'latin1')
  })
}

/** Connects, sends, and leaves: after `afterBytes` of the answer have come, once `once` holds, or after `afterMs`. */
export async function leave(
  port: number,
  bytes: string,
  when: { afterMs?: number; afterBytes?: number; once?: () => boolean },
): Promise<void> {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(bytes)
  if (when.afterBytes !== undefined) {
    let seen = 0
    await new Promise<void>(resolve => {
      socket.on('data', chunk => {
        seen += chunk.length
        if (seen >= (when.afterBytes as number)) resolve()
      })
      socket.on('close', () => resolve())
    })
  } else if (when.once !== undefined) await eventually(when.once, 'the moment to leave')
  else await sleep(when.afterMs ?? 40)
  socket.destroy()
}

/** Waits until `ready` holds; fails with `what` after `ms`. */
export async function eventually(
  ready: () => boolean | Promise<boolean>,
  what: string,
  ms = 2000,
): Promise<void> {
  const end = performance.now() + ms
  while (!(await ready())) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`)
    await sleep(5)
  }
}
