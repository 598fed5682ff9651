// The exporter for Zipkin's version 2 of JSON over HTTP.
// https://zipkin.io/zipkin-api/#/default/post_spans

import { isIPv4, isIPv6 } from 'node:net'
import {
  type AttributeName,
  type AttributeSink,
  KINDS,
  type SemanticConventions,
  writeAttributes,
} from '../../core/conventions/otel-attributes.ts'
import type { TagValue } from '../../core/conventions/tag-value.ts'
import { type Checks, checkOptions } from '../../core/settings/check-options.ts'
import {
  aUrl,
  isObject,
  milliseconds,
  oneOf,
  someHeaders,
  toHttpUrl,
} from '../../core/settings/option-kinds.ts'
import { createDelivery } from './delivery.ts'
import { type EncodableSpan, encodeEach } from './encodable.ts'
import type { Exporter, SpanLog } from './exporter.ts'
import type { TlsOptions } from './http-connection.ts'

/** Options of `zipkinExporter`. */
export interface ZipkinOptions {
  /** @default 'http://localhost:9411/api/v2/spans' */
  url?: string | URL
  /** @default 'none' */
  compression?: 'none' | 'gzip'
  /** Headers of every request. @default {} */
  headers?: Record<string, string>
  /** The most that one attempt may take, in milliseconds. @default 10000 */
  timeout?: number
  /** For https: as `tls.connect` takes them. @default none */
  tls?: TlsOptions
}

/** Batches that may be under way at a time. */
const CONCURRENCY = 8

const OPTIONS: Checks<ZipkinOptions> = {
  url: aUrl,
  compression: oneOf('none', 'gzip'),
  headers: someHeaders,
  timeout: milliseconds,
  tls: [isObject, 'an object with ca, cert, key, passphrase, servername or rejectUnauthorized'],
}

/**
 * Sends spans to Zipkin, or to what takes its JSON. Tags keep their OpenTracing names, which are Zipkin's too.
 *
 * @throws TypeError naming the option, the value and the fix
 * @example
 * createTracer({ serviceName: 'orders', exporter: zipkinExporter({ url: 'http://zipkin:9411/api/v2/spans' }) })
 */
export function zipkinExporter(options: ZipkinOptions = {}): Exporter {
  checkOptions('zipkinExporter(options)', OPTIONS, options)
  const delivery = createDelivery({
    url: toHttpUrl(options.url ?? 'http://localhost:9411/api/v2/spans') as URL,
    headers: options.headers ?? {},
    gzip: options.compression === 'gzip',
    timeout: options.timeout ?? 10_000,
    tls: options.tls ?? {},
  })
  let serviceName = ''
  let conventions: SemanticConventions = 'opentracing'

  return {
    concurrency: CONCURRENCY,
    start({ resource, semanticConventions }) {
      serviceName = String(resource['service.name']).toLowerCase()
      conventions = semanticConventions ?? conventions
    },
    async export(spans, job) {
      const list: object[] = []
      const leftOut = encodeEach(spans, span => list.push(toZipkin(span, serviceName, conventions)))
      await delivery.deliver(Buffer.from(JSON.stringify(list)), 'application/json', job)
      return leftOut
    },
    close: () => delivery.close(),
  }
}

/** Zipkin's names for kinds; a span inside of a service has none. */
const ZIPKIN_KINDS: Readonly<Record<number, string>> = {
  [KINDS.server]: 'SERVER',
  [KINDS.client]: 'CLIENT',
  [KINDS.producer]: 'PRODUCER',
  [KINDS.consumer]: 'CONSUMER',
}

class TagSink implements AttributeSink {
  readonly tags: Record<string, string> = Object.create(null)

  put({ text }: AttributeName, value: TagValue): void {
    this.tags[text] = toText(value)
  }

  putPart({ text }: AttributeName, value: string, start: number, end: number): void {
    this.tags[text] = value.slice(start, end)
  }
}

function toText(value: TagValue): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function toZipkin(span: EncodableSpan, serviceName: string, conventions: SemanticConventions): object {
  const sink = new TagSink()
  const { kind, failed, message } = writeAttributes(span, conventions, sink)
  // The tag `error` is the failure itself there: it must not be when there is none.
  delete sink.tags.error
  if (failed) sink.tags.error = message ?? 'true'
  return {
    traceId: span.traceId,
    id: span.spanId,
    parentId: span.parentId,
    name: span.operationName.toLowerCase(),
    kind: ZIPKIN_KINDS[kind],
    timestamp: toMicros(span.startTime),
    duration: Math.max(1, Math.round(span.durationNanos / 1000)),
    debug: span.debug || undefined,
    localEndpoint: { serviceName },
    remoteEndpoint: toRemoteEndpoint(span.tags),
    annotations: toAnnotations(span.logs),
    tags: sink.tags,
  }
}

function toMicros(time: number): number {
  return Math.round(time * 1000)
}

/** Zipkin has each but once. */
function toAnnotations(logs: readonly SpanLog[]): object[] {
  const found = new Map<string, object>()
  for (const log of logs) {
    const annotation = { timestamp: toMicros(log.timestamp), value: toAnnotation(log) }
    found.set(`${annotation.timestamp} ${annotation.value}`, annotation)
  }
  return [...found.values()]
}

/** The event's name alone, or all fields as JSON. */
function toAnnotation({ fields }: SpanLog): string {
  const names = Object.keys(fields)
  return names.length === 1 && typeof fields.event === 'string' ? fields.event : JSON.stringify(fields)
}

/** Addresses that are none stay tags alone: Zipkin would refuse the whole list for them. */
function toRemoteEndpoint(tags: Readonly<Record<string, TagValue>>): object | undefined {
  const text = (name: string) => (typeof tags[name] === 'string' ? tags[name] : '')
  const port = Number(tags['peer.port'])
  const endpoint = {
    serviceName: text('peer.service').toLowerCase() || undefined,
    ipv4: isIPv4(text('peer.ipv4')) ? text('peer.ipv4') : undefined,
    ipv6: isIPv6(text('peer.ipv6')) ? text('peer.ipv6') : undefined,
    port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined,
  }
  return Object.values(endpoint).some(value => value !== undefined) ? endpoint : undefined
}
