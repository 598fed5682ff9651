// An OpenTracing span in front of an OpenTelemetry one.

import { type Attributes, type Span as OtelSpan, type SpanKind, SpanStatusCode } from '@opentelemetry/api'
import opentracing, { type SpanContext, type Tracer } from 'opentracing'
import type { SemanticConventions } from '../core/conventions/otel-attributes.ts'
import { toEvent } from '../core/conventions/otel-events.ts'
import { type TagValue, toName } from '../core/conventions/tag-value.ts'
import type { Report } from '../core/settings/report.ts'
import type { BridgedContext } from './context.ts'
import { MAX_NAME_LENGTH, MAX_VALUE_LENGTH, type Tags, toAttribute, toFields } from './tags.ts'

/** The tracer as its spans see it. */
export interface Owner extends Tracer {
  readonly conventions: SemanticConventions
  readonly report: Report
}

export class BridgedSpan extends opentracing.Span {
  readonly otel: OtelSpan
  ctx: BridgedContext
  readonly #owner: Owner
  readonly #kind: SpanKind
  /** Undefined for a span that nobody will see, and once it has ended. */
  #tags: Tags | undefined
  #hasEnded = false

  constructor(owner: Owner, otel: OtelSpan, ctx: BridgedContext, kind: SpanKind, tags: Tags | undefined) {
    super()
    this.#owner = owner
    this.otel = otel
    this.ctx = ctx
    this.#kind = kind
    this.#tags = tags
  }

  override context(): SpanContext {
    return this.ctx
  }

  override tracer(): Tracer {
    return this.#owner
  }

  override setOperationName(name: string): this {
    if (this.#tags !== undefined) this.otel.updateName(toName(name, MAX_NAME_LENGTH))
    return this
  }

  override setTag(key: string, value: unknown): this {
    this.#tags?.set(key, value)
    return this
  }

  override addTags(tags: Record<string, unknown>): this {
    this.#tags?.setAll(tags, this.#owner.report)
    return this
  }

  override log(given: Record<string, unknown>, timestamp?: number): this {
    if (this.#tags === undefined) return this
    const { conventions, report } = this.#owner
    const fields = toFields(given, report)
    const log = { fields, timestamp: timestamp ?? Date.now() }
    if (fields.event === 'error') this.#tags.fail(log)
    const { name, attributes } = toEvent(log, conventions)
    const told: Attributes = {}
    for (const key in attributes) told[key] = toAttribute(attributes[key] as TagValue)
    this.otel.addEvent(name, told, toTime(timestamp))
    return this
  }

  override logEvent(event: string, payload: unknown): this {
    return this.log({ event, payload })
  }

  override setBaggageItem(key: string, value: string): this {
    // A new context: those that were handed out keep what they have.
    this.ctx = this.ctx.withBaggageItem(toName(key, MAX_NAME_LENGTH), toName(value, MAX_VALUE_LENGTH))
    return this
  }

  override getBaggageItem(key: string): string | undefined {
    return this.ctx.told.baggage?.get(key)
  }

  /** Whether anybody will see what it is told: the middleware asks. */
  get isRecording(): boolean {
    return this.#tags !== undefined
  }

  override finish(finishTime?: number): void {
    if (this.#hasEnded) {
      this.#owner.report('finish', new Error('a span was finished twice; the first time counts'))
      return
    }
    this.#hasEnded = true
    if (this.#tags !== undefined) this.#tell(this.#tags)
    this.#tags = undefined
    this.otel.end(toTime(finishTime))
  }

  /** The tags' last word. It comes this late since OpenTelemetry takes no attribute and no status back. */
  #tell(tags: Tags): void {
    const { attributes, facts } = tags.atEnd()
    const { kind, failed, message } = facts
    const { otel } = this
    // A kind that was set late: OpenTelemetry takes it at the start alone.
    if (toKind(kind) !== this.#kind) attributes['span.kind'] = KIND_NAMES[toKind(kind)] as string
    otel.setAttributes(attributes)
    if (failed) otel.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) })
  }
}

const KIND_NAMES = ['internal', 'server', 'client', 'producer', 'consumer']

/** A kind by its number in OTLP, which is one more than in the api. */
export function toKind(number: number): SpanKind {
  return number - 1
}

/**
 * Milliseconds since the epoch as the api's seconds and nanoseconds: it would take a small number for one of the
 * monotonic clock. Undefined, which is now, for what is no time.
 */
export function toTime(milliseconds: unknown): [seconds: number, nanoseconds: number] | undefined {
  if (typeof milliseconds !== 'number' || !(milliseconds >= 0 && milliseconds < 9e12)) return undefined
  return [Math.floor(milliseconds / 1000), Math.floor((milliseconds % 1000) * 1e6)]
}
