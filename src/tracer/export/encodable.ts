// Spans as our encoders read them. Those of the tracer are read as they are. Any other finished span, such as one of another
// copy of this package or one that a user's exporter has made, is read through the public interface.

import type { HttpParts } from '../../core/conventions/http-tags.ts'
import { NO_NAMES, type TagShape } from '../../core/conventions/tag-shape.ts'
import type { TagValue } from '../../core/conventions/tag-value.ts'
import { fromHex } from '../ids.ts'
import { LeanSpan } from '../span.ts'
import type { ExportResult, FinishedSpan } from './exporter.ts'

/** The ids of a span in words of 32 bits. A parent of zeros is none. */
export interface IdWords {
  readonly trace: { readonly w0: number; readonly w1: number; readonly w2: number; readonly w3: number }
  readonly high: number
  readonly low: number
  readonly parentHigh: number
  readonly parentLow: number
}

export interface EncodableSpan extends FinishedSpan {
  readonly ctx: IdWords
  readonly durationNanos: number
  /** What its first tags are made of, if it is a request's. */
  readonly http: HttpParts | undefined
  /** The names of its further tags. */
  readonly shape: TagShape
  /** The values of its further tags, in the order of the shape's names. */
  readonly values: readonly TagValue[]
}

function toEncodable(span: FinishedSpan): EncodableSpan {
  if (span instanceof LeanSpan) {
    span.ctx.trace.readWords()
    return span
  }
  if (!isHex(span.traceId, 32) || !isHex(span.spanId, 16)) {
    throw new TypeError(
      'it has no ids; hand spans on as they came, or as objects with all fields of FinishedSpan',
    )
  }
  let shape = NO_NAMES
  for (const name of Object.keys(span.tags)) shape = shape.known(name) ?? shape.with(name)
  const { traceId, spanId, parentId = NO_ID } = span
  return {
    traceId,
    spanId,
    parentId: span.parentId,
    operationName: span.operationName,
    startTime: span.startTime,
    duration: span.duration,
    tags: span.tags,
    logs: span.logs ?? [],
    references: span.references ?? [],
    droppedTags: span.droppedTags ?? 0,
    droppedLogs: span.droppedLogs ?? 0,
    tracestate: span.tracestate,
    traceFlags: span.traceFlags ?? 1,
    isParentRemote: span.isParentRemote ?? false,
    debug: span.debug ?? false,
    durationNanos: Math.max(0, Math.round(span.duration * 1e6)),
    http: undefined,
    shape,
    values: Object.values(span.tags),
    ctx: {
      trace: {
        w0: fromHex(traceId, 0),
        w1: fromHex(traceId, 8),
        w2: fromHex(traceId, 16),
        w3: fromHex(traceId, 24),
      },
      high: fromHex(spanId, 0),
      low: fromHex(spanId, 8),
      parentHigh: fromHex(parentId, 0),
      parentLow: fromHex(parentId, 8),
    },
  }
}

function isHex(id: unknown, length: number): boolean {
  return typeof id === 'string' && id.length === length && /^[0-9a-f]+$/.test(id)
}

const NO_ID = '0000000000000000'

/**
 * Encodes spans one by one. A span that cannot be encoded costs no other.
 *
 * @returns how many were left out, and why; undefined when none was
 */
export function encodeEach(
  spans: readonly FinishedSpan[],
  encode: (span: EncodableSpan) => void,
): ExportResult | undefined {
  let result: ExportResult | undefined
  for (let i = 0; i < spans.length; i++) {
    try {
      encode(toEncodable(spans[i] as FinishedSpan))
    } catch (error) {
      const message = `a span cannot be encoded: ${error instanceof Error ? error.message : String(error)}`
      result = { rejected: (result?.rejected ?? 0) + 1, message }
    }
  }
  return result
}

/** What an encoder has left out and what the backend says, as one result. */
export function joinResults(
  leftOut: ExportResult | undefined,
  answered: ExportResult | undefined,
): ExportResult | undefined {
  if (leftOut === undefined || answered === undefined) return leftOut ?? answered
  const message = [leftOut.message, answered.message].filter(Boolean).join('; ')
  return { rejected: leftOut.rejected + answered.rejected, message }
}
