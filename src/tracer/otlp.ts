// The exporter for OpenTelemetry's protocol over HTTP: what collectors, Jaeger v2 and most vendors listen to.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp

import { createReport, type Report } from '../core/index.ts'
import {
  aUrl,
  type Checks,
  checkOptions,
  isObject,
  milliseconds,
  oneOf,
  someHeaders,
  toHttpUrl,
} from './checks.ts'
import { type Answer, createDelivery } from './delivery.ts'
import { completeOtlp, createEnvironment } from './environment.ts'
import type { Exporter, ExportJob, ExportResult } from './exporter.ts'
import type { TlsOptions } from './http-connection.ts'
import { OtlpJson } from './otlp-json.ts'
import { OtlpParcel } from './otlp-parcel.ts'
import { OtlpProtobuf } from './otlp-protobuf.ts'
import { packBy } from './parcel.ts'
import { fieldsOf } from './protobuf.ts'
import { ours } from './span.ts'

/** Options of `otlpExporter`; each has environment variables that stand in for it. */
export interface OtlpOptions {
  /**
   * Where traces go, whole: `'https://collector:4318/v1/traces'`.
   * @default OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, else OTEL_EXPORTER_OTLP_ENDPOINT with `/v1/traces` behind it, else the
   *   host of JAEGER_ENDPOINT or JAEGER_AGENT_HOST, else `'http://localhost:4318/v1/traces'`
   */
  url?: string | URL
  /** @default OTEL_EXPORTER_OTLP_TRACES_PROTOCOL or OTEL_EXPORTER_OTLP_PROTOCOL, else 'protobuf' */
  protocol?: 'protobuf' | 'json'
  /** @default OTEL_EXPORTER_OTLP_TRACES_COMPRESSION or OTEL_EXPORTER_OTLP_COMPRESSION, else 'none' */
  compression?: 'none' | 'gzip'
  /** Headers of every request, such as a key of the vendor's. @default OTEL_EXPORTER_OTLP_TRACES_HEADERS or OTEL_EXPORTER_OTLP_HEADERS */
  headers?: Record<string, string>
  /** The most that one attempt may take, in milliseconds. @default OTEL_EXPORTER_OTLP_TRACES_TIMEOUT or OTEL_EXPORTER_OTLP_TIMEOUT, else 10000 */
  timeout?: number
  /** For https: as `tls.connect` takes them. @default none */
  tls?: TlsOptions
}

const OPTIONS: Checks<OtlpOptions> = {
  url: aUrl,
  protocol: oneOf('protobuf', 'json'),
  compression: oneOf('none', 'gzip'),
  headers: someHeaders,
  timeout: milliseconds,
  tls: [isObject, 'an object with ca, cert, key, passphrase, servername or rejectUnauthorized'],
}

/**
 * Sends spans to anything that takes OTLP over HTTP: an OpenTelemetry collector, Jaeger, Tempo, a vendor. Failures that
 * may pass are retried, up to five times and with growing pauses, or as long after as the backend says (`Retry-After`).
 *
 * @throws TypeError naming the option, the value and the fix
 * @see https://opentelemetry.io/docs/specs/otlp/#otlphttp
 * @example
 * createTracer({ serviceName: 'orders', exporter: otlpExporter({ url: 'https://collector:4318/v1/traces', compression: 'gzip' }) })
 */
export function otlpExporter(options: OtlpOptions = {}): Exporter {
  return createOtlpExporter(options, createReport(undefined))
}

/** The same, for a tracer that has its own way of reporting. */
export function createOtlpExporter(options: OtlpOptions, report: Report): Exporter {
  checkOptions('otlpExporter(options)', '', OPTIONS, options)
  const given = { ...options, url: toHttpUrl(options.url) }
  const { url, protocol, compression, headers, timeout } = completeOtlp(createEnvironment(report), given)
  const delivery = createDelivery({
    url,
    headers,
    gzip: compression === 'gzip',
    timeout,
    tls: options.tls ?? {},
  })
  let encoder: OtlpProtobuf | OtlpJson | undefined
  const send = async (body: Uint8Array, job: ExportJob) =>
    toResult(await delivery.deliver(body, CONTENT_TYPES[protocol], job))

  const exporter: Exporter = {
    start({ resource, semanticConventions = 'opentelemetry' }) {
      const Encoder = protocol === 'json' ? OtlpJson : OtlpProtobuf
      encoder = new Encoder(resource, semanticConventions)
    },
    async export(spans, job) {
      if (encoder === undefined) throw new Error('otlpExporter: start() was not called')
      if (encoder instanceof OtlpJson) return send(encoder.encode(ours(spans)), job)
      const parcel = new OtlpParcel(encoder, send)
      for (const span of ours(spans)) parcel.add(span)
      return parcel.send(job)
    },
    close: () => delivery.close(),
  }
  if (protocol === 'protobuf') packBy(exporter, () => new OtlpParcel(encoder as OtlpProtobuf, send))
  return exporter
}

const CONTENT_TYPES = { protobuf: 'application/x-protobuf', json: 'application/json' } as const

/** @see https://opentelemetry.io/docs/specs/otlp/#partial-success-1 */
function toResult({ contentType, body }: Answer): ExportResult | undefined {
  if (body.length === 0) return undefined
  try {
    const result = readAnswer(contentType, body)
    return result.rejected > 0 || result.message !== '' ? result : undefined
  } catch {
    return {
      rejected: 0,
      message: 'it took the spans, but its answer is not OTLP: is the URL that of a collector?',
    }
  }
}

function readAnswer(contentType: string, body: Buffer): Required<ExportResult> {
  if (contentType.includes('json')) return readJson(body)
  if (contentType.includes('protobuf')) return readProtobuf(body)
  throw new TypeError('neither of the two encodings')
}

function readJson(body: Buffer): Required<ExportResult> {
  const { partialSuccess } = JSON.parse(body.toString() || '{}') as {
    partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown } | null
  }
  return {
    rejected: Number(partialSuccess?.rejectedSpans ?? 0),
    message: String(partialSuccess?.errorMessage ?? ''),
  }
}

/** ExportTraceServiceResponse { partial_success = 1 { rejected_spans = 1, error_message = 2 } } */
function readProtobuf(body: Buffer): Required<ExportResult> {
  const result = { rejected: 0, message: '' }
  for (const [field, value] of fieldsOf(body)) {
    if (field !== 1 || !Buffer.isBuffer(value)) continue
    for (const [inner, found] of fieldsOf(value)) {
      if (inner === 1 && typeof found === 'number') result.rejected = found
      if (inner === 2 && Buffer.isBuffer(found)) result.message = found.toString()
    }
  }
  return result
}
