// A collector for tests: takes what arrives, decodes it by the official definitions (as the package otlp-transformer has
// them compiled), and answers as it is told.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'
import root from '@opentelemetry/otlp-transformer/build/src/generated/root.js'

// biome-ignore lint/suspicious/noExplicitAny: what another package has compiled, without types
type Any = any

const { ExportTraceServiceRequest, ExportTraceServiceResponse } = (root as Any).opentelemetry.proto.collector
  .trace.v1

/** A value of an attribute, as plain JavaScript. */
export type Value = string | number | boolean | Value[] | undefined

export interface DecodedEvent {
  name: string
  time: bigint
  attributes: Record<string, Value>
}

export interface DecodedSpan {
  traceId: string
  spanId: string
  parentSpanId: string
  traceState: string
  flags: number
  name: string
  kind: number
  start: bigint
  end: bigint
  attributes: Record<string, Value>
  /** All keys, repeated ones too. */
  keys: string[]
  events: DecodedEvent[]
  links: { traceId: string; spanId: string; attributes: Record<string, Value> }[]
  status: { code: number; message: string }
  dropped: { attributes: number; events: number }
}

export interface DecodedRequest {
  resource: Record<string, Value>
  scope: string
  spans: DecodedSpan[]
}

function toValue(any: Any): Value {
  if (any.arrayValue) return (any.arrayValue.values ?? []).map(toValue)
  return (
    any.stringValue ??
    any.boolValue ??
    any.doubleValue ??
    (any.intValue === undefined ? undefined : Number(any.intValue))
  )
}

function toAttributes(list: Any[] = []): Record<string, Value> {
  return Object.fromEntries(list.map(({ key, value }) => [key, toValue(value)]))
}

function toSpan(span: Any): DecodedSpan {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes ?? []).toString('hex')
  return {
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentSpanId: hex(span.parentSpanId),
    traceState: span.traceState ?? '',
    flags: span.flags ?? 0,
    name: span.name,
    kind: span.kind,
    start: BigInt(span.startTimeUnixNano),
    end: BigInt(span.endTimeUnixNano),
    attributes: toAttributes(span.attributes),
    keys: (span.attributes ?? []).map((attribute: Any) => attribute.key),
    events: (span.events ?? []).map((event: Any) => ({
      name: event.name,
      time: BigInt(event.timeUnixNano),
      attributes: toAttributes(event.attributes),
    })),
    links: (span.links ?? []).map((link: Any) => ({
      traceId: hex(link.traceId),
      spanId: hex(link.spanId),
      attributes: toAttributes(link.attributes),
    })),
    status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
    dropped: { attributes: span.droppedAttributesCount ?? 0, events: span.droppedEventsCount ?? 0 },
  }
}

function toRequest(message: Any): DecodedRequest {
  const [{ resource, scopeSpans }, ...more] = message.resourceSpans
  if (more.length > 0 || scopeSpans.length !== 1) throw new Error('one resource and one scope were expected')
  return {
    resource: toAttributes(resource.attributes),
    scope: scopeSpans[0].scope.name,
    spans: scopeSpans[0].spans.map(toSpan),
  }
}

const asPlain = (message: Any): Any =>
  ExportTraceServiceRequest.toObject(message, { longs: String, bytes: Buffer })

/** An OTLP request in protocol buffers. */
export function decodeProtobuf(body: Uint8Array): DecodedRequest {
  return toRequest(asPlain(ExportTraceServiceRequest.decode(body)))
}

/**
 * An OTLP request in JSON: taken in by the same definitions, after the two things in which OTLP differs from the JSON of
 * protocol buffers (ids in hex, and nothing else than numbers for enums).
 */
export function decodeJson(text: string): DecodedRequest {
  const json = JSON.parse(text, (key, value) => {
    if (!/^(trace|span|parentSpan)Id$/.test(key)) return value
    if (!/^([0-9a-f]{16}|[0-9a-f]{32})$/.test(value)) throw new Error(`${key} is ${value}`)
    return Buffer.from(value, 'hex')
  })
  const problem = ExportTraceServiceRequest.verify(withoutTextNumbers(json))
  if (problem) throw new Error(problem)
  return toRequest(asPlain(ExportTraceServiceRequest.fromObject(json)))
}

/** `verify` takes numbers only; 64-bit ones are text in JSON, and doubles that JSON lacks. */
function withoutTextNumbers(value: Any): Any {
  if (Array.isArray(value)) return value.map(withoutTextNumbers)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [
        key,
        /UnixNano$|^intValue$|^doubleValue$/.test(key) ? Number(item) : withoutTextNumbers(item),
      ]),
  )
}

/** A response with partial success. */
export function encodePartialSuccess(rejectedSpans: number, errorMessage: string): Uint8Array {
  return ExportTraceServiceResponse.encode({ partialSuccess: { rejectedSpans, errorMessage } }).finish()
}

export interface Arrived {
  url: string
  headers: IncomingMessage['headers']
  request: DecodedRequest
}

export interface Collector {
  readonly url: string
  readonly port: number
  readonly arrived: Arrived[]
  readonly sockets: Set<Socket>
  /** Requests whose head has arrived, decoded or not. */
  requests: number
  spans(): DecodedSpan[]
  close(): Promise<void>
}

/** Answers a request; the body is read, but not decoded yet. */
export type Answer = (res: ServerResponse, body: Buffer, req: IncomingMessage) => void

const accept: Answer = (res, _body, req) => {
  res.writeHead(200, { 'content-type': req.headers['content-type'] ?? '' })
  res.end(req.headers['content-type'] === 'application/json' ? '{}' : undefined)
}

/** Listens on a free port. `answer` stands in for a collector that takes everything. */
export async function startCollector(answer: Answer = accept): Promise<Collector> {
  const server = createServer((req, res) => {
    collector.requests++
    const chunks: Buffer[] = []
    req.on('data', chunk => chunks.push(chunk))
    req.on('end', () => {
      const sent = Buffer.concat(chunks)
      const body = req.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
      const isJson = req.headers['content-type'] === 'application/json'
      if (answer === accept) {
        const request = isJson ? decodeJson(body.toString()) : decodeProtobuf(body)
        collector.arrived.push({ url: req.url ?? '', headers: req.headers, request })
      }
      answer(res, body, req)
    })
    req.on('error', () => {})
  })
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const collector: Collector = {
    url: `http://127.0.0.1:${port}/v1/traces`,
    port,
    arrived: [],
    sockets,
    requests: 0,
    spans: () => collector.arrived.flatMap(({ request }) => request.spans),
    close: () => {
      open.delete(collector)
      server.closeAllConnections()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
  open.add(collector)
  return collector
}

const open = new Set<Collector>()

/** For `after`: a test that failed has left its collector behind, which would keep the process alive. */
export async function closeCollectors(): Promise<void> {
  await Promise.all([...open].map(collector => collector.close()))
}

/** Waits for something to become true, for two seconds at most. */
export async function until(isTrue: () => boolean, patience = 2000): Promise<void> {
  const end = performance.now() + patience
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`still not true: ${isTrue}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
