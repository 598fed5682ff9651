// Traces in the JSON of Jaeger's query service, out and in: what its API answers with, what a saved trace is, and what the
// page reads. https://github.com/jaegertracing/jaeger/blob/main/internal/uimodel/model.go

import { createIntake, type Intake, list, number, record, take, text } from './loose.ts'
import type { Reference, SpanLog, Tag, TagValue, ViewerSpan } from './model.ts'

export interface JaegerTag {
  key: string
  type: 'string' | 'bool' | 'int64' | 'float64'
  value: TagValue
}

export interface JaegerReference {
  refType: 'CHILD_OF' | 'FOLLOWS_FROM'
  traceID: string
  spanID: string
}

export interface JaegerSpan {
  traceID: string
  spanID: string
  operationName: string
  references: JaegerReference[]
  /** Microseconds. */
  startTime: number
  duration: number
  tags: JaegerTag[]
  logs: { timestamp: number; fields: JaegerTag[] }[]
  processID: string
  warnings: string[] | null
}

export interface JaegerTrace {
  traceID: string
  spans: JaegerSpan[]
  processes: Record<string, { serviceName: string; tags: JaegerTag[] }>
  warnings: string[] | null
}

/** A trace as Jaeger would hand it out, except that its ids always have 32 and 16 digits. */
export function toJaegerTrace(traceId: string, spans: readonly ViewerSpan[]): JaegerTrace {
  const processes: JaegerTrace['processes'] = {}
  const known = new Map<string, string>()
  const processOf = (span: ViewerSpan): string => {
    const key = JSON.stringify([span.service, span.process])
    const found = known.get(key)
    if (found !== undefined) return found
    const id = `p${known.size + 1}`
    known.set(key, id)
    processes[id] = { serviceName: span.service, tags: span.process.map(toJaegerTag) }
    return id
  }
  const shown = spans.map(span => toJaegerSpan(span, processOf(span)))
  return { traceID: traceId, spans: shown, processes, warnings: null }
}

function toJaegerSpan(span: ViewerSpan, processID: string): JaegerSpan {
  const references = span.references.map(toJaegerReference)
  const { traceId, parentId } = span
  const isTold = references.some(({ traceID, spanID }) => traceID === traceId && spanID === parentId)
  if (parentId !== undefined && !isTold) {
    references.unshift({ refType: 'CHILD_OF', traceID: traceId, spanID: parentId })
  }
  return {
    traceID: traceId,
    spanID: span.spanId,
    operationName: span.operation,
    references,
    startTime: span.start,
    duration: span.duration,
    tags: span.tags.map(toJaegerTag),
    logs: span.logs.map(log => ({ timestamp: log.time, fields: log.fields.map(toJaegerTag) })),
    processID,
    warnings: span.warnings.length === 0 ? null : [...span.warnings],
  }
}

function toJaegerReference({ kind, traceId, spanId }: Reference): JaegerReference {
  return { refType: kind === 'childOf' ? 'CHILD_OF' : 'FOLLOWS_FROM', traceID: traceId, spanID: spanId }
}

function toJaegerTag({ key, value }: Tag): JaegerTag {
  if (typeof value === 'string') return { key, type: 'string', value }
  if (typeof value === 'boolean') return { key, type: 'bool', value }
  return { key, type: Number.isInteger(value) ? 'int64' : 'float64', value }
}

/**
 * The spans in a file of Jaeger's: `{ data: [trace, ...] }` as its API and its page save it, one trace, or a list of them.
 *
 * @throws Error when it is none of these
 */
export function fromJaegerJson(document: unknown): Intake {
  const { data } = record(document)
  const traces = Array.isArray(document) ? document : Array.isArray(data) ? data : [document]
  const intake = createIntake()
  for (const item of traces) {
    const { spans, processes } = record(item)
    if (!Array.isArray(spans)) {
      throw new Error("it is no trace in Jaeger's JSON: an object with `data`, a list of traces with `spans`")
    }
    for (const span of spans) takeSpan(intake, record(span), record(processes))
  }
  return intake
}

function takeSpan(
  intake: Intake,
  span: Readonly<Record<string, unknown>>,
  processes: Readonly<Record<string, unknown>>,
): void {
  const traceId = text(span.traceID)
  const references = list(span.references).map(toReference)
  const parent = references.find(reference => reference.kind === 'childOf' && reference.traceId === traceId)
  const id = text(span.processID)
  const process = record(Object.hasOwn(processes, id) ? processes[id] : span.process)
  take(intake, {
    traceId,
    spanId: text(span.spanID),
    // Spans of before 2017 name their parent here.
    parentId: parent?.spanId ?? text(span.parentSpanID),
    references: references.filter(reference => reference !== parent),
    service: text(process.serviceName),
    operation: text(span.operationName),
    start: number(span.startTime),
    duration: number(span.duration),
    tags: list(span.tags).map(toTag),
    logs: list(span.logs).map(toLog),
    process: list(process.tags).map(toTag),
    warnings: list(span.warnings).map(text),
  })
}

function toReference(value: unknown): Reference {
  const { refType, traceID, spanID } = record(value)
  return {
    kind: refType === 'FOLLOWS_FROM' ? 'followsFrom' : 'childOf',
    traceId: text(traceID),
    spanId: text(spanID),
  }
}

function toLog(value: unknown): SpanLog {
  const { timestamp, fields } = record(value)
  return { time: number(timestamp), fields: list(fields).map(toTag) }
}

function toTag(tag: unknown): Tag {
  const { key, value } = record(tag)
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
  return { key: text(key), value: isPlain ? value : (JSON.stringify(value) ?? '') }
}
