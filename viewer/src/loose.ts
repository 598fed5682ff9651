// Reading values that strangers wrote: of the wrong type is the same as absent, nothing throws.

import { type SpanDraft, toSpan, type ViewerSpan } from './model.ts'

/** The text, or `''`. A number is taken for its digits. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : ''
}

/** The list, or an empty one. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The object, or an empty one. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** The number, also when it came as its digits; else NaN. */
export function number(value: unknown): number {
  if (typeof value === 'number') return value
  return (typeof value === 'string' && value.trim() !== '') || typeof value === 'bigint' ? Number(value) : NaN
}

/** An integer that may be too big to be exact: a number where it is exact, else its digits. */
export function integer(value: bigint | number | string): number | string {
  const exact = Number(value)
  return Number.isSafeInteger(exact) ? exact : String(value)
}

/** The most spans that one message may bring. */
export const MAX_SPANS_PER_MESSAGE = 100_000

/** What became of a message: the spans that were taken, how many were refused, and why the first of those was. */
export interface Intake {
  readonly spans: ViewerSpan[]
  refused: number
  reason: string | undefined
}

/** An empty intake. */
export function createIntake(): Intake {
  return { spans: [], refused: 0, reason: undefined }
}

/** Takes one span, or counts it as refused: a malformed span never costs its neighbours. */
export function take(intake: Intake, draft: SpanDraft): void {
  try {
    if (intake.spans.length >= MAX_SPANS_PER_MESSAGE) {
      throw new Error(`it comes after the first ${MAX_SPANS_PER_MESSAGE} of one message`)
    }
    intake.spans.push(toSpan(draft))
  } catch (error) {
    intake.refused++
    intake.reason ??= `span ${JSON.stringify(draft.operation.slice(0, 80))} was refused: ${(error as Error).message}`
  }
}
