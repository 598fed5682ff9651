// Receives spans: one server for each format, with the paths, content types and responses of that format.

import { createSocket } from 'node:dgram'
import type { IncomingMessage } from 'node:http'
import type { DecodedSpans } from './decoded-spans.ts'
import { HttpError } from './http-error.ts'
import { type HttpReply, jsonReply, type RunningServer, startHttpServer, textReply } from './http-server.ts'
import { fromJaegerBody, fromJaegerPacket } from './jaeger-thrift.ts'
import { fromOtlp } from './otlp.ts'
import { otlpPartialSuccess, otlpStatus, readOtlpProtobuf } from './otlp-protobuf.ts'
import type { ReadBody } from './request-body.ts'
import { fromZipkin } from './zipkin.ts'

/** The most bytes of one message, after decompression. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024

/** Where received messages go. */
export interface SpanSink {
  /** Takes the spans of a message. */
  accept(decoded: DecodedSpans): void
  /** Counts a message that cannot be read. */
  reject(reason: string): void
}

/** Receives OTLP over HTTP. https://opentelemetry.io/docs/specs/otlp/#otlphttp */
export function startOtlpReceiver(
  host: string,
  port: number,
  read: ReadBody,
  sink: SpanSink,
): Promise<RunningServer> {
  return startHttpServer(host, port, async (request, _response, url) => {
    if (url.pathname === '/v1/metrics' || url.pathname === '/v1/logs') {
      return textReply(404, 'this viewer receives traces only, no metrics and no logs')
    }
    if (url.pathname !== '/v1/traces') return wrongPath('OTLP', '/v1/traces')
    if (request.method !== 'POST') return wrongMethod()
    const type = typeOf(request)
    if (type === 'application/json') {
      const decoded = await receive(request, read, sink, bytes => fromOtlp(parse(bytes))).catch(inJson)
      if ('status' in decoded) return decoded
      const { refused, reason } = decoded
      return jsonReply(
        200,
        refused === 0 ? {} : { partialSuccess: { rejectedSpans: String(refused), errorMessage: reason } },
      )
    }
    if (type !== 'application/x-protobuf' && type !== 'application/protobuf') {
      throw wrongType('application/x-protobuf or application/json', type)
    }
    const decode = (bytes: Buffer) => fromOtlp(readOtlpProtobuf(bytes))
    const decoded = await receive(request, read, sink, decode).catch(inProtobuf)
    if ('status' in decoded) return decoded
    const { refused, reason = '' } = decoded
    return { status: 200, type, body: refused === 0 ? '' : otlpPartialSuccess(refused, reason) }
  })
}

/** Receives Jaeger thrift over HTTP. https://www.jaegertracing.io/docs/latest/apis/#thrift-over-http */
export function startJaegerReceiver(
  host: string,
  port: number,
  read: ReadBody,
  sink: SpanSink,
): Promise<RunningServer> {
  return startHttpServer(host, port, async (request, _response, url) => {
    if (url.pathname !== '/api/traces') return wrongPath('Jaeger thrift', '/api/traces')
    if (request.method !== 'POST') return wrongMethod()
    const type = typeOf(request)
    if (type !== 'application/x-thrift' && type !== 'application/vnd.apache.thrift.binary') {
      throw wrongType('application/x-thrift', type)
    }
    return accepted(await receive(request, read, sink, fromJaegerBody))
  })
}

/** Receives Zipkin v2 JSON. https://zipkin.io/zipkin-api/#/default/post_spans */
export function startZipkinReceiver(
  host: string,
  port: number,
  read: ReadBody,
  sink: SpanSink,
): Promise<RunningServer> {
  return startHttpServer(host, port, async (request, _response, url) => {
    if (url.pathname !== '/api/v2/spans') return wrongPath('Zipkin v2 JSON', '/api/v2/spans')
    if (request.method !== 'POST') return wrongMethod()
    const type = typeOf(request)
    if (type !== 'application/json') throw wrongType('application/json (Zipkin v2)', type)
    return accepted(await receive(request, read, sink, bytes => fromZipkin(parse(bytes))))
  })
}

/** Receives Jaeger thrift over UDP. UDP has no response: an unreadable packet is only counted. */
export async function startJaegerUdpReceiver(
  host: string,
  port: number,
  protocol: 'compact' | 'binary',
  sink: SpanSink,
): Promise<RunningServer> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, host, resolve)
  })
  socket.on('error', error => sink.reject(`UDP ${protocol}: ${error.message}`))
  socket.on('message', packet => {
    try {
      sink.accept(fromJaegerPacket(packet, protocol))
    } catch (error) {
      const { message } = error as Error
      sink.reject(`a packet of ${packet.length} bytes is not ${protocol} thrift: ${message}`)
    }
  })
  return { port: socket.address().port, close: () => new Promise(resolve => socket.close(() => resolve())) }
}

async function receive(
  request: IncomingMessage,
  read: ReadBody,
  sink: SpanSink,
  decode: (bytes: Buffer) => DecodedSpans,
): Promise<DecodedSpans> {
  const bytes = await read(request, MAX_MESSAGE_BYTES)
  let decoded: DecodedSpans
  try {
    decoded = decode(bytes)
  } catch (error) {
    const reason = `the body cannot be read: ${(error as Error).message}`
    sink.reject(reason)
    throw new HttpError(400, reason)
  }
  sink.accept(decoded)
  return decoded
}

function parse(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString())
}

/** As Jaeger's and Zipkin's collectors reply: 202 without a body; 400 when every span was refused. */
function accepted({ spans, refused, reason }: DecodedSpans): HttpReply {
  if (refused > 0 && spans.length === 0) return textReply(400, reason ?? '')
  return textReply(202, refused === 0 ? '' : `${spans.length} spans accepted, ${refused} refused; ${reason}`)
}

/** OTLP's errors are a google.rpc.Status in the encoding of the request; code 3 is INVALID_ARGUMENT. */
function inJson(error: unknown): HttpReply {
  if (!(error instanceof HttpError)) throw error
  return jsonReply(error.status, { code: 3, message: error.message })
}

function inProtobuf(error: unknown): HttpReply {
  if (!(error instanceof HttpError)) throw error
  return { status: error.status, type: 'application/x-protobuf', body: otlpStatus(error.message) }
}

function typeOf(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

function wrongPath(format: string, path: string): HttpReply {
  return textReply(404, `this port receives ${format}: use POST ${path}; the page is on another port`)
}

function wrongMethod(): HttpReply {
  return { ...textReply(405, 'use POST to send spans'), headers: { allow: 'POST' } }
}

function wrongType(expected: string, type: string): HttpError {
  return new HttpError(415, `Content-Type must be ${expected}${type === '' ? '' : `, not ${type}`}`)
}
