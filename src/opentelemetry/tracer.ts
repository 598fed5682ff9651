// An OpenTracing tracer whose spans are OpenTelemetry's.

import { randomBytes } from 'node:crypto'
import {
  type SpanOptions as OtelSpanOptions,
  type Tracer as OtelTracer,
  SpanKind,
  TraceFlags,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import opentracing, {
  type Span,
  type SpanContext,
  type SpanOptions as SpanFields,
  type Tracer,
} from 'opentracing'
import type { SemanticConventions } from '../core/conventions/otel-attributes.ts'
import { toName } from '../core/conventions/tag-value.ts'
import { type Checks, checkOptions } from '../core/settings/check-options.ts'
import { aFunction, aText, oneOf } from '../core/settings/option-kinds.ts'
import { createReport, type OnError, type Report } from '../core/settings/report.ts'
import { readCarrier, writeCarrier } from '../propagation/carriers.ts'
import {
  createPropagation,
  type MigrationMeter,
  type Propagation,
  type PropagationOptions,
} from '../propagation/index.ts'
import { contextBelow } from './active.ts'
import { type BridgedContext, fromOutside, ofNewSpan, relate, toBridged } from './context.ts'
import { BridgedSpan, type Owner, toKind, toTime } from './span.ts'
import { MAX_NAME_LENGTH, Tags } from './tags.ts'

/** Options of `openTelemetryTracer`; everything may be left out. */
export interface OpenTelemetryTracerOptions {
  /** Where spans are started. @default OpenTelemetry's global one, also when it is registered later */
  tracerProvider?: TracerProvider
  /** The instrumentation scope of the spans. @default 'tracing-middleware' */
  name?: string
  /** The version of that scope. @default none */
  version?: string
  /** Which header formats are read and written; OpenTelemetry's propagators are not asked. @default as in docs/propagation.md */
  propagation?: PropagationOptions
  /**
   * Attribute names as OpenTelemetry has them (`http.request.method`), as OpenTracing does (`http.method`), or both.
   * @default 'opentelemetry'
   */
  semanticConventions?: SemanticConventions
  /** Hears of what could not be done, once per kind. @default process.emitWarning */
  onError?: OnError
}

/** What `openTelemetryTracer` makes. Flushing and closing are its provider's. */
export interface OpenTelemetryTracer extends Tracer {
  /** Which header formats still come and go: see docs/propagation.md. */
  readonly meter: MigrationMeter
}

const CHECKS: Checks<OpenTelemetryTracerOptions> = {
  tracerProvider: [
    value => typeof (value as Partial<TracerProvider> | null)?.getTracer === 'function',
    'a TracerProvider of OpenTelemetry, with getTracer(name, version)',
  ],
  name: aText,
  version: aText,
  // Its own check is in src/propagation, where the option is at home.
  propagation: [() => true, ''],
  semanticConventions: oneOf('opentelemetry', 'opentracing', 'both'),
  onError: aFunction,
}

/**
 * Makes an OpenTracing tracer whose spans are OpenTelemetry's: your code and the middleware keep the OpenTracing API, and
 * spans take the way that your OpenTelemetry SDK gives them. It needs `@opentelemetry/api` (a peer dependency) alone.
 *
 * @throws TypeError naming the option, the value and the fix
 * @example
 * const tracer = openTelemetryTracer()
 * app.use(tracingMiddleware({ tracer }))
 */
export function openTelemetryTracer(options?: OpenTelemetryTracerOptions): OpenTelemetryTracer {
  checkOptions('openTelemetryTracer(options)', CHECKS, options)
  const {
    tracerProvider = trace,
    name = 'tracing-middleware',
    version,
    semanticConventions = 'opentelemetry',
  } = options ?? {}
  return new Bridge(
    tracerProvider.getTracer(name, version),
    createPropagation(options?.propagation),
    semanticConventions,
    createReport(options?.onError),
  )
}

const NO_FIELDS: SpanFields = {}
const PRIORITY = 'sampling.priority'

class Bridge extends opentracing.Tracer implements OpenTelemetryTracer, Owner {
  readonly meter: MigrationMeter
  readonly conventions: SemanticConventions
  readonly report: Report
  readonly #otel: OtelTracer
  readonly #propagation: Propagation

  constructor(otel: OtelTracer, propagation: Propagation, conventions: SemanticConventions, report: Report) {
    super()
    this.#otel = otel
    this.#propagation = propagation
    this.meter = propagation.meter
    this.conventions = conventions
    this.report = report
  }

  override startSpan(name: string, fields: SpanFields = NO_FIELDS): Span {
    const { childOf, references, tags, startTime } = fields
    const { parent, links } = relate(childOf, references, this.report)
    const decision = decisionOf(tags?.[PRIORITY], parent)
    if (decision === 'drop') return this.#unrecorded(parent)
    const isWanted = decision !== undefined

    const kept = new Tags(this.conventions)
    if (tags !== undefined) kept.setAll(tags, this.report)
    const debugId = parent?.told.debugId
    if (debugId !== undefined) kept.set('jaeger-debug-id', debugId)
    // For a sampler to see: there is no other way to tell it.
    if (isWanted && !kept.has(PRIORITY) && isLocalRoot(parent)) kept.set(PRIORITY, 1)
    const { attributes, facts } = kept.atStart()
    const kind = toKind(facts.kind)
    const options: OtelSpanOptions = { kind, attributes, links }
    const start = toTime(startTime)
    if (start !== undefined) options.startTime = start
    const otel = this.#otel.startSpan(toName(name, MAX_NAME_LENGTH), options, contextBelow(parent, isWanted))
    const ctx = ofNewSpan(otel.spanContext(), parent, decision === 'debug')
    return new BridgedSpan(this, otel, ctx, kind, otel.isRecording() ? kept : undefined)
  }

  override inject(given: SpanContext | Span, format: string, carrier: unknown): void {
    const context = toBridged(given, this.report)?.told
    if (context === undefined) return
    writeCarrier(this.#propagation, context, format, carrier, this.report)
  }

  override extract(format: string, carrier: unknown): SpanContext | null {
    const context = readCarrier(this.#propagation, format, carrier, this.report)
    return context === undefined ? null : fromOutside(context)
  }

  /** A span that nobody wants: OpenTelemetry's samplers cannot be told, so they are not asked. */
  #unrecorded(parent: BridgedContext | undefined): Span {
    const above = parent?.otel
    const otel = trace.wrapSpanContext({
      traceId: above?.traceId ?? randomBytes(16).toString('hex'),
      spanId: randomBytes(8).toString('hex'),
      traceFlags: TraceFlags.NONE,
      ...(above?.traceState && { traceState: above.traceState }),
    })
    return new BridgedSpan(
      this,
      otel,
      ofNewSpan(otel.spanContext(), parent, false),
      SpanKind.INTERNAL,
      undefined,
    )
  }
}

/** What is decided without a sampler; `debug` goes on to whoever is called. */
type Decision = 'debug' | 'keep' | 'drop'

/** By `sampling.priority`, or by a caller with debug headers or with a decision and no trace (`b3: 0`). */
function decisionOf(priority: unknown, parent: BridgedContext | undefined): Decision | undefined {
  if (priority === 0 || priority === false) return 'drop'
  if (priority === true || (typeof priority === 'number' && priority > 0)) return 'debug'
  if (parent === undefined) return undefined
  const { traceId, sampled, debug, debugId } = parent.told
  if (debug || debugId !== undefined) return 'debug'
  return traceId !== '' || sampled === undefined ? undefined : sampled ? 'keep' : 'drop'
}

function isLocalRoot(parent: BridgedContext | undefined): boolean {
  return parent?.otel === undefined || parent.otel.isRemote === true
}
