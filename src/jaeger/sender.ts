// Where batches go: a Jaeger agent over UDP, or a collector over HTTP.

import dgram, { type Socket, type SocketType } from 'node:dgram'
import type { Report } from '../core/settings/report.ts'
import { createAgent, exchange } from './http.ts'
import type { ReporterSettings } from './settings.ts'
import type { Envelope } from './thrift.ts'

export interface Sender {
  readonly envelope: Envelope
  readonly maxBatchBytes: number
  /** So many spans are worth sending before the interval is over; a full batch always is. */
  readonly eagerSpans: number
  /** Rejects when the batch is lost. */
  send(batch: Buffer): Promise<void>
  close(): void
}

/** What jaeger-client keeps a packet below: an IPv4 datagram ends at 65507 bytes. */
const MAX_PACKET_BYTES = 65_000

export function createSender(settings: ReporterSettings, report: Report): Sender {
  const { collector, credentials, timeoutMs, agentHost, agentPort, agentSocketType } = settings
  return collector === undefined
    ? createUdpSender(agentHost, agentPort, agentSocketType, report)
    : createHttpSender(collector, credentials, timeoutMs)
}

/** An agent's port for the binary protocol (6832 by default; 6831 speaks the compact one). */
function createUdpSender(host: string, port: number, type: SocketType, report: Report): Sender {
  let socket: Socket | undefined
  return {
    envelope: 'emitBatch',
    maxBatchBytes: MAX_PACKET_BYTES,
    eagerSpans: Number.POSITIVE_INFINITY,
    send(batch) {
      const open = socket ?? openSocket(type, report)
      socket = open
      return new Promise((resolve, reject) => {
        open.send(batch, port, host, error => (error === null ? resolve() : reject(error)))
      })
    },
    close() {
      socket?.close()
      socket = undefined
    },
  }
}

/** A collector's `/api/traces`, port 14268 by default. */
function createHttpSender(url: URL, credentials: string | undefined, timeoutMs: number): Sender {
  const agent = createAgent(url)
  const headers = {
    'content-type': 'application/x-thrift',
    ...(credentials && { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
  }
  return {
    envelope: 'batch',
    maxBatchBytes: 1_000_000,
    eagerSpans: 100,
    async send(batch) {
      const { status } = await exchange(url, {
        method: 'POST',
        headers: { ...headers, 'content-length': batch.length },
        body: batch,
        agent,
        timeoutMs,
      })
      if (status < 200 || status >= 300) throw new Error(`the collector answered with status ${status}`)
    },
    close() {
      agent.destroy()
    },
  }
}

function openSocket(type: SocketType, report: Report): Socket {
  const socket = dgram.createSocket(type)
  socket.unref()
  // Without a listener, an error that comes beside a send would be thrown into the app.
  socket.on('error', error => report('agent socket', error))
  return socket
}
