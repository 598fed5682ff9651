// One exchange with a backend over HTTP that can neither hold the process nor pile up: bounded in time and in bytes.

import http, { type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'

/** Backends answer in a line or two; sampling strategies may take more. */
const MAX_ANSWER_LENGTH = 1_000_000

export interface Call {
  method: 'GET' | 'POST'
  headers?: OutgoingHttpHeaders
  body?: Buffer
  agent: http.Agent
  /** For the whole exchange, in milliseconds. */
  timeoutMs: number
}

export interface Answer {
  status: number
  /** Cut when it is endless. */
  body: string
}

/** @throws whatever broke the connection, or an error when the time is over */
export function exchange(url: URL, { method, headers = {}, body, agent, timeoutMs }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(url, { method, headers, agent })
    const timer = setTimeout(
      () => request.destroy(new Error(`no complete answer within ${timeoutMs} ms`)),
      timeoutMs,
    ).unref()
    let answer: Answer | undefined
    request.on('socket', socket => socket.unref())
    request.on('response', response => {
      let text = ''
      const complete = () => {
        answer = { status: response.statusCode ?? 0, body: text }
      }
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        if (text.length <= MAX_ANSWER_LENGTH) return
        complete()
        request.destroy()
      })
      response.on('end', complete)
      response.on('error', reject)
    })
    request.on('error', reject)
    request.on('close', () => {
      clearTimeout(timer)
      if (answer === undefined) reject(new Error('the connection closed before a complete answer'))
      else resolve(answer)
    })
    request.end(body)
  })
}

/** An agent of our own for `url`: few connections, kept open between batches. */
export function createAgent(url: URL): http.Agent {
  const options = { keepAlive: true, maxSockets: 1 }
  return url.protocol === 'https:' ? new https.Agent(options) : new http.Agent(options)
}
