// Where and how the environment wants spans to be sent.
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options

import { type Environment, isSet, toMilliseconds, toPairs, toText } from '../../core/settings/environment.ts'
import { isHeaders, toHttpUrl } from '../../core/settings/option-kinds.ts'
import { otlpUrlOfAgent, otlpUrlOfCollector, toAuthorization } from './jaeger-words.ts'

/** Where and how spans go. */
export interface OtlpSettings {
  url: URL
  protocol: 'protobuf' | 'json'
  compression: 'none' | 'gzip'
  headers: Record<string, string>
  timeout: number
}

/** The options and, where one is not given, the environment. Variables that do not count are not read. */
export function completeOtlp(
  env: Environment,
  given: { [K in keyof OtlpSettings]?: OtlpSettings[K] | undefined },
): OtlpSettings {
  const both = (name: string) => [`OTEL_EXPORTER_OTLP_TRACES_${name}`, `OTEL_EXPORTER_OTLP_${name}`]
  const jaeger =
    given.url === undefined && !both('ENDPOINT').some(isSet) ? otlpOfJaegerEnvironment(env) : undefined
  return {
    url: given.url ?? jaeger?.url ?? otlpUrlOfEnvironment(env) ?? new URL(DEFAULT_URL),
    protocol: given.protocol ?? env.read(both('PROTOCOL'), toProtocol, 'http/protobuf') ?? 'protobuf',
    compression: given.compression ?? env.read(both('COMPRESSION'), toCompression, 'none') ?? 'none',
    headers: given.headers ?? env.read(both('HEADERS'), toHeaders, 'no headers') ?? jaeger?.headers ?? {},
    timeout:
      given.timeout ??
      env.read([...both('TIMEOUT'), 'JAEGER_REPORTER_TIMEOUT'], toMilliseconds, '10000') ??
      10_000,
  }
}

const DEFAULT_URL = 'http://localhost:4318/v1/traces'

function otlpUrlOfEnvironment(env: Environment): URL | undefined {
  const general = 'what OTEL_EXPORTER_OTLP_ENDPOINT says, else http://localhost:4318'
  const own = env.read(['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'], toHttpUrl, general)
  if (own !== undefined) return own
  const base = env.read(['OTEL_EXPORTER_OTLP_ENDPOINT'], toHttpUrl, DEFAULT_URL)
  if (base !== undefined) base.pathname = `${base.pathname.replace(/\/$/, '')}/v1/traces`
  return base
}

/** Where Jaeger's variables point. Their key is for that collector alone. */
function otlpOfJaegerEnvironment(env: Environment): {
  url: URL | undefined
  headers?: Record<string, string>
} {
  const endpoints = ['JAEGER_ENDPOINT', 'JAEGER_REPORTER_ENDPOINT']
  if (!endpoints.some(isSet)) {
    return { url: env.read(['JAEGER_AGENT_HOST', 'JAEGER_REPORTER_AGENT_HOST'], otlpUrlOfAgent, DEFAULT_URL) }
  }
  const url = env.read(endpoints, otlpUrlOfCollector, DEFAULT_URL)
  const user = env.read(['JAEGER_USER', 'JAEGER_REPORTER_USER'], toText, '')
  const password = env.read(['JAEGER_PASSWORD', 'JAEGER_REPORTER_PASSWORD'], toText, '')
  const hasKey = url !== undefined && user !== undefined && password !== undefined
  return { url, ...(hasKey ? { headers: toAuthorization(user, password) } : undefined) }
}

function toProtocol(text: string): 'protobuf' | 'json' | undefined {
  return text === 'http/protobuf' ? 'protobuf' : text === 'http/json' ? 'json' : undefined
}

function toCompression(text: string): 'none' | 'gzip' | undefined {
  return text === 'none' || text === 'gzip' ? text : undefined
}

function toHeaders(text: string): Record<string, string> | undefined {
  const headers = toPairs(text, decodeURIComponent)
  return isHeaders(headers) ? headers : undefined
}
