// Our OpenTracing tracer: who is whose parent, which traces are recorded, and the account of all of it.

import opentracing, { type Span, type SpanContext, type SpanOptions } from 'opentracing'
import { JAEGER_DEBUG_ID, SAMPLING_PRIORITY } from '../core/conventions/tag-names.ts'
import { toName } from '../core/conventions/tag-value.ts'
import { show } from '../core/settings/check-options.ts'
import { type Report, watch } from '../core/settings/report.ts'
import { joinLifecycle } from '../lifecycle/index.ts'
import { readCarrier, writeCarrier } from '../propagation/carriers.ts'
import { type MigrationMeter, openPropagation, type Propagation } from '../propagation/index.ts'
import { epochAnchor, isTime, now } from './clock.ts'
import { fromOutside, LeanSpanContext, nobody, ofCaller, ofNewSpan, REMOTE, Trace } from './context.ts'
import { type DroppedSpans, ExportQueue } from './export-queue.ts'
import { Keeper } from './keep.ts'
import { OpenSpans } from './open-spans.ts'
import { resolveOptions, type TracerOptions, type TracerSettings } from './options.ts'
import { applyPriority } from './priority.ts'
import { readReferences, toContext } from './references.ts'
import { Candidate, type Sampler } from './sampling/sampler.ts'
import {
  extraOf,
  LeanSpan,
  MAX_NAME_LENGTH,
  putTags,
  type Recorder,
  type SpanLimits,
  takeHttp,
} from './span.ts'

/** What an operator asks a tracer. All counts are of spans, since the start. */
export interface TracerStats {
  started: number
  /** Of these, the ones whose trace was sampled when they started. */
  sampled: number
  /** Ended and meant to be exported: `finished = exported + all of dropped + queued`. */
  finished: number
  /** Taken by the backend. */
  exported: number
  dropped: DroppedSpans
  /** Waiting to be exported, or on their way. */
  queued: number
  /** Ended and waiting for their local root, for the `keep` rule. */
  waiting: number
  lastError: { time: number; message: string } | undefined
}

/** An OpenTracing tracer, with a life of its own. */
export interface LeanTracer extends opentracing.Tracer {
  /** Counts of what became of the spans. */
  stats(): TracerStats
  /** Which header formats still come and go: see docs/propagation.md. */
  readonly meter: MigrationMeter
  /** Sends what has ended; resolves when it is sent or given up. Never rejects. */
  flush(): Promise<void>
  /**
   * Finishes what is still open (with the tag `unfinished`), sends everything, and lets go of timers, sockets and
   * handlers. Resolves when that is done or `closeTimeout` has passed; never rejects; may be called again. `done` is for
   * those who are used to jaeger-client's callback.
   */
  close(done?: () => void): Promise<void>
}

/**
 * Makes a tracer.
 *
 * @throws TypeError naming the option, the value and the fix
 * @example
 * const tracer = createTracer({ serviceName: 'orders' }) // OTLP over HTTP to localhost:4318
 * app.use(tracingMiddleware({ tracer }))
 */
export function createTracer(options?: TracerOptions): LeanTracer {
  const settings = resolveOptions(options)
  const tracer = new OurTracer(settings)
  if (settings.isGlobal) opentracing.initGlobalTracer(tracer)
  return tracer
}

const NO_OPTIONS: SpanOptions = {}
const NO_TAGS: Readonly<Record<string, unknown>> = {}

class OurTracer extends opentracing.Tracer implements LeanTracer, Recorder {
  readonly limits: SpanLimits
  readonly meter: MigrationMeter
  readonly obeysCallers: boolean
  #close: () => Promise<void>
  #started = 0
  #sampled = 0
  #isClosed = false
  #isDisabled: boolean
  #parentBased: boolean
  #sampler: Sampler
  #propagation: Propagation<LeanSpanContext>
  #queue: ExportQueue
  #keeper: Keeper | undefined
  #open = new OpenSpans()
  #closeTimeout: number
  #report: Report

  constructor(settings: TracerSettings) {
    super()
    const { report, sampler, exporter, keep, batch, closeTimeout, closeOnSignals } = settings
    this.limits = settings.limits
    this.#propagation = openPropagation(settings.propagation, ofCaller(this))
    this.meter = this.#propagation.meter
    this.#report = report
    this.#isDisabled = settings.isDisabled
    this.#parentBased = settings.parentBased
    this.obeysCallers = settings.parentBased && keep === undefined
    this.#sampler = sampler
    this.#queue = new ExportQueue(exporter, batch, report)
    this.#keeper = keep && new Keeper(keep, this.#queue, batch.queueSpans, batch.queueBytes, report)
    this.#closeTimeout = closeTimeout
    if (settings.isDisabled) {
      this.#close = () => Promise.resolve()
      return
    }
    exporter.start?.({ resource: settings.resource, semanticConventions: settings.semanticConventions })
    sampler.start?.(settings.serviceName, error => report('sampler', error))
    this.#close = joinLifecycle(
      { flush: ending => this.#flush(ending), close: () => this.#end() },
      { closeTimeout, closeOnSignals, onFailure: error => report('close', error) },
    )
  }

  override startSpan(name: string, options?: SpanOptions): Span {
    const { childOf, references, tags, startTime } = options ?? NO_OPTIONS
    const related =
      references === undefined || references.length === 0
        ? undefined
        : readReferences(this, references, childOf, this.#report)
    const parent = related === undefined ? toContext(this, childOf, this.#report) : related.parent
    const operationName = toName(name, MAX_NAME_LENGTH)
    if (this.#isDisabled) return new LeanSpan(parent ?? nobody(this), operationName, 0, false)

    const at = now()
    const isRoot = parent === undefined || parent.place === REMOTE
    const trace = isRoot ? this.#traceOf(parent) : parent.trace
    if (isRoot) trace.anchor = epochAnchor(at)
    const priority = tags?.[SAMPLING_PRIORITY]
    if (priority !== undefined) applyPriority(trace, priority)
    if (trace.sampled === undefined) trace.sampled = this.#sample(trace, operationName, tags)

    const above = parent === undefined || parent.text === '' ? undefined : parent
    const start = isTime(startTime) ? startTime - trace.anchor : at
    const context = ofNewSpan(trace, above, parent?.bag)
    const span = new LeanSpan(context, operationName, start, this.#records(trace, isRoot))
    this.#started++
    if (!span.isRecording) return span
    if (isRoot) this.#keeper?.begin(span)
    if (trace.sampled) this.#sampled++
    this.#open.add(span)
    if (tags !== undefined && !takeHttp(span, tags)) putTags(span, tags)
    if (isRoot && trace.debugId !== undefined) span.setTag(JAEGER_DEBUG_ID, trace.debugId)
    if (related !== undefined && related.others.length > 0) {
      extraOf(span).references = related.others
    }
    return span
  }

  override inject(spanContext: SpanContext | Span, format: string, carrier: unknown): void {
    const context = toContext(this, spanContext, this.#report)
    if (context === undefined) return
    writeCarrier(this.#propagation, context, format, carrier, this.#report)
  }

  override extract(format: string, carrier: unknown): SpanContext | null {
    const context = readCarrier(this.#propagation, format, carrier, this.#report)
    if (context === undefined) return null
    return context instanceof LeanSpanContext ? context : fromOutside(this, context)
  }

  stats(): TracerStats {
    const { counts, queued, lastError } = this.#queue
    return {
      started: this.#started,
      sampled: this.#sampled,
      finished: counts.finished,
      exported: counts.exported,
      dropped: { ...counts.dropped },
      queued,
      waiting: this.#keeper?.waiting ?? 0,
      lastError,
    }
  }

  async flush(): Promise<void> {
    await this.#flush(false)
  }

  async close(done?: () => void): Promise<void> {
    await this.#close()
    done?.()
  }

  // What spans call (Recorder).

  onEnd(span: LeanSpan): void {
    this.#open.remove(span)
    const { waiting, sampled } = span.ctx.trace
    if (waiting !== undefined) this.#keeper?.add(span)
    else if (sampled === true) this.#queue.add(span)
  }

  onEndAgain(span: LeanSpan): void {
    this.#report(
      'finish',
      new Error(`the span '${span.operationName}' was finished twice; the first time counts`),
    )
  }

  onWanted(span: LeanSpan): void {
    if (this.#isClosed || this.#isDisabled) return
    span.record()
    this.#sampled++
    this.#open.add(span)
  }

  onUnreadable(place: string, error: unknown): void {
    this.#report(place, error)
  }

  /** The trace of a local root: a new one, or the caller's. */
  #traceOf(parent: LeanSpanContext | undefined): Trace {
    if (parent === undefined) {
      const trace = new Trace(this, undefined, undefined, false, true, undefined, undefined)
      trace.begin()
      return trace
    }
    const trace = parent.trace.claimed ? parent.trace.again() : parent.trace
    trace.claimed = true
    if (trace.text === '') trace.begin()
    if (!this.#parentBased) {
      trace.sampled = undefined
      trace.debug = false
    } else if (trace.debugId !== undefined) {
      trace.sampled = true
      trace.debug = true
    }
    return trace
  }

  #sample(trace: Trace, operationName: string, tags: SpanOptions['tags'] = NO_TAGS): boolean {
    try {
      const answer: unknown = this.#sampler.sample(new Candidate(trace, operationName, tags))
      if (typeof answer === 'boolean') return answer
      watch(answer, 'sampler', this.#report)
      throw new TypeError(`sample() must return true or false, not ${show(answer)}`)
    } catch (error) {
      this.#report('sampler', error)
      return false
    }
  }

  #records({ waiting, sampled }: Trace, isRoot: boolean): boolean {
    if (this.#isClosed) return false
    if (this.#keeper === undefined) return sampled === true
    return isRoot || waiting?.verdict !== false
  }

  #finishOpen(): void {
    this.#open.finish()
    this.#keeper?.settleAll()
  }

  #flush(ending: boolean): Promise<void> | undefined {
    if (ending) this.#finishOpen()
    return this.#queue.flush(ending ? this.#closeTimeout : undefined)
  }

  #end(): Promise<void> {
    this.#finishOpen()
    this.#isClosed = true
    try {
      this.#sampler.close?.()
    } catch (error) {
      this.#report('sampler.close', error)
    }
    return this.#queue.close(this.#closeTimeout)
  }
}
