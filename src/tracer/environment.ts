// What the environment says, in OpenTelemetry's variables and in jaeger-client's. A value that cannot be understood is
// reported once and left out: a typing error there must not keep a service from starting.
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/

import { type Report, redactText } from '../core/index.ts'
import type { FormatName, PropagationOptions } from '../propagation/index.ts'
import type { BatchLimits } from './batch.ts'
import { isHeaders, toHttpUrl } from './checks.ts'
import { otlpUrlOfAgent, otlpUrlOfCollector, toAuthorization, toSampler } from './jaeger-settings.ts'
import { remoteSampler } from './remote-sampler.ts'
import { alwaysSampler, neverSampler, ratioSampler, type Sampler } from './sampler.ts'

/** Reads variables of the environment. */
export interface Environment {
  /**
   * The first of `names` that is set (an empty one is not).
   *
   * @param parse undefined or a throw: it cannot be understood, which is reported together with `instead`
   */
  read<T>(names: readonly string[], parse: (text: string) => T | undefined, instead: string): T | undefined
}

function isSet(name: string): boolean {
  return (process.env[name]?.trim() ?? '') !== ''
}

export function createEnvironment(report: Report): Environment {
  return {
    read(names, parse, instead) {
      for (const name of names) {
        if (!isSet(name)) continue
        const text = process.env[name]?.trim() ?? ''
        let reason = ''
        try {
          const value = parse(text)
          if (value !== undefined) return value
        } catch (error) {
          reason = ` (${(error as Error).message})`
        }
        // Keys of vendors stand in headers, and passwords in URLs: neither belongs in a log.
        const shown = name.endsWith('HEADERS') ? 'its value' : JSON.stringify(text) + reason
        report(name, new TypeError(redactText(`${shown} is not understood; instead: ${instead}`)))
        return undefined
      }
      return undefined
    },
  }
}

/** @param attributed `service.name` among the attributes of the process */
export function serviceNameOfEnvironment(
  env: Environment,
  attributed: string | undefined,
): string | undefined {
  const read = (name: string) => env.read([name], text => text, '')
  return read('OTEL_SERVICE_NAME') ?? attributed ?? read('JAEGER_SERVICE_NAME')
}

/** Attributes of the process, from both families; OpenTelemetry's win. */
export function resourceOfEnvironment(env: Environment): Record<string, string> {
  return {
    ...env.read(['JAEGER_TAGS'], text => pairs(text, fillIn), 'none of its tags'),
    ...env.read(
      ['OTEL_RESOURCE_ATTRIBUTES'],
      text => pairs(text, decodeURIComponent),
      'none of its attributes',
    ),
  }
}

export function isDisabledByEnvironment(env: Environment): boolean {
  const names = ['OTEL_SDK_DISABLED', 'JAEGER_DISABLED', 'JAEGER_DISABLE']
  return env.read(names, toFlag, 'false') ?? false
}

export function propagationOfEnvironment(env: Environment): PropagationOptions | undefined {
  return env.read(
    ['OTEL_PROPAGATORS'],
    toPropagation,
    'all formats are read; tracecontext, baggage and uber-trace-id written',
  )
}

const FORMATS: Readonly<Record<string, FormatName>> = {
  tracecontext: 'tracecontext',
  baggage: 'baggage',
  b3: 'b3',
  b3multi: 'b3multi',
  jaeger: 'uber-trace-id',
}

function toPropagation(text: string): PropagationOptions {
  const names = [...new Set(list(text))].filter(name => name !== 'none')
  const formats = names.map(name => {
    const format = FORMATS[name]
    if (format === undefined) throw new TypeError(`'${name}' is none of ${Object.keys(FORMATS).join(', ')}`)
    return format
  })
  return { extract: formats, inject: formats }
}

export interface EnvironmentSampler {
  sampler: Sampler
  parentBased: boolean
}

const EVERY_TRACE = 'every trace is recorded'

export function samplerOfEnvironment(env: Environment): EnvironmentSampler | undefined {
  return isSet('OTEL_TRACES_SAMPLER')
    ? env.read(['OTEL_TRACES_SAMPLER'], text => toOtelSampler(env, text), EVERY_TRACE)
    : env.read(['JAEGER_SAMPLER_TYPE'], type => toJaegerSampler(env, type), EVERY_TRACE)
}

function toOtelSampler(env: Environment, text: string): EnvironmentSampler | undefined {
  const parentBased = text.startsWith('parentbased_')
  const argument = ['OTEL_TRACES_SAMPLER_ARG']
  switch (parentBased ? text.slice('parentbased_'.length) : text) {
    case 'always_on':
      return { sampler: alwaysSampler(), parentBased }
    case 'always_off':
      return { sampler: neverSampler(), parentBased }
    case 'traceidratio':
      return {
        sampler: env.read(argument, share => ratioSampler(Number(share)), '1.0') ?? alwaysSampler(),
        parentBased,
      }
    case 'jaeger_remote':
      return { sampler: env.read(argument, toRemote, 'localhost:5778') ?? remoteSampler(), parentBased }
    default:
      return undefined
  }
}

/** `endpoint=http://collector:5778,pollingIntervalMs=5000,initialSamplingRate=0.25` */
function toRemote(text: string): Sampler {
  const { endpoint, pollingIntervalMs, initialSamplingRate } = pairs(text, value => value)
  const url = endpoint === undefined ? undefined : new URL(endpoint)
  if (url?.pathname === '/') url.pathname = '/sampling'
  return remoteSampler({
    ...(url === undefined ? undefined : { url }),
    ...(pollingIntervalMs === undefined ? undefined : { interval: Number(pollingIntervalMs) }),
    ...(initialSamplingRate === undefined
      ? undefined
      : { initial: ratioSampler(Number(initialSamplingRate)) }),
  })
}

function toJaegerSampler(env: Environment, type: string): EnvironmentSampler {
  const text = (name: string) => env.read([`JAEGER_SAMPLER_${name}`], value => value, '')
  const number = (name: string) => env.read([`JAEGER_SAMPLER_${name}`], toNumber, 'as if it were not set')
  const settings = {
    param: number('PARAM'),
    hostPort: text('MANAGER_HOST_PORT'),
    host: text('HOST'),
    port: number('PORT'),
    samplingPath: text('SAMPLING_PATH'),
    refreshIntervalMs: number('REFRESH_INTERVAL'),
  }
  return { sampler: toSampler({ type, ...known(settings) }), parentBased: true }
}

/** What is given and, where it is not, what the environment says; variables that do not count are not looked at. */
export function completeBatch(
  env: Environment,
  given: Partial<BatchLimits>,
  defaults: BatchLimits,
): BatchLimits {
  const read = (names: string[], parse: (text: string) => number | undefined, fallback: number) =>
    env.read(names, parse, String(fallback)) ?? fallback
  const delays = ['OTEL_BSP_SCHEDULE_DELAY', 'JAEGER_REPORTER_FLUSH_INTERVAL']
  return {
    ...defaults,
    ...known(given),
    delay: given.delay ?? read(delays, toMilliseconds, defaults.delay),
    timeout: given.timeout ?? read(['OTEL_BSP_EXPORT_TIMEOUT'], toMilliseconds, defaults.timeout),
    queueSpans: given.queueSpans ?? read(['OTEL_BSP_MAX_QUEUE_SIZE'], toCount, defaults.queueSpans),
    spans: given.spans ?? read(['OTEL_BSP_MAX_EXPORT_BATCH_SIZE'], toCount, defaults.spans),
  }
}

/** Where and how spans go. */
export interface OtlpSettings {
  url: URL
  protocol: 'protobuf' | 'json'
  compression: 'none' | 'gzip'
  headers: Record<string, string>
  timeout: number
}

/** What is given and, where it is not, what the environment says; variables that do not count are not looked at. */
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

/** The key is for that collector alone. */
function otlpOfJaegerEnvironment(env: Environment): {
  url: URL | undefined
  headers?: Record<string, string>
} {
  const endpoints = ['JAEGER_ENDPOINT', 'JAEGER_REPORTER_ENDPOINT']
  if (!endpoints.some(isSet)) {
    return { url: env.read(['JAEGER_AGENT_HOST', 'JAEGER_REPORTER_AGENT_HOST'], otlpUrlOfAgent, DEFAULT_URL) }
  }
  const url = env.read(endpoints, otlpUrlOfCollector, DEFAULT_URL)
  const user = env.read(['JAEGER_USER', 'JAEGER_REPORTER_USER'], text => text, '')
  const password = env.read(['JAEGER_PASSWORD', 'JAEGER_REPORTER_PASSWORD'], text => text, '')
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
  const headers = pairs(text, decodeURIComponent)
  return isHeaders(headers) ? headers : undefined
}

function toFlag(text: string): boolean | undefined {
  const lower = text.toLowerCase()
  return lower === 'true' ? true : lower === 'false' ? false : undefined
}

function toNumber(text: string): number | undefined {
  const number = Number(text)
  return Number.isFinite(number) ? number : undefined
}

function toCount(text: string): number | undefined {
  const number = Number(text)
  return Number.isSafeInteger(number) && number > 0 ? number : undefined
}

function toMilliseconds(text: string): number | undefined {
  const number = Number(text)
  return number > 0 && number < 2 ** 31 ? number : undefined
}

function list(text: string): string[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

/** `key=value,key2=value2` */
function pairs(text: string, read: (value: string) => string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const pair of list(text)) {
    const equals = pair.indexOf('=')
    if (equals < 1) throw new TypeError(`'${pair}' is no pair of key and value`)
    found[pair.slice(0, equals).trim()] = read(pair.slice(equals + 1).trim())
  }
  return found
}

/** jaeger-client's `${VARIABLE:default}` */
function fillIn(value: string): string {
  const [, variable, fallback] = /^\$\{([^:}]*):?([^}]*)\}$/.exec(value) ?? []
  return variable === undefined ? value : process.env[variable] || fallback || ''
}

/** Without what is not there. */
function known<T extends object>(settings: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T
}
