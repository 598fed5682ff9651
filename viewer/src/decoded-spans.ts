// The result of decoding one message, in any format.

import { type SpanDraft, toSpan, type ViewerSpan } from './model.ts'

/** The most spans of one message. */
const MAX_SPANS = 100_000

/** The spans of a message, how many of them were refused, and the reason for the first refusal. */
export interface DecodedSpans {
  readonly spans: ViewerSpan[]
  refused: number
  reason: string | undefined
}

/** An empty result, for {@link addSpan}. */
export function createDecodedSpans(): DecodedSpans {
  return { spans: [], refused: 0, reason: undefined }
}

/** Adds a span, or counts it as refused when it is malformed: the other spans of the message are kept. */
export function addSpan(decoded: DecodedSpans, draft: SpanDraft): void {
  try {
    if (decoded.spans.length >= MAX_SPANS) throw new Error(`a message may have at most ${MAX_SPANS} spans`)
    decoded.spans.push(toSpan(draft))
  } catch (error) {
    decoded.refused++
    decoded.reason ??= `span ${JSON.stringify(draft.operation.slice(0, 80))} was refused: ${(error as Error).message}`
  }
}
