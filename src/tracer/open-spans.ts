// The spans that are open, so that the end of the process can finish them.

import type { LeanSpan } from './span.ts'

/** More are not remembered: an app that never finishes its spans must not fill the memory with them. */
const MAX_OPEN = 10_000

export class OpenSpans {
  #spans: LeanSpan[] = []
  #victim = 0

  get size(): number {
    return this.#spans.length
  }

  add(span: LeanSpan): void {
    const spans = this.#spans
    if (spans.length < MAX_OPEN) {
      span.openIndex = spans.length
      spans.push(span)
      return
    }
    const slot = this.#victim
    this.#victim = (slot + 1) % MAX_OPEN
    ;(spans[slot] as LeanSpan).openIndex = -1
    spans[slot] = span
    span.openIndex = slot
  }

  remove(span: LeanSpan): void {
    const { openIndex } = span
    if (openIndex === -1) return
    const last = this.#spans.pop() as LeanSpan
    if (last !== span) {
      this.#spans[openIndex] = last
      last.openIndex = openIndex
    }
    span.openIndex = -1
  }

  /** Finishes them all, marked as what they are. */
  finish(): void {
    for (const span of [...this.#spans]) span.setTag('unfinished', true).finish()
  }
}
