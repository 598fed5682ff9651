// A Jaeger agent and a collector on real sockets, and a tracer that sends to them.

import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo, Socket } from 'node:net'
import { after, afterEach } from 'node:test'
import type { Span } from 'opentracing'
import {
  initJaegerTracer,
  type JaegerOptions,
  type JaegerReporterOptions,
  type JaegerTracer,
} from '../../src/jaeger/index.ts'

// The decoder is jaeger-client's own: its definitions, read by the Thrift library that it depends on.
const require = createRequire(import.meta.url)
const requireOfJaeger = createRequire(require.resolve('jaeger-client'))
const { Thrift } = requireOfJaeger('thriftrw')
const { default: vendorThrift } = require('jaeger-client/dist/src/thrift.js')
const definitions = new Thrift({
  source: vendorThrift.loadJaegerThriftDefinition(),
  allowOptionalArguments: true,
})
const agentDefinitions = new Thrift({
  entryPoint: vendorThrift.buildAgentThriftPath(),
  allowOptionalArguments: true,
  allowFilesystemAccess: true,
})

export interface Decoded {
  traceId: string
  spanId: string
  parentId: string
  name: string
  references: { type: string; traceId: string; spanId: string }[]
  flags: number
  /** Microseconds. */
  start: number
  duration: number
  tags: Record<string, unknown>
  logs: { timestamp: number; fields: Record<string, unknown> }[]
}

interface Arrived {
  service: string
  processTags: Record<string, unknown>
  spans: Decoded[]
}

// biome-ignore lint/suspicious/noExplicitAny: what thriftrw decodes has no types
type Raw = any

const toTags = (tags: Raw[] | null) =>
  Object.fromEntries(
    (tags ?? []).map(tag => [
      tag.key,
      { STRING: tag.vStr, DOUBLE: tag.vDouble, BOOL: tag.vBool, BINARY: tag.vBinary }[tag.vType as string],
    ]),
  )
const toNumber = (i64: Buffer) => Number(i64.readBigInt64BE())
const toTraceId = (high: Buffer, low: Buffer) => Buffer.concat([high, low]).toString('hex')

/** Without the tags that tell which sampler has decided. */
function toSpan(raw: Raw): Decoded {
  const { 'sampler.type': _type, 'sampler.param': _param, ...tags } = toTags(raw.tags)
  return {
    traceId: toTraceId(raw.traceIdHigh, raw.traceIdLow),
    spanId: raw.spanId.toString('hex'),
    parentId: raw.parentSpanId.toString('hex'),
    name: raw.operationName,
    references: (raw.references ?? []).map((ref: Raw) => ({
      type: ref.refType,
      traceId: toTraceId(ref.traceIdHigh, ref.traceIdLow),
      spanId: ref.spanId.toString('hex'),
    })),
    flags: raw.flags,
    start: toNumber(raw.startTime),
    duration: toNumber(raw.duration),
    tags,
    logs: (raw.logs ?? []).map((log: Raw) => ({
      timestamp: toNumber(log.timestamp),
      fields: toTags(log.fields),
    })),
  }
}

function toArrived(batch: Raw): Arrived {
  return {
    service: batch.process.serviceName,
    processTags: toTags(batch.process.tags),
    spans: batch.spans.map(toSpan),
  }
}

function value(result: { err: Error | null; value: Raw }): Raw {
  if (result.err) throw result.err
  return result.value
}

/** A span as jaeger-client's own encoder writes it. */
export function encodedByVendor(span: Span): Decoded {
  const raw = new definitions.Span(vendorThrift.spanToThrift(span))
  return toSpan(value(definitions.Span.rw.readFrom(value(definitions.Span.rw.toBuffer(raw)), 0)))
}

const fromPacket = (packet: Buffer) =>
  toArrived(value(agentDefinitions.Agent.emitBatch.argumentsMessageRW.readFrom(packet, 0)).body.batch)
const fromBody = (body: Buffer) => toArrived(value(definitions.Batch.rw.readFrom(body, 0)))

export const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

export interface Backend {
  port: number
  arrived: Arrived[]
  spans(): Decoded[]
}

/** An agent on a real UDP socket. */
export async function startAgent(): Promise<Backend & { sizes: number[] }> {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 4_000_000 })
  const arrived: Arrived[] = []
  const sizes: number[] = []
  socket.on('message', packet => {
    sizes.push(packet.length)
    arrived.push(fromPacket(packet))
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  cleanups.push(() => new Promise<void>(resolve => socket.close(resolve)))
  return { port: socket.address().port, arrived, sizes, spans: () => arrived.flatMap(batch => batch.spans) }
}

/** A collector on a real HTTP server; `answer` gets the whole request. */
export async function startCollector(
  answer: (response: ServerResponse, request: IncomingMessage, count: number) => void = response =>
    response.writeHead(202).end(),
): Promise<Backend & { requests: IncomingMessage[]; sockets: Set<Socket>; endpoint: string }> {
  const arrived: Arrived[] = []
  const requests: IncomingMessage[] = []
  const sockets = new Set<Socket>()
  const server = http.createServer((request, response) => {
    requests.push(request)
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      if (request.method === 'POST') arrived.push(fromBody(Buffer.concat(chunks)))
      answer(response, request, requests.length)
    })
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  const endpoint = `http://127.0.0.1:${port}/api/traces`
  return { port, arrived, requests, sockets, endpoint, spans: () => arrived.flatMap(batch => batch.spans) }
}

/** A UDP port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = http.createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

export const troubles: string[] = []
after(() => assert.deepEqual(troubles, []))

/** A tracer that samples all; what it reports as trouble fails the run unless `onError` is given. */
export function start(options: JaegerOptions = {}): JaegerTracer {
  const tracer = initJaegerTracer({
    serviceName: 'orders',
    sampler: { type: 'const', param: 1 },
    onError: (error, place) => troubles.push(`${place}: ${error}`),
    ...options,
  })
  cleanups.push(() => tracer.close())
  return tracer
}

export const over = {
  udp: async (): Promise<{ backend: Backend; reporter: JaegerReporterOptions }> => {
    const backend = await startAgent()
    return { backend, reporter: { agentHost: '127.0.0.1', agentPort: backend.port } }
  },
  http: async (): Promise<{ backend: Backend; reporter: JaegerReporterOptions }> => {
    const backend = await startCollector()
    return { backend, reporter: { collectorEndpoint: backend.endpoint } }
  },
}

export async function until(condition: () => boolean, ms = 3000): Promise<void> {
  const end = Date.now() + ms
  while (!condition() && Date.now() < end) await new Promise(resolve => setTimeout(resolve, 5))
  assert.ok(condition(), 'it did not come true in time')
}

export const only = <T>(items: T[]): T => {
  assert.equal(items.length, 1)
  return items[0] as T
}
export const padded = (id: string, length = 32): string => id.padStart(length, '0')

export function idsOf(span: Span): { traceId: string; spanId: string } {
  return { traceId: padded(span.context().toTraceId()), spanId: padded(span.context().toSpanId(), 16) }
}
