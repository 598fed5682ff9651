// The one line that a user of jaeger-client changes: the same call, with the same configuration object.
// https://github.com/jaegertracing/jaeger-client-node#usage

import { type Check, type Checks, checkOptions } from '../core/settings/check-options.ts'
import { createEnvironment } from '../core/settings/environment.ts'
import {
  aFlag,
  aFunction,
  aResource,
  aText,
  atLeast,
  isObject,
  milliseconds,
} from '../core/settings/option-kinds.ts'
import { createReport, type OnError, type Report } from '../core/settings/report.ts'
import {
  type JaegerSampler,
  otlpUrlOfAgent,
  otlpUrlOfCollector,
  toAuthorization,
  toSampler,
} from './environment/jaeger-words.ts'
import { samplerOfEnvironment } from './environment/sampling.ts'
import type { Exporter } from './export/exporter.ts'
import { createOtlpExporter, type OtlpOptions } from './export/otlp.ts'
import type { TracerOptions } from './options.ts'
import type { Sampler } from './sampling/sampler.ts'
import { createTracer, type LeanTracer } from './tracer.ts'

/** jaeger-client's configuration object. */
export interface JaegerConfig {
  serviceName?: string
  disable?: boolean
  sampler?: JaegerSampler
  reporter?: {
    logSpans?: boolean
    agentHost?: string
    agentPort?: number
    agentSocketType?: string
    collectorEndpoint?: string
    username?: string
    password?: string
    flushIntervalMs?: number
    timeoutMs?: number
  }
  throttler?: object
}

/** jaeger-client's options beside the configuration. */
export interface JaegerConfigOptions {
  logger?: { info(message: string): void; error(message: string): void }
  tags?: Record<string, string | number | boolean>
  /** Ids are of 128 bits in any case. */
  traceId128bit?: boolean
  reporter?: object
  throttler?: object
  metrics?: object
  contextKey?: string
  baggagePrefix?: string
  shareRpcSpan?: boolean
}

const anObject: Check = [isObject, 'an object']

const CONFIG: Checks<JaegerConfig> = {
  serviceName: aText,
  disable: aFlag,
  sampler: anObject,
  reporter: anObject,
  throttler: anObject,
}

const SAMPLER: Checks<JaegerSampler> = {
  type: aText,
  param: [value => typeof value === 'number' && value >= 0, 'a number that is not negative'],
  hostPort: aText,
  host: aText,
  port: atLeast(1),
  samplingPath: [value => typeof value === 'string' && value.startsWith('/'), "a path, such as '/sampling'"],
  refreshIntervalMs: milliseconds,
}

const REPORTER: Checks<NonNullable<JaegerConfig['reporter']>> = {
  logSpans: aFlag,
  agentHost: aText,
  agentPort: atLeast(1),
  agentSocketType: aText,
  collectorEndpoint: aText,
  username: aText,
  password: aText,
  flushIntervalMs: milliseconds,
  timeoutMs: milliseconds,
}

const OPTIONS: Checks<JaegerConfigOptions> = {
  logger: [
    value => isObject(value) && aFunction[0](value.info) && aFunction[0](value.error),
    'an object with the functions info and error',
  ],
  tags: aResource,
  traceId128bit: aFlag,
  reporter: anObject,
  throttler: anObject,
  metrics: anObject,
  contextKey: aText,
  baggagePrefix: aText,
  shareRpcSpan: aFlag,
}

/**
 * Makes our tracer from what jaeger-client's `initTracer` takes: the sampler as it is, the reporter as OTLP over HTTP to
 * the same host. What is not said is taken from the environment, as `createTracer` does.
 *
 * @throws TypeError naming what cannot be understood, and all that OTLP has no place for
 * @example
 * const tracer = initTracer({ serviceName: 'orders', sampler: { type: 'const', param: 1 }, reporter: { agentHost: 'jaeger' } })
 */
export function initTracer(config: JaegerConfig, options: JaegerConfigOptions = {}): LeanTracer {
  const usage = 'initTracer(config, options)'
  checkOptions(usage, CONFIG, config)
  checkOptions(usage, SAMPLER, config.sampler, { prefix: 'sampler.' })
  checkOptions(usage, REPORTER, config.reporter, { prefix: 'reporter.' })
  checkOptions(usage, OPTIONS, options, { prefix: 'options.' })
  const unmapped = [...unmappedReporter(config.reporter), ...unmappedOptions(config, options)]
  if (unmapped.length > 0)
    throw new TypeError(`${usage}: this cannot be carried over: ${unmapped.join('; ')}`)
  return createTracer(toTracerOptions(config, options))
}

function toTracerOptions(config: JaegerConfig, { logger, tags }: JaegerConfigOptions): TracerOptions {
  const { serviceName, disable, reporter = {} } = config
  const onError: OnError | undefined =
    logger && ((error, place) => logger.error(`${place}: ${String(error)}`))
  const report = createReport(onError)
  const exporter = toExporter(reporter, report)
  return {
    ...toJaegerSampler(config.sampler, report),
    exporter: reporter.logSpans && logger ? logged(exporter, logger) : exporter,
    ...(serviceName === undefined ? undefined : { serviceName }),
    ...(disable === undefined ? undefined : { disable }),
    ...(tags === undefined ? undefined : { resource: tags }),
    ...(reporter.flushIntervalMs === undefined ? undefined : { batch: { delay: reporter.flushIntervalMs } }),
    ...(onError === undefined ? undefined : { onError }),
  }
}

/** Without one, and without one in the environment, jaeger-client asks Jaeger. */
function toJaegerSampler(
  config: JaegerSampler | undefined,
  report: Report,
): { sampler: Sampler; parentBased?: boolean } {
  try {
    if (config !== undefined) return { sampler: toSampler(config) }
    return samplerOfEnvironment(createEnvironment(report)) ?? { sampler: toSampler({ type: 'remote' }) }
  } catch (error) {
    throw new TypeError(`initTracer(config, options): sampler: ${(error as Error).message}`)
  }
}

function toExporter(reporter: NonNullable<JaegerConfig['reporter']>, report: Report): Exporter {
  const { collectorEndpoint, agentHost, username, password, timeoutMs } = reporter
  const url =
    collectorEndpoint !== undefined
      ? otlpUrlOfCollector(collectorEndpoint)
      : agentHost && otlpUrlOfAgent(agentHost)
  const options: OtlpOptions = {
    ...(url ? { url } : undefined),
    ...(username && password ? { headers: toAuthorization(username, password) } : undefined),
    ...(timeoutMs === undefined ? undefined : { timeout: timeoutMs }),
  }
  return createOtlpExporter(options, report)
}

/** `reporter.logSpans`: each span is told to the logger before it is sent. */
function logged(exporter: Exporter, logger: NonNullable<JaegerConfigOptions['logger']>): Exporter {
  return {
    ...exporter,
    export(spans, job) {
      for (const { traceId, spanId, parentId, operationName } of spans) {
        logger.info(`Reporting span ${traceId}:${spanId}:${parentId ?? 0}:1 ${operationName}`)
      }
      return exporter.export(spans, job)
    },
  }
}

const AGENT_PORTS = [6831, 6832]

function unmappedReporter(reporter: JaegerConfig['reporter'] = {}): string[] {
  const { collectorEndpoint, agentHost, agentPort, agentSocketType } = reporter
  const found: string[] = []
  if (collectorEndpoint !== undefined && otlpUrlOfCollector(collectorEndpoint) === undefined) {
    found.push(
      'reporter.collectorEndpoint (nobody knows where that host takes OTLP: leave it out and set OTEL_EXPORTER_OTLP_ENDPOINT, or use createTracer with exporter: otlpExporter({ url }))',
    )
  }
  if (agentHost !== undefined && otlpUrlOfAgent(agentHost) === undefined)
    found.push('reporter.agentHost (it is no host)')
  if (agentPort !== undefined && !AGENT_PORTS.includes(agentPort)) {
    found.push('reporter.agentPort (OTLP goes to port 4318 of the same host)')
  }
  if (agentSocketType !== undefined)
    found.push('reporter.agentSocketType (OTLP goes over HTTP: leave it out)')
  return found
}

function unmappedOptions({ throttler }: JaegerConfig, options: JaegerConfigOptions): string[] {
  const { contextKey = 'uber-trace-id', baggagePrefix = 'uberctx-' } = options
  const found: string[] = []
  if (throttler !== undefined || options.throttler !== undefined)
    found.push('throttler (there is none for debug traces)')
  if (options.reporter !== undefined) found.push('options.reporter (write an Exporter, and use createTracer)')
  if (options.metrics !== undefined) found.push('options.metrics (ask tracer.stats())')
  if (contextKey !== 'uber-trace-id') found.push("options.contextKey (the header is 'uber-trace-id')")
  if (baggagePrefix !== 'uberctx-') found.push("options.baggagePrefix (the prefix is 'uberctx-')")
  if (options.shareRpcSpan) found.push('options.shareRpcSpan (a server span has an id of its own)')
  return found
}
