// A client that keeps nothing: raw sockets, one request after the other on each, and some that leave early.

import net from 'node:net'

export interface Load {
  port: number
  requests: number
  /** How many sockets send at once. */
  sockets: number
  /** The path of the request with this number. */
  path(n: number): string
  /** Whether the client leaves instead of waiting for the answer to this request. */
  leaves(n: number): boolean
}

/** Sends all requests; rejects when an answer is cut. */
export async function send(load: Load): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    let connection = open(load.port)
    while (next < load.requests) {
      const n = next++
      const bytes = `GET ${load.path(n)} HTTP/1.1\r\nHost: x\r\nUser-Agent: soak\r\n\r\n`
      if (load.leaves(n)) {
        await connection.leave(bytes)
        connection = open(load.port)
      } else await connection.ask(bytes)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: load.sockets }, worker))
}

interface Connection {
  ask(bytes: string): Promise<void>
  leave(bytes: string): Promise<void>
  close(): void
}

function open(port: number): Connection {
  const socket = net.connect(port, '127.0.0.1')
  socket.setEncoding('latin1')
  let text = ''
  let settle: { resolve(): void; reject(error: Error): void } | undefined
  const check = (): void => {
    const head = text.indexOf('\r\n\r\n')
    if (head === -1) return
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1])
    if (Number.isNaN(length)) settle?.reject(new Error(`an answer without a length: ${text.slice(0, 200)}`))
    else if (text.length >= head + 4 + length) {
      text = ''
      settle?.resolve()
    }
  }
  socket.on('data', chunk => {
    text += chunk
    check()
  })
  socket.on('error', error => settle?.reject(error))
  socket.on('close', () => settle?.reject(new Error('the connection was closed')))
  return {
    ask(bytes) {
      return new Promise<void>((resolve, reject) => {
        settle = { resolve, reject }
        socket.write(bytes)
      })
    },
    async leave(bytes) {
      settle = undefined
      await new Promise<void>(resolve => {
        socket.once('close', resolve)
        socket.write(bytes, () => setTimeout(() => socket.destroy(), 1))
      })
    },
    close() {
      settle = undefined
      socket.destroy()
    },
  }
}
