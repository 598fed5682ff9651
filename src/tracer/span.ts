// A span while it runs, and as exporters find it afterwards. Its shape is fixed and small: this is the object that a
// service makes by the million.

import opentracing, { type SpanContext, type Tracer } from 'opentracing'
import { RequestFacts } from '../core/index.ts'
import { now } from './clock.ts'
import type { LeanSpanContext, Trace } from './context.ts'
import type { FinishedSpan, SpanLog, SpanReference } from './exporter.ts'
import { NO_NAMES, TagShape } from './shape.ts'
import { type TagValue, toName, toTagValue } from './value.ts'

/** How much one span may hold; what is more is left out and counted. */
export interface SpanLimits {
  /** Tags of a span. @default 128 */
  tags: number
  /** Logs of a span. @default 128 */
  logs: number
  /** Fields of a log. @default 32 */
  fields: number
  /** Characters of a value; longer text is cut and ends in "…". @default 8192 */
  valueLength: number
  /** Characters of all logs of a span together. @default 131072 */
  logLength: number
}

/** The tracer as a span sees it. */
export interface Recorder extends Tracer {
  readonly limits: SpanLimits
  /** A caller that has not sampled has decided: no sampler and no `keep` rule is asked. */
  readonly obeysCallers: boolean
  /** A span that is recorded has ended. */
  ended(span: LeanSpan): void
  /** A span was finished a second time. */
  endedAgain(span: LeanSpan): void
  /** A span that nobody wanted is wanted after all: `sampling.priority` was set on it. */
  wanted(span: LeanSpan): void
  /** What was given to a span could not be read. */
  failed(place: string, error: unknown): void
}

export const MAX_NAME_LENGTH = 256
export const SAMPLING_PRIORITY = 'sampling.priority'
const OPEN = -1
const RENAMED = -2
const UNSEEN = new TagShape([], false)

/** What most spans have none of. */
class Extra {
  logs: SpanLog[] = []
  references: SpanReference[] = []
  logLength = 0
  droppedTags = 0
  droppedLogs = 0
}

export class LeanSpan extends opentracing.Span implements FinishedSpan {
  ctx: LeanSpanContext
  operationName: string
  /** Monotonic milliseconds. */
  readonly start: number
  /** The duration in nanoseconds; OPEN or RENAMED, which are below zero, until the span is finished. */
  nanos: number
  /** The names of its tags; UNSEEN for a span that nobody will see. */
  names: TagShape
  /** The values in their order; or what stands for them until somebody asks. */
  slots: TagValue[] | RequestFacts | undefined
  extra: Extra | undefined
  /** Where it is in the list of open spans, -1: nowhere; once it waits for its export, about how many bytes it takes. */
  slot: number

  constructor(ctx: LeanSpanContext, name: string, start: number, recording: boolean) {
    super()
    this.ctx = ctx
    this.operationName = name
    this.start = start
    this.nanos = OPEN
    this.names = recording ? NO_NAMES : UNSEEN
    this.slots = undefined
    this.extra = undefined
    this.slot = -1
  }

  override context(): SpanContext {
    return this.ctx
  }

  override tracer(): Tracer {
    return this.ctx.trace.recorder
  }

  get isOpen(): boolean {
    return this.nanos < 0
  }

  get isRecording(): boolean {
    return this.names !== UNSEEN
  }

  /** Whether setOperationName was called, while it is open: the middleware asks, and then leaves the name alone. */
  get renamed(): boolean {
    return this.nanos === RENAMED
  }

  override setOperationName(name: string): this {
    if (this.isOpen) {
      this.operationName = toName(name, MAX_NAME_LENGTH)
      this.nanos = RENAMED
    }
    return this
  }

  /** Takes what stands for its first tags. */
  takeFacts(facts: RequestFacts): void {
    this.slots = facts
  }

  /** Says how the request went; false: the facts have become tags, or these must. */
  completeFacts(statusCode: number | undefined, route: string | undefined): boolean {
    const { slots } = this
    if (!(slots instanceof RequestFacts) || !this.isOpen || typeof statusCode !== 'number') return false
    slots.statusCode = statusCode
    slots.route = route
    return true
  }

  /** Has it recorded from here on. */
  record(): void {
    this.names = NO_NAMES
  }

  override setTag(key: string, value: unknown): this {
    if (key === SAMPLING_PRIORITY) prioritise(this, value)
    if (this.isRecording && this.isOpen) putTag(this, this.values, key, value)
    return this
  }

  override addTags(tags: Record<string, unknown>): this {
    const priority = tags?.[SAMPLING_PRIORITY]
    if (priority !== undefined) prioritise(this, priority)
    if (this.isRecording && this.isOpen) putTags(this, tags)
    return this
  }

  override log(fields: Record<string, unknown>, timestamp?: number): this {
    if (this.isRecording && this.isOpen) putLog(this, fields, timestamp)
    return this
  }

  override logEvent(event: string, payload: unknown): this {
    return this.log({ event, payload })
  }

  override setBaggageItem(key: string, value: string): this {
    // A new context: those that were handed out, and the spans of parents and siblings, keep what they have.
    this.ctx = this.ctx.withBaggageItem(
      toName(key, MAX_NAME_LENGTH),
      toName(value, this.ctx.trace.recorder.limits.valueLength),
    )
    return this
  }

  override getBaggageItem(key: string): string | undefined {
    return this.ctx.baggage?.get(key)
  }

  override finish(finishTime?: number): void {
    if (!this.isOpen) {
      this.ctx.trace.recorder.endedAgain(this)
    } else if (!this.isRecording) {
      this.nanos = 0
    } else {
      const end = isTime(finishTime) ? finishTime - this.ctx.trace.anchor : now()
      // A time from outside may lie before the start: the wall clock was set, or its milliseconds are too coarse.
      this.nanos = end > this.start ? Math.round((end - this.start) * 1e6) : 0
      this.ctx.trace.recorder.ended(this)
    }
  }

  // From here on: the finished span, as `keep` and exporters read it.

  get traceId(): string {
    return this.ctx.traceId
  }

  get spanId(): string {
    return this.ctx.spanId
  }

  get parentId(): string | undefined {
    return this.ctx.parentId
  }

  get startTime(): number {
    return this.start + this.ctx.trace.anchor
  }

  get duration(): number {
    return this.nanos / 1e6
  }

  /** The names of its tags. */
  get shape(): TagShape {
    settle(this)
    return this.names
  }

  /** The values of its tags, in the order of the shape's names. */
  get values(): TagValue[] {
    settle(this)
    this.slots ??= roomForTags()
    return this.slots as TagValue[]
  }

  get tags(): Readonly<Record<string, TagValue>> {
    const tags: Record<string, TagValue> = Object.create(null)
    const { shape, values } = this
    shape.names.forEach((name, i) => {
      tags[name] = values[i] as TagValue
    })
    return tags
  }

  get logs(): readonly SpanLog[] {
    return this.extra?.logs ?? []
  }

  get references(): readonly SpanReference[] {
    return this.extra?.references ?? []
  }
}

/** Where a span keeps what most have none of. */
export function extraOf(span: LeanSpan): Extra {
  span.extra ??= new Extra()
  return span.extra
}

/** An array that need not grow for the tags that most spans have. */
function roomForTags(): TagValue[] {
  return [NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE]
}

const NONE = undefined as unknown as TagValue

/** Makes tags of what stands for them. */
function settle(span: LeanSpan): void {
  const { slots } = span
  if (!(slots instanceof RequestFacts)) return
  span.slots = undefined
  putTags(span, slots.toTags())
}

function putTag(span: LeanSpan, values: TagValue[], name: string, given: unknown): void {
  const { limits } = span.ctx.trace.recorder
  const value = toTagValue(given, limits.valueLength)
  if (value === undefined) return
  const known = span.names.known(name)
  if (known !== undefined && known.size <= limits.tags) {
    values[known.size - 1] = value
    span.names = known
  } else {
    putNewTag(span, values, toName(name, MAX_NAME_LENGTH), value)
  }
}

/** A tag that is there already, or that no span has had at this place. */
function putNewTag(span: LeanSpan, values: TagValue[], name: string, value: TagValue): void {
  const shape = span.names
  const at = shape.names.indexOf(name)
  if (at !== -1) {
    values[at] = value
  } else if (shape.size < span.ctx.trace.recorder.limits.tags) {
    values[shape.size] = value
    span.names = shape.known(name) ?? shape.with(name)
  } else {
    extraOf(span).droppedTags++
  }
}

/** Sets all of `tags`; one that cannot be read (a getter that throws) ends it. */
export function putTags(span: LeanSpan, tags: Readonly<Record<string, unknown>>): void {
  const { values } = span
  try {
    for (const key in tags) putTag(span, values, key, tags[key])
  } catch (error) {
    span.ctx.trace.recorder.failed('tags', error)
  }
}

function putLog(span: LeanSpan, fields: Record<string, unknown>, timestamp: number | undefined): void {
  const extra = extraOf(span)
  const { limits } = span.ctx.trace.recorder
  if (extra.logs.length >= limits.logs || extra.logLength >= limits.logLength) {
    extra.droppedLogs++
    return
  }
  const kept: Record<string, TagValue> = Object.create(null)
  let count = 0
  try {
    for (const key in fields) {
      const value = toTagValue(fields[key], limits.valueLength)
      if (value === undefined) continue
      if (++count > limits.fields) break
      kept[toName(key, MAX_NAME_LENGTH)] = value
      extra.logLength += key.length + lengthOf(value)
    }
  } catch (error) {
    span.ctx.trace.recorder.failed('log', error)
  }
  extra.logs.push({ timestamp: isTime(timestamp) ? timestamp : now() + span.ctx.trace.anchor, fields: kept })
}

/** `sampling.priority`: above 0 keeps the trace whatever the sampler said, 0 lets go of what is left of it. */
export function applyPriority(trace: Trace, priority: unknown): void {
  if (priority === 0 || priority === false) {
    trace.sampled = false
    trace.debug = false
  } else if (priority === true || (typeof priority === 'number' && priority > 0)) {
    trace.sampled = true
    trace.debug = true
  }
}

function prioritise(span: LeanSpan, priority: unknown): void {
  const { trace } = span.ctx
  applyPriority(trace, priority)
  if (trace.sampled === true && !span.isRecording && span.isOpen) span.ctx.trace.recorder.wanted(span)
}

/** Within what 64 bits of nanoseconds can say. */
export function isTime(time: unknown): time is number {
  return typeof time === 'number' && time >= 0 && time < 9e12
}

function lengthOf(value: TagValue): number {
  if (typeof value === 'string') return value.length
  return Array.isArray(value) ? value.reduce((sum: number, item) => sum + lengthOf(item), 8) : 8
}

/** Spans are encoded from what is inside of them: they have to be the very ones that the tracer handed out. */
export function ours(spans: readonly FinishedSpan[]): readonly LeanSpan[] {
  if (spans.every(span => span instanceof LeanSpan)) return spans
  throw new TypeError('the spans are not those of the tracer: hand them on as they came, not as copies')
}
