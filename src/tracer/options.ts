// What a user may say about the tracer, checked, filled up from the environment and completed once.

import { hostname } from 'node:os'
import type { SemanticConventions } from '../core/conventions/otel-attributes.ts'
import { type Checks, checkOptions } from '../core/settings/check-options.ts'
import { createEnvironment } from '../core/settings/environment.ts'
import {
  aFlag,
  aFunction,
  aResource,
  aText,
  atLeast,
  isObject,
  milliseconds,
  oneOf,
} from '../core/settings/option-kinds.ts'
import { createReport, type OnError, type Report } from '../core/settings/report.ts'
import {
  type PropagationOptions,
  type PropagationSettings,
  resolvePropagation,
} from '../propagation/index.ts'
import { completeBatch } from './environment/batch.ts'
import {
  isDisabledByEnvironment,
  resourceOfEnvironment,
  serviceNameOfEnvironment,
} from './environment/process.ts'
import { propagationOfEnvironment } from './environment/propagation.ts'
import { samplerOfEnvironment } from './environment/sampling.ts'
import type { Exporter, Resource } from './export/exporter.ts'
import { createOtlpExporter } from './export/otlp.ts'
import type { BatchLimits } from './export-queue.ts'
import type { KeepRule } from './keep.ts'
import { alwaysSampler, aSampler, type Sampler } from './sampling/sampler.ts'
import type { SpanLimits } from './span.ts'

/** Options of `createTracer`; everything may be left out. An option wins over its environment variable. */
export interface TracerOptions {
  /**
   * What this service is called in its traces.
   * @default service.name in `resource`, else OTEL_SERVICE_NAME or JAEGER_SERVICE_NAME, else 'unknown_service:node'
   */
  serviceName?: string
  /**
   * What else is said of this process, in OpenTelemetry's words: `{ 'service.version': '1.4.0' }`.
   * @default OTEL_RESOURCE_ATTRIBUTES and JAEGER_TAGS; host.name, process.pid and telemetry.sdk.* are always there
   */
  resource?: Record<string, string | number | boolean>
  /**
   * Which traces are recorded: `alwaysSampler()`, `neverSampler()`, `ratioSampler(0.1)`, `rateLimitSampler(10)`,
   * `rulesSampler([...])`, `remoteSampler()`, or your own.
   * @default OTEL_TRACES_SAMPLER or JAEGER_SAMPLER_TYPE, else alwaysSampler()
   */
  sampler?: Sampler
  /**
   * The caller's decision comes before the sampler, and so do its debug headers; false: only the sampler is asked.
   * @default what OTEL_TRACES_SAMPLER says, else true
   */
  parentBased?: boolean
  /** A second opinion when the first span of a trace here has ended: see docs/tracer.md. @default none */
  keep?: KeepRule
  /** Which header formats are read and written. @default OTEL_PROPAGATORS, else as in docs/propagation.md */
  propagation?: PropagationOptions
  /** Where spans go: `otlpExporter()`, `zipkinExporter()`, `consoleExporter()`, or your own. @default otlpExporter() */
  exporter?: Exporter
  /**
   * Attribute names as OpenTelemetry has them (`http.request.method`), as OpenTracing does (`http.method`), or both.
   * @default 'opentelemetry' in OTLP, 'opentracing' elsewhere
   */
  semanticConventions?: SemanticConventions
  /** How much one span may hold. */
  limits?: Partial<SpanLimits>
  /** How finished spans are collected and sent. */
  batch?: Partial<BatchLimits>
  /** Records and sends nothing; what callers send is passed on. @default OTEL_SDK_DISABLED or JAEGER_DISABLED, else false */
  disable?: boolean
  /** Makes it `opentracing.globalTracer()`, which the middleware and `tracedFetch` use by default. @default false */
  global?: boolean
  /** On SIGTERM and SIGINT, flush before the signal takes its course. @default false */
  closeOnSignals?: boolean
  /** The most that `close()`, a signal or the natural end of the process waits, in milliseconds. @default 1000 */
  closeTimeout?: number
  /** Hears of lost spans and other failures, once per kind. @default process.emitWarning */
  onError?: OnError
}

/** The options, checked and completed. */
export interface TracerSettings {
  readonly serviceName: string
  readonly resource: Resource
  readonly sampler: Sampler
  readonly parentBased: boolean
  readonly keep: KeepRule | undefined
  readonly propagation: PropagationSettings
  readonly exporter: Exporter
  readonly semanticConventions: SemanticConventions | undefined
  readonly limits: SpanLimits
  readonly batch: BatchLimits
  readonly isGlobal: boolean
  readonly closeOnSignals: boolean
  readonly closeTimeout: number
  readonly isDisabled: boolean
  readonly report: Report
}

const CHECKS: Checks<TracerOptions> = {
  serviceName: aText,
  resource: aResource,
  sampler: aSampler,
  parentBased: aFlag,
  keep: aFunction,
  // Its own check is in src/propagation, where the option is at home.
  propagation: [() => true, ''],
  exporter: [
    value => isObject(value) && typeof value.export === 'function',
    'an exporter, such as otlpExporter()',
  ],
  semanticConventions: oneOf('opentelemetry', 'opentracing', 'both'),
  limits: [isObject, 'an object, such as { tags: 64 }'],
  batch: [isObject, 'an object, such as { delay: 1000 }'],
  disable: aFlag,
  global: aFlag,
  closeOnSignals: aFlag,
  closeTimeout: milliseconds,
  onError: aFunction,
}

const LIMITS: SpanLimits = { tags: 128, logs: 128, fields: 32, valueLength: 8192, logLength: 131_072 }

const LIMIT_CHECKS: Checks<SpanLimits> = {
  tags: atLeast(0),
  logs: atLeast(0),
  fields: atLeast(1),
  valueLength: atLeast(2),
  logLength: atLeast(0),
}

const BATCH: BatchLimits = {
  spans: 512,
  bytes: 1024 * 1024,
  delay: 5000,
  queueSpans: 8192,
  queueBytes: 16 * 1024 * 1024,
  timeout: 30_000,
}

const BATCH_CHECKS: Checks<BatchLimits> = {
  spans: atLeast(1),
  bytes: atLeast(1024),
  delay: milliseconds,
  queueSpans: atLeast(1),
  queueBytes: atLeast(1024),
  timeout: milliseconds,
}

/** @throws TypeError naming the option, the value and the fix */
export function resolveOptions(options: TracerOptions | undefined): TracerSettings {
  const usage = 'createTracer(options)'
  checkOptions(usage, CHECKS, options)
  const given = options ?? {}
  checkOptions(usage, LIMIT_CHECKS, given.limits, { prefix: 'limits.' })
  checkOptions(usage, BATCH_CHECKS, given.batch, { prefix: 'batch.' })
  const report = createReport(given.onError)
  const env = createEnvironment(report)
  const attributes = resourceOfEnvironment(env)
  const serviceName = String(
    given.serviceName ??
      given.resource?.['service.name'] ??
      serviceNameOfEnvironment(env, attributes['service.name']) ??
      'unknown_service:node',
  )
  const environmentSampler = given.sampler === undefined ? samplerOfEnvironment(env) : undefined
  const exporter = given.exporter ?? createOtlpExporter({}, report)
  const batch = completeBatch(env, given.batch ?? {}, { ...BATCH, delay: exporter.delay ?? BATCH.delay })
  return {
    serviceName,
    resource: {
      'host.name': hostname(),
      'process.pid': process.pid,
      'telemetry.sdk.name': 'tracing-middleware',
      'telemetry.sdk.language': 'nodejs',
      ...attributes,
      ...given.resource,
      'service.name': serviceName,
    },
    sampler: given.sampler ?? environmentSampler?.sampler ?? alwaysSampler(),
    parentBased: given.parentBased ?? environmentSampler?.parentBased ?? true,
    keep: given.keep,
    propagation: resolvePropagation(given.propagation ?? propagationOfEnvironment(env)),
    exporter,
    semanticConventions: given.semanticConventions,
    limits: { ...LIMITS, ...given.limits },
    // More than the queue holds would never come together.
    batch: {
      ...batch,
      spans: Math.min(batch.spans, batch.queueSpans),
      bytes: Math.min(batch.bytes, batch.queueBytes),
    },
    isGlobal: given.global ?? false,
    closeOnSignals: given.closeOnSignals ?? false,
    closeTimeout: given.closeTimeout ?? 1000,
    isDisabled: given.disable ?? isDisabledByEnvironment(env),
    report,
  }
}
