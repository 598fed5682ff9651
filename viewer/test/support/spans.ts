// Spans for tests that need no sender.

import { type SpanDraft, type Tag, toSpan, type ViewerSpan } from '../../src/model.ts'

/** The start of the traces in these tests, in microseconds since the epoch. */
export const START = 1_700_000_000_000_000

/** A span that starts `at` microseconds after START. */
export function span(
  spanId: string,
  parentId: string | undefined,
  at: number,
  duration: number,
  more: Partial<SpanDraft> = {},
): ViewerSpan {
  return toSpan({
    traceId: 'a'.repeat(32),
    spanId,
    parentId,
    service: 'shop',
    operation: `work ${spanId}`,
    start: START + at,
    duration,
    tags: [],
    ...more,
  })
}

/** An object as a list of tags. */
export function tags(values: Record<string, string | number | boolean>): Tag[] {
  return Object.entries(values).map(([key, value]) => ({ key, value }))
}
