// What each option accepts, and which environment variables of jaeger-client may stand in for it.

import { type Checks, checkOptions, show } from '../core/settings/check-options.ts'
import type { Report } from '../core/settings/report.ts'
import type { JaegerLogger, JaegerOptions, JaegerReporterOptions, JaegerSamplerOptions } from './options.ts'

interface Field {
  accepts: (value: unknown) => boolean
  wanted: string
  /** The environment variables that may stand in for the option, the older names last. */
  env?: readonly string[]
  parse?: (text: string) => unknown
  /** Its value is never shown. */
  secret?: true
}

const text: Field = {
  accepts: v => typeof v === 'string' && v.trim() !== '',
  wanted: 'a text that is not empty',
}
const flag: Field = {
  accepts: v => typeof v === 'boolean',
  wanted: 'true or false',
  parse: v => (v === 'true' ? true : v === 'false' ? false : v),
}
const number = (accepts: (value: number) => boolean, wanted: string): Field => ({
  accepts: v => typeof v === 'number' && Number.isFinite(v) && accepts(v),
  wanted,
  parse: v => (v.trim() === '' ? v : Number(v)),
})
const port = number(v => Number.isInteger(v) && v > 0 && v < 65536, 'a port, 1 to 65535')
const milliseconds = number(v => v > 0 && v < 2 ** 31, 'a number of milliseconds above 0')
const func: Field = { accepts: v => typeof v === 'function', wanted: 'a function' }
const oneOf = (...values: string[]): Field => ({
  accepts: v => values.includes(v as string),
  wanted: `one of ${values.map(value => `'${value}'`).join(', ')}`,
})
const from = (field: Field, ...env: string[]): Field => ({ ...field, env })

type Fields<Options> = { readonly [K in keyof Required<Options>]: Field }

export const SAMPLER: Fields<JaegerSamplerOptions> = {
  type: from(oneOf('const', 'probabilistic', 'ratelimiting', 'remote'), 'JAEGER_SAMPLER_TYPE'),
  param: from(
    number(v => v >= 0, 'a number that is not negative'),
    'JAEGER_SAMPLER_PARAM',
  ),
  hostPort: from(
    {
      accepts: v => typeof v === 'string' && URL.canParse(withScheme(v)),
      wanted: "'host:port' or 'http://host:port'",
    },
    'JAEGER_SAMPLER_MANAGER_HOST_PORT',
  ),
  host: from(
    {
      accepts: v => typeof v === 'string' && URL.canParse(`http://${bracket(v)}`),
      wanted: "a host, such as 'agent'",
    },
    'JAEGER_SAMPLER_HOST',
  ),
  port: from(port, 'JAEGER_SAMPLER_PORT'),
  samplingPath: from(
    { accepts: v => typeof v === 'string' && v.startsWith('/'), wanted: "a path, such as '/sampling'" },
    'JAEGER_SAMPLER_SAMPLING_PATH',
  ),
  refreshIntervalMs: from(
    number(v => v >= 0 && v < 2 ** 31, 'a number of milliseconds; 0: never'),
    'JAEGER_SAMPLER_REFRESH_INTERVAL',
  ),
}

export const REPORTER: Fields<JaegerReporterOptions> = {
  agentHost: from(text, 'JAEGER_AGENT_HOST', 'JAEGER_REPORTER_AGENT_HOST'),
  agentPort: from(port, 'JAEGER_AGENT_PORT', 'JAEGER_REPORTER_AGENT_PORT'),
  agentSocketType: from(oneOf('udp4', 'udp6'), 'JAEGER_AGENT_SOCKET_TYPE'),
  collectorEndpoint: from(
    {
      accepts: v => typeof v === 'string' && /^https?:\/\//i.test(v) && URL.canParse(v),
      wanted: "a URL, such as 'http://localhost:14268/api/traces'",
      secret: true,
    },
    'JAEGER_ENDPOINT',
    'JAEGER_REPORTER_ENDPOINT',
  ),
  username: from(text, 'JAEGER_USER', 'JAEGER_REPORTER_USER'),
  password: from({ ...text, secret: true }, 'JAEGER_PASSWORD', 'JAEGER_REPORTER_PASSWORD'),
  timeoutMs: from(milliseconds, 'JAEGER_REPORTER_TIMEOUT'),
  flushIntervalMs: from(milliseconds, 'JAEGER_REPORTER_FLUSH_INTERVAL'),
  logSpans: from(flag, 'JAEGER_REPORTER_LOG_SPANS'),
}

export const isObject = (v: unknown): boolean => typeof v === 'object' && v !== null && !Array.isArray(v)

export const TOP: Fields<JaegerOptions> = {
  serviceName: from(text, 'JAEGER_SERVICE_NAME'),
  sampler: { accepts: isObject, wanted: "an object, such as { type: 'const', param: 1 }" },
  reporter: { accepts: isObject, wanted: "an object, such as { agentHost: 'localhost' }" },
  tags: {
    accepts: v =>
      isObject(v) &&
      Object.values(v as object).every(tag => ['string', 'number', 'boolean'].includes(typeof tag)),
    wanted: "an object of texts, numbers and booleans, such as { region: 'eu' }",
  },
  disable: from(flag, 'JAEGER_DISABLED', 'JAEGER_DISABLE'),
  traceId128bit: flag,
  global: flag,
  // Its own check is in src/propagation, where the option is at home.
  propagation: { accepts: () => true, wanted: '' },
  closeOnSignals: flag,
  closeTimeout: milliseconds,
  logger: {
    accepts: v => {
      const logger = v as Partial<JaegerLogger> | null
      return func.accepts(logger?.info) && func.accepts(logger?.error)
    },
    wanted: 'an object with the functions info and error',
  },
  onError: func,
}

/** The given options, with what is missing from the environment. */
export function fill<Options extends object>(
  path: string,
  fields: Fields<Options>,
  given: Options | undefined,
  report: Report,
): Partial<Options> {
  check(path, fields, given ?? {})
  const filled: Record<string, unknown> = { ...given }
  for (const [key, { accepts, wanted, env = [], parse, secret }] of Object.entries<Field>(fields)) {
    if (filled[key] !== undefined) continue
    const name = env.find(variable => (process.env[variable] ?? '') !== '')
    if (name === undefined) continue
    const text = process.env[name] as string
    const value = parse === undefined ? text : parse(text)
    if (accepts(value)) filled[key] = value
    else
      report(
        name,
        new TypeError(`it must be ${wanted}, not ${secret ? 'what it is' : show(text)}; it is not used`),
      )
  }
  return filled as Partial<Options>
}

export function check<Options extends object>(path: string, fields: Fields<Options>, given: object): void {
  const checks = Object.entries<Field>(fields).map(([key, { accepts, wanted, secret }]) => {
    return [key, secret ? [accepts, wanted, 'secret'] : [accepts, wanted]]
  })
  checkOptions('initJaegerTracer', Object.fromEntries(checks) as Checks<Options>, given, { prefix: path })
}

export function withScheme(hostPort: string): string {
  return /^https?:\/\//i.test(hostPort) ? hostPort : `http://${hostPort}`
}

export function bracket(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
