// Encodes and decodes the JSON of Jaeger's query service: the format of the query API, of saved traces, and of the
// page's data. https://github.com/jaegertracing/jaeger/blob/main/internal/uimodel/model.go

import { addSpan, createDecodedSpans, type DecodedSpans } from './decoded-spans.ts'
import type { Reference, SpanLog, Tag, TagValue, ViewerSpan } from './model.ts'
import { list, number, record, text } from './unknown-values.ts'

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

/** Encodes a trace as Jaeger does, except that ids always have 32 and 16 digits. */
export function toJaegerTrace(traceId: string, spans: readonly ViewerSpan[]): JaegerTrace {
  const processes: JaegerTrace['processes'] = {}
  const processIds = new Map<string, string>()
  const processOf = (span: ViewerSpan): string => {
    const key = JSON.stringify([span.service, span.process])
    const found = processIds.get(key)
    if (found !== undefined) return found
    const id = `p${processIds.size + 1}`
    processIds.set(key, id)
    processes[id] = { serviceName: span.service, tags: span.process.map(toJaegerTag) }
    return id
  }
  const encoded = spans.map(span => toJaegerSpan(span, processOf(span)))
  return { traceID: traceId, spans: encoded, processes, warnings: null }
}

function toJaegerSpan(span: ViewerSpan, processID: string): JaegerSpan {
  const references = span.references.map(toJaegerReference)
  const { traceId, parentId } = span
  const isReferenced = references.some(({ traceID, spanID }) => traceID === traceId && spanID === parentId)
  if (parentId !== undefined && !isReferenced) {
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
 * Decodes a file of traces: `{ data: [trace, ...] }` as Jaeger's API and page save it, a trace, or a list of traces.
 *
 * @throws Error when the document is none of these
 */
export function fromJaegerJson(document: unknown): DecodedSpans {
  const { data } = record(document)
  const traces = Array.isArray(document) ? document : Array.isArray(data) ? data : [document]
  const decoded = createDecodedSpans()
  for (const item of traces) {
    const { spans, processes } = record(item)
    if (!Array.isArray(spans)) {
      throw new Error("it is not Jaeger's JSON: an object with `data`, a list of traces that have `spans`")
    }
    for (const span of spans) takeSpan(decoded, record(span), record(processes))
  }
  return decoded
}

function takeSpan(
  decoded: DecodedSpans,
  span: Readonly<Record<string, unknown>>,
  processes: Readonly<Record<string, unknown>>,
): void {
  const traceId = text(span.traceID)
  const references = list(span.references).map(toReference)
  const parent = references.find(reference => reference.kind === 'childOf' && reference.traceId === traceId)
  const id = text(span.processID)
  const process = record(Object.hasOwn(processes, id) ? processes[id] : span.process)
  addSpan(decoded, {
    traceId,
    spanId: text(span.spanID),
    // Old versions of Jaeger wrote the parent here, not into a reference.
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
