// The exporter for OpenTelemetry's protocol over HTTP: what collectors, Jaeger 2 and most vendors listen to.
// https://opentelemetry.io/docs/specs/otlp/#otlphttp

import { type Checks, checkOptions } from '../../core/settings/check-options.ts'
import { createEnvironment } from '../../core/settings/environment.ts'
import {
  aUrl,
  isObject,
  milliseconds,
  oneOf,
  someHeaders,
  toHttpUrl,
} from '../../core/settings/option-kinds.ts'
import { createReport, type Report } from '../../core/settings/report.ts'
import { completeOtlp } from '../environment/otlp.ts'
import { createDelivery } from './delivery.ts'
import { joinResults } from './encodable.ts'
import type { Exporter } from './exporter.ts'
import type { TlsOptions } from './http-connection.ts'
import { readOtlpAnswer } from './otlp-answer.ts'
import { OtlpJson } from './otlp-json.ts'
import { OtlpProtobuf } from './otlp-protobuf.ts'

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

const CONTENT_TYPES = { protobuf: 'application/x-protobuf', json: 'application/json' } as const

/** Batches that may be under way at a time. */
const CONCURRENCY = 8

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
  checkOptions('otlpExporter(options)', OPTIONS, options)
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
  return {
    concurrency: CONCURRENCY,
    start({ resource, semanticConventions = 'opentelemetry' }) {
      const Encoder = protocol === 'json' ? OtlpJson : OtlpProtobuf
      encoder = new Encoder(resource, semanticConventions)
    },
    async export(spans, job) {
      if (encoder === undefined) throw new Error('otlpExporter: start() was not called')
      const { body, leftOut } = encoder.encode(spans)
      if (leftOut?.rejected === spans.length) return leftOut
      const answer = await delivery.deliver(body, CONTENT_TYPES[protocol], job)
      return joinResults(leftOut, readOtlpAnswer(answer))
    },
    close: () => delivery.close(),
  }
}
