// The options and jaeger-client's environment variables, checked and completed once.

import type { SocketType } from 'node:dgram'
import { unescape as decode } from 'node:querystring'
import { show } from '../core/settings/check-options.ts'
import { createReport, type Report } from '../core/settings/report.ts'
import { bracket, check, fill, isObject, REPORTER, SAMPLER, TOP, withScheme } from './fields.ts'
import type { JaegerLogger, JaegerOptions, JaegerReporterOptions, JaegerSamplerOptions } from './options.ts'
import type { SamplerSettings } from './sampler.ts'

export interface JaegerSettings {
  serviceName: string
  sampler: SamplerSettings
  reporter: ReporterSettings
  tags: Record<string, string | number | boolean>
  disable: boolean
  traceId128bit: boolean
  global: boolean
  closeOnSignals: boolean
  closeTimeout: number
  logger: JaegerLogger
  report: Report
}

export interface ReporterSettings {
  collector: URL | undefined
  /** `user:password` */
  credentials: string | undefined
  timeoutMs: number
  agentHost: string
  agentPort: number
  agentSocketType: SocketType
  flushIntervalMs: number
  /** Is told of every span. */
  spanLogger: JaegerLogger | undefined
}

const DEFAULT_SAMPLER_PARAM = 0.001

/**
 * Checks the options, fills them up from the environment and completes them. A value of the environment that cannot be
 * understood is reported and left out: a typing error there must not keep a service from starting.
 *
 * @throws TypeError naming the option, the value and the fix
 */
export function resolveSettings(options: JaegerOptions): JaegerSettings {
  if (!isObject(options)) {
    throw new TypeError(
      `initJaegerTracer takes an object of options, such as { serviceName: 'orders' }, not ${show(options)}`,
    )
  }
  check('', TOP, options)
  const report = createReport(options.onError)
  const given = fill('', TOP, options, report)
  const disable = given.disable ?? false
  if (given.serviceName === undefined && !disable) {
    throw new TypeError(
      "initJaegerTracer: serviceName is missing; write initJaegerTracer({ serviceName: 'orders' }) or set JAEGER_SERVICE_NAME",
    )
  }
  return {
    serviceName: given.serviceName ?? '',
    sampler: resolveSampler(given.sampler, report),
    reporter: resolveReporter(given.reporter, given.logger, report),
    tags: given.tags ?? tagsOfEnvironment(report),
    disable,
    traceId128bit: given.traceId128bit ?? true,
    global: given.global ?? false,
    closeOnSignals: given.closeOnSignals ?? false,
    closeTimeout: given.closeTimeout ?? 1000,
    logger: given.logger ?? { info() {}, error: message => report('jaeger-client', new Error(message)) },
    report,
  }
}

function resolveSampler(given: JaegerSamplerOptions | undefined, report: Report): SamplerSettings {
  const {
    type = 'remote',
    param,
    hostPort,
    host = 'localhost',
    port = 5778,
    ...rest
  } = fill('sampler.', SAMPLER, given, report)
  const { samplingPath = '/sampling', refreshIntervalMs = 60_000 } = rest
  const wanted = badParam(type, param)
  if (wanted !== undefined) {
    const text = `${wanted} for the sampler '${type}', not ${show(param)}`
    if (given?.param !== undefined || (given?.type !== undefined && param === undefined)) {
      throw new TypeError(`initJaegerTracer: sampler.param must be ${text}`)
    }
    report('JAEGER_SAMPLER_PARAM', new TypeError(`it must be ${text}; the sampler 'remote' is used`))
    return resolveSampler({ ...given, type: 'remote', param: DEFAULT_SAMPLER_PARAM }, report)
  }
  if (type === 'remote') {
    const url = new URL(hostPort === undefined ? `http://${bracket(host)}:${port}` : withScheme(hostPort))
    if (!/:\d+\/?$/.test(hostPort ?? ':0')) url.port = String(port)
    return { type, param: param ?? DEFAULT_SAMPLER_PARAM, url: new URL(samplingPath, url), refreshIntervalMs }
  }
  return { type, param: param ?? 1 }
}

function badParam(type: string, param: number | undefined): string | undefined {
  if (type === 'const') return param === undefined || param === 0 || param === 1 ? undefined : '1 or 0'
  if (type === 'ratelimiting') return param === undefined ? 'a number of traces per second' : undefined
  if (type === 'remote' && param === undefined) return undefined
  return param !== undefined && param <= 1 ? undefined : 'a number from 0 to 1'
}

function resolveReporter(
  given: JaegerReporterOptions | undefined,
  logger: JaegerLogger | undefined,
  report: Report,
): ReporterSettings {
  const filled = fill('reporter.', REPORTER, given, report)
  const collector = filled.collectorEndpoint === undefined ? undefined : new URL(filled.collectorEndpoint)
  const username = filled.username ?? decode(collector?.username ?? '')
  const password = filled.password ?? decode(collector?.password ?? '')
  if (collector !== undefined) {
    collector.username = ''
    collector.password = ''
  }
  return {
    collector,
    credentials: username !== '' && password !== '' ? `${username}:${password}` : undefined,
    timeoutMs: filled.timeoutMs ?? 5000,
    agentHost: filled.agentHost ?? 'localhost',
    agentPort: filled.agentPort ?? 6832,
    agentSocketType: filled.agentSocketType ?? 'udp4',
    flushIntervalMs: filled.flushIntervalMs ?? 1000,
    spanLogger: filled.logSpans ? (logger ?? console) : undefined,
  }
}

/** `key=value,key2=${VARIABLE:default}` */
function tagsOfEnvironment(report: Report): Record<string, string> {
  const tags: Record<string, string> = {}
  for (const item of (process.env.JAEGER_TAGS ?? '').split(',')) {
    if (item.trim() === '') continue
    const equals = item.indexOf('=')
    const key = item.slice(0, equals).trim()
    const value = item.slice(equals + 1).trim()
    const [, variable = '', fallback] = /^\$\{([^:}]*)(?::(.*))?\}$/.exec(value) ?? []
    if (equals === -1 || key === '') {
      report('JAEGER_TAGS', new TypeError(`'${item.trim()}' is not of the form key=value; it is left out`))
    } else if (variable === '') {
      tags[key] = value
    } else {
      const text = process.env[variable] || fallback
      if (text) tags[key] = text
    }
  }
  return tags
}
