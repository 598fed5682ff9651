// A span while it runs, and as exporters read it afterwards. It is small and has fixed fields: a service makes it by the
// million.

import opentracing, { type SpanContext, type Tracer } from 'opentracing'
import { type HttpParts, HttpTags, isHttpTag, MAX_HTTP_TAGS } from '../core/conventions/http-tags.ts'
import { SAMPLING_PRIORITY } from '../core/conventions/tag-names.ts'
import { NO_NAMES, type TagShape } from '../core/conventions/tag-shape.ts'
import { type TagValue, toName, toTagValue } from '../core/conventions/tag-value.ts'
import { MAX_URL_LENGTH } from '../core/text/redact.ts'
import { isTime, now } from './clock.ts'
import type { LeanSpanContext } from './context.ts'
import type { FinishedSpan, SpanLog, SpanReference } from './export/exporter.ts'
import { applyPriority } from './priority.ts'

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
  /** A caller that has not sampled has decided: neither the sampler nor the `keep` rule is asked. */
  readonly obeysCallers: boolean
  /** Takes a recorded span that has ended. */
  onEnd(span: LeanSpan): void
  /** A span was finished a second time. */
  onEndAgain(span: LeanSpan): void
  /** `sampling.priority` was set on a span that is not recorded: from now on it is. */
  onWanted(span: LeanSpan): void
  /** What user code gave to a span could not be read. */
  onUnreadable(place: string, error: unknown): void
}

export const MAX_NAME_LENGTH = 256

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
  durationNanos: number
  isFinished: boolean
  /** Whether tags and logs are kept. */
  isRecording: boolean
  /** What its first tags are made of, if it is a request's. */
  http: HttpParts | undefined
  /** The names of its further tags. */
  shape: TagShape
  /** The values of its further tags, in the order of the shape's names. */
  values: TagValue[]
  extra: Extra | undefined
  /** Where it is in the list of open spans; -1: it is not there. */
  openIndex: number
  /** About how many bytes its tags take. */
  tagBytes: number

  constructor(ctx: LeanSpanContext, name: string, start: number, isRecording: boolean) {
    super()
    this.ctx = ctx
    this.operationName = name
    this.start = start
    this.durationNanos = 0
    this.isFinished = false
    this.isRecording = isRecording
    this.http = undefined
    this.shape = NO_NAMES
    this.values = isRecording ? roomForTags() : NO_VALUES
    this.extra = undefined
    this.openIndex = -1
    this.tagBytes = 0
  }

  override context(): SpanContext {
    return this.ctx
  }

  override tracer(): Tracer {
    return this.ctx.trace.recorder
  }

  override setOperationName(name: string): this {
    if (!this.isFinished) this.operationName = toName(name, MAX_NAME_LENGTH)
    return this
  }

  /** Records from here on. */
  record(): void {
    this.isRecording = true
    this.values = roomForTags()
  }

  override setTag(key: string, value: unknown): this {
    if (key === SAMPLING_PRIORITY) prioritise(this, value)
    if (this.isRecording && !this.isFinished) putTag(this, key, value)
    return this
  }

  override addTags(tags: Record<string, unknown>): this {
    const priority = tags?.[SAMPLING_PRIORITY]
    if (priority !== undefined) prioritise(this, priority)
    if (this.isRecording && !this.isFinished) putTags(this, tags)
    return this
  }

  override log(fields: Record<string, unknown>, timestamp?: number): this {
    if (this.isRecording && !this.isFinished) putLog(this, fields, timestamp)
    return this
  }

  override logEvent(event: string, payload: unknown): this {
    return this.log({ event, payload })
  }

  override setBaggageItem(key: string, value: string): this {
    // A new context: contexts that user code holds, and those of parents and siblings, keep what they have.
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
    const { trace } = this.ctx
    if (this.isFinished) {
      trace.recorder.onEndAgain(this)
      return
    }
    this.isFinished = true
    if (!this.isRecording) return
    const end = isTime(finishTime) ? finishTime - trace.anchor : now()
    // A time from user code may lie before the start: the wall clock was set, or its milliseconds are too coarse.
    this.durationNanos = end > this.start ? Math.round((end - this.start) * 1e6) : 0
    trace.recorder.onEnd(this)
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
    return this.durationNanos / 1e6
  }

  get tags(): Readonly<Record<string, TagValue>> {
    const tags: Record<string, TagValue> = Object.create(null)
    if (this.http !== undefined) Object.assign(tags, new HttpTags(this.http))
    this.shape.names.forEach((name, i) => {
      tags[name] = this.values[i] as TagValue
    })
    return tags
  }

  get logs(): readonly SpanLog[] {
    return this.extra?.logs ?? []
  }

  get references(): readonly SpanReference[] {
    return this.extra?.references ?? []
  }

  get droppedTags(): number {
    return this.extra?.droppedTags ?? 0
  }

  get droppedLogs(): number {
    return this.extra?.droppedLogs ?? 0
  }

  get tracestate(): string | undefined {
    return this.ctx.trace.tracestate
  }

  get traceFlags(): number {
    return this.ctx.traceFlags
  }

  get isParentRemote(): boolean {
    return this.ctx.isParentRemote
  }

  get debug(): boolean {
    return this.ctx.debug
  }
}

/** Where a span keeps what most have none of. */
export function extraOf(span: LeanSpan): Extra {
  span.extra ??= new Extra()
  return span.extra
}

/** About how many bytes the tags of a request take beside its path. */
const HTTP_BYTES = 200

const NO_VALUES: TagValue[] = []
const NONE = undefined as unknown as TagValue

/** An array that need not grow for the tags that most spans have. */
function roomForTags(): TagValue[] {
  return [NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE]
}

function putTag(span: LeanSpan, name: string, given: unknown): void {
  const { limits } = span.ctx.trace.recorder
  const value = toTagValue(given, limits.valueLength)
  if (value === undefined) return
  if (span.http !== undefined && isHttpTag(name)) unpackHttp(span)
  const next = span.shape.known(name)
  if (next !== undefined && next.size <= limits.tags) {
    span.values[next.size - 1] = value
    span.shape = next
    span.tagBytes += TAG_BYTES + lengthOf(value)
  } else {
    putNewTag(span, toName(name, MAX_NAME_LENGTH), value)
  }
}

/** Takes the first tags of a request in parts; false: they are not what they were made of, or over the limits. */
export function takeHttp(span: LeanSpan, tags: object): boolean {
  const parts = HttpTags.partsOf(tags)
  const { limits } = span.ctx.trace.recorder
  if (parts === undefined || limits.tags < MAX_HTTP_TAGS || limits.valueLength < MAX_URL_LENGTH) return false
  span.http = parts
  span.tagBytes = HTTP_BYTES + parts.path.length
  return true
}

/** Makes tags of the parts: user code overwrites one of them. */
function unpackHttp(span: LeanSpan): void {
  const { http, tags } = span
  if (http === undefined) return
  span.http = undefined
  span.shape = NO_NAMES
  span.tagBytes = 0
  putTags(span, tags)
}

/** A tag that the span has already, or that no span has had at this place. */
function putNewTag(span: LeanSpan, name: string, value: TagValue): void {
  const { shape, values } = span
  const at = shape.names.indexOf(name)
  if (at !== -1) {
    span.tagBytes += lengthOf(value) - lengthOf(values[at] as TagValue)
    values[at] = value
  } else if (shape.size < span.ctx.trace.recorder.limits.tags) {
    values[shape.size] = value
    span.shape = shape.known(name) ?? shape.with(name)
    span.tagBytes += TAG_BYTES + lengthOf(value)
  } else {
    extraOf(span).droppedTags++
  }
}

/** Sets all of `tags`, up to the first that cannot be read (a getter that throws). */
export function putTags(span: LeanSpan, tags: Readonly<Record<string, unknown>>): void {
  try {
    for (const key in tags) putTag(span, key, tags[key])
  } catch (error) {
    span.ctx.trace.recorder.onUnreadable('tags', error)
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
    span.ctx.trace.recorder.onUnreadable('log', error)
  }
  extra.logs.push({ timestamp: isTime(timestamp) ? timestamp : now() + span.ctx.trace.anchor, fields: kept })
}

function prioritise(span: LeanSpan, priority: unknown): void {
  const { trace } = span.ctx
  applyPriority(trace, priority)
  if (trace.sampled === true && !span.isRecording && !span.isFinished) trace.recorder.onWanted(span)
}

function lengthOf(value: TagValue): number {
  if (typeof value === 'string') return value.length
  return Array.isArray(value) ? value.reduce((sum: number, item) => sum + lengthOf(item), 8) : 8
}

/** What a tag takes beside its value, and a span beside its tags, about. */
const TAG_BYTES = 24
const SPAN_BYTES = 200
const LOG_BYTES = 100

/** About how many bytes an ended span takes, here and on the wire. */
export function weightOf({ operationName, tagBytes, extra }: LeanSpan): number {
  const weight = SPAN_BYTES + operationName.length + tagBytes
  return extra === undefined
    ? weight
    : weight + extra.logLength + LOG_BYTES * (extra.logs.length + extra.references.length)
}
