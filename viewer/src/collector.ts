// The inlets: each format's own door, with that format's own manners of answering.

import { createSocket } from 'node:dgram'
import type { IncomingMessage } from 'node:http'
import { type ReadBody, Refusal } from './body.ts'
import { type Answer, type Door, json, openHttp, say } from './doors.ts'
import { fromJaegerBody, fromJaegerPacket } from './jaeger-thrift.ts'
import type { Intake } from './loose.ts'
import { fromOtlp } from './otlp.ts'
import { otlpPartialSuccess, otlpStatus, readOtlpProtobuf } from './otlp-protobuf.ts'
import { fromZipkin } from './zipkin.ts'

/** The most bytes of one message, unpacked. */
export const MAX_MESSAGE: number = 16 * 1024 * 1024

/** Where a message goes once it is read; a message that cannot be read is told with its reason. */
export interface Sink {
  accept(intake: Intake): void
  reject(reason: string): void
}

/** Opens the inlet for OTLP over HTTP. https://opentelemetry.io/docs/specs/otlp/#otlphttp */
export function openOtlp(host: string, port: number, read: ReadBody, sink: Sink): Promise<Door> {
  return openHttp(host, port, async (request, _response, url) => {
    if (url.pathname === '/v1/metrics' || url.pathname === '/v1/logs') {
      return say(404, 'this is a viewer of traces: it takes no metrics and no logs')
    }
    if (url.pathname !== '/v1/traces') return elsewhere('OTLP', 'POST /v1/traces')
    if (request.method !== 'POST') return notPosted()
    const type = typeOf(request)
    if (type === 'application/json') {
      const intake = await receive(request, read, sink, bytes => fromOtlp(parse(bytes))).catch(inJson)
      if ('status' in intake) return intake
      const { refused, reason } = intake
      return json(
        200,
        refused === 0 ? {} : { partialSuccess: { rejectedSpans: String(refused), errorMessage: reason } },
      )
    }
    if (type !== 'application/x-protobuf' && type !== 'application/protobuf') {
      throw new Refusal(
        415,
        `OTLP comes as application/x-protobuf or application/json, not ${type || 'untyped'}`,
      )
    }
    const intake = await receive(request, read, sink, bytes => fromOtlp(readOtlpProtobuf(bytes))).catch(
      inProtobuf,
    )
    if ('status' in intake) return intake
    const { refused, reason = '' } = intake
    return { status: 200, type, body: refused === 0 ? '' : otlpPartialSuccess(refused, reason) }
  })
}

/** Opens the inlet for Jaeger's thrift over HTTP. https://www.jaegertracing.io/docs/latest/apis/#thrift-over-http */
export function openJaegerHttp(host: string, port: number, read: ReadBody, sink: Sink): Promise<Door> {
  return openHttp(host, port, async (request, _response, url) => {
    if (url.pathname !== '/api/traces') return elsewhere('Jaeger thrift', 'POST /api/traces')
    if (request.method !== 'POST') return notPosted()
    const type = typeOf(request)
    if (type !== 'application/x-thrift' && type !== 'application/vnd.apache.thrift.binary') {
      throw new Refusal(415, `Jaeger thrift comes as application/x-thrift, not ${type || 'untyped'}`)
    }
    return accepted(await receive(request, read, sink, fromJaegerBody))
  })
}

/** Opens the inlet for Zipkin's v2 JSON. https://zipkin.io/zipkin-api/#/default/post_spans */
export function openZipkin(host: string, port: number, read: ReadBody, sink: Sink): Promise<Door> {
  return openHttp(host, port, async (request, _response, url) => {
    if (url.pathname !== '/api/v2/spans') return elsewhere('Zipkin v2 JSON', 'POST /api/v2/spans')
    if (request.method !== 'POST') return notPosted()
    const type = typeOf(request)
    if (type !== 'application/json') {
      throw new Refusal(415, `Zipkin spans are taken as v2 JSON (application/json), not ${type || 'untyped'}`)
    }
    return accepted(await receive(request, read, sink, bytes => fromZipkin(parse(bytes))))
  })
}

/** Opens an inlet for Jaeger's thrift over UDP; what cannot be read there can be told to nobody but the sink. */
export async function openJaegerUdp(
  host: string,
  port: number,
  protocol: 'compact' | 'binary',
  sink: Sink,
): Promise<Door> {
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
      sink.reject(`a packet of ${packet.length} bytes is no ${protocol} thrift: ${(error as Error).message}`)
    }
  })
  return { port: socket.address().port, close: () => new Promise(resolve => socket.close(() => resolve())) }
}

async function receive(
  request: IncomingMessage,
  read: ReadBody,
  sink: Sink,
  decode: (bytes: Buffer) => Intake,
): Promise<Intake> {
  const bytes = await read(request, MAX_MESSAGE)
  let intake: Intake
  try {
    intake = decode(bytes)
  } catch (error) {
    const reason = `the body cannot be read: ${(error as Error).message}`
    sink.reject(reason)
    throw new Refusal(400, reason)
  }
  sink.accept(intake)
  return intake
}

function parse(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString())
}

/** As their collectors do: 202 without a word; 400 when not one span was any good. */
function accepted({ spans, refused, reason }: Intake): Answer {
  if (refused > 0 && spans.length === 0) return say(400, reason ?? '')
  return say(202, refused === 0 ? '' : `${spans.length} spans taken, ${refused} refused; ${reason}`)
}

function inJson(error: unknown): Answer {
  if (!(error instanceof Refusal)) throw error
  return json(error.status, { code: 3, message: error.message })
}

function inProtobuf(error: unknown): Answer {
  if (!(error instanceof Refusal)) throw error
  return { status: error.status, type: 'application/x-protobuf', body: otlpStatus(error.message) }
}

function typeOf(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

function elsewhere(format: string, where: string): Answer {
  return say(404, `this is the viewer's inlet for ${format}: ${where}; the page is on another port`)
}

function notPosted(): Answer {
  return { ...say(405, 'spans are sent here by POST'), headers: { allow: 'POST' } }
}
