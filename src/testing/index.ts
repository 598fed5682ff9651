// A tracer that keeps its spans in memory to be looked at: for our tests, and for yours.

import { randomBytes } from 'node:crypto'
import opentracing, { type SpanOptions, type Tracer } from 'opentracing'

/** A log as it was recorded; `timestamp` in milliseconds since the epoch. */
export interface RecordedLog {
  fields: Record<string, unknown>
  timestamp: number
}

/** Another span that this one refers to. */
export interface RecordedReference {
  type: 'child_of' | 'follows_from'
  traceId: string
  spanId: string
}

/** A span, to be looked at while it runs and after. */
export interface RecordedSpan extends opentracing.Span {
  readonly operationName: string
  readonly tags: Readonly<Record<string, unknown>>
  readonly logs: readonly RecordedLog[]
  readonly references: readonly RecordedReference[]
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  /** 16 hex digits; undefined for a root. */
  readonly parentId: string | undefined
  readonly baggage: Readonly<Record<string, string>>
  /** Milliseconds since the epoch. */
  readonly startTime: number
  /** Milliseconds since the epoch; undefined until the span is finished. */
  readonly finishTime: number | undefined
  /** How often `finish` was called: 1 for a span that is well treated. */
  readonly finishCount: number
}

/** What `recordingTracer()` makes. */
export interface RecordingTracer extends Tracer {
  /** All spans, in the order of their start. */
  readonly spans: readonly RecordedSpan[]
  /** The spans that were finished at least once. */
  readonly finishedSpans: readonly RecordedSpan[]
  /** Forgets all spans. */
  clear(): void
}

class RecordedContext extends opentracing.SpanContext {
  readonly traceId: string
  readonly spanId: string
  baggage: ReadonlyMap<string, string>

  constructor(traceId: string, spanId: string, baggage: ReadonlyMap<string, string>) {
    super()
    this.traceId = traceId
    this.spanId = spanId
    this.baggage = baggage
  }

  override toTraceId(): string {
    return this.traceId
  }

  override toSpanId(): string {
    return this.spanId
  }
}

class Recording extends opentracing.Span implements RecordedSpan {
  operationName: string
  readonly tags: Record<string, unknown> = {}
  readonly logs: RecordedLog[] = []
  readonly references: RecordedReference[]
  readonly parentId: string | undefined
  readonly startTime: number
  finishTime: number | undefined
  finishCount = 0
  readonly #tracer: Tracer
  readonly #context: RecordedContext

  constructor(tracer: Tracer, name: string, fields: SpanOptions) {
    super()
    this.#tracer = tracer
    this.operationName = name
    this.startTime = fields.startTime ?? Date.now()
    const given = fields.references ?? []
    this.references = given.map(toRecordedReference)
    const parent = (
      given.find(ref => ref.type() === opentracing.REFERENCE_CHILD_OF) ?? given[0]
    )?.referencedContext()
    const traceId = parent?.toTraceId() || randomBytes(16).toString('hex')
    this.parentId = parent?.toSpanId() || undefined
    const baggage = parent instanceof RecordedContext ? parent.baggage : new Map<string, string>()
    this.#context = new RecordedContext(traceId, randomBytes(8).toString('hex'), baggage)
    Object.assign(this.tags, fields.tags)
  }

  get traceId(): string {
    return this.#context.traceId
  }

  get spanId(): string {
    return this.#context.spanId
  }

  get baggage(): Record<string, string> {
    return Object.fromEntries(this.#context.baggage)
  }

  protected override _context(): opentracing.SpanContext {
    return this.#context
  }

  protected override _tracer(): Tracer {
    return this.#tracer
  }

  protected override _setOperationName(name: string): void {
    this.operationName = name
  }

  protected override _setBaggageItem(key: string, value: string): void {
    this.#context.baggage = new Map(this.#context.baggage).set(key, value)
  }

  protected override _getBaggageItem(key: string): string | undefined {
    return this.#context.baggage.get(key)
  }

  protected override _addTags(tags: Record<string, unknown>): void {
    Object.assign(this.tags, tags)
  }

  protected override _log(fields: Record<string, unknown>, timestamp?: number): void {
    this.logs.push({ fields: { ...fields }, timestamp: timestamp ?? Date.now() })
  }

  protected override _finish(finishTime?: number): void {
    this.finishCount++
    this.finishTime ??= finishTime ?? Date.now()
  }
}

function toRecordedReference(reference: opentracing.Reference): RecordedReference {
  const context = reference.referencedContext()
  const type = reference.type() === opentracing.REFERENCE_FOLLOWS_FROM ? 'follows_from' : 'child_of'
  return { type, traceId: context.toTraceId(), spanId: context.toSpanId() }
}

class Recorder extends opentracing.Tracer implements RecordingTracer {
  spans: Recording[] = []

  get finishedSpans(): RecordedSpan[] {
    return this.spans.filter(span => span.finishCount > 0)
  }

  clear(): void {
    this.spans = []
  }

  protected override _startSpan(name: string, fields: SpanOptions): Recording {
    const span = new Recording(this, name, fields)
    this.spans.push(span)
    return span
  }

  protected override _inject(context: opentracing.SpanContext, _format: string, carrier: unknown): void {
    if (!(context instanceof RecordedContext)) return
    const headers = carrier as Record<string, string>
    headers['uber-trace-id'] = `${context.traceId}:${context.spanId}:0:1`
    for (const [key, value] of context.baggage) headers[`uberctx-${key}`] = encodeURIComponent(value)
  }

  protected override _extract(_format: string, carrier: unknown): opentracing.SpanContext | null {
    const headers = (carrier ?? {}) as Record<string, unknown>
    const header = headers['uber-trace-id']
    const [, traceId, spanId] =
      UBER_TRACE_ID.exec(typeof header === 'string' ? decode(header).trim().toLowerCase() : '') ?? []
    if (traceId === undefined || spanId === undefined) return null
    const baggage = new Map<string, string>()
    for (const key of Object.keys(headers)) {
      if (key.startsWith('uberctx-')) baggage.set(key.slice(8), decode(String(headers[key])))
    }
    return new RecordedContext(traceId.padStart(32, '0'), spanId.padStart(16, '0'), baggage)
  }
}

// https://www.jaegertracing.io/sdk-migration/#propagation-format; ids of zeros alone name no span.
const UBER_TRACE_ID = /^(?!0+:|[^:]*:0+:)([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]*:[0-9a-f]{1,2}$/

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Malformed, it is what it is.
    return text
  }
}

/**
 * Makes a tracer that keeps every span in memory, until `clear()`.
 *
 * @example
 * const tracer = recordingTracer()
 * app.use(tracingMiddleware({ tracer }))
 * await fetch(url)
 * assert.equal(tracer.finishedSpans[0].operationName, 'GET /users/:id')
 */
export function recordingTracer(): RecordingTracer {
  return new Recorder()
}
