// The `keep` rule: a second opinion on a trace, when its local root has ended and everything about it is known. Until
// then its spans wait here, sampled or not.

import { show } from '../core/settings/check-options.ts'
import { type Report, watch } from '../core/settings/report.ts'
import type { Waiting } from './context.ts'
import type { FinishedSpan } from './export/exporter.ts'
import type { ExportQueue } from './export-queue.ts'
import { type LeanSpan, weightOf } from './span.ts'

/** The part of a trace that this process has seen, when its first span has ended. */
export interface LocalTrace {
  /** The span that came first here: a request's, in most services. */
  readonly root: FinishedSpan
  /** All spans that have ended, the root as the last. */
  readonly spans: readonly FinishedSpan[]
  /** What the sampler, or the caller, had decided. */
  readonly sampled: boolean
  /** Milliseconds. */
  readonly duration: number
  /** Whether any of the spans has the tag `error`. */
  readonly error: boolean
  /** When the client left early: `'before response'` or `'during response'`. */
  readonly aborted: string | undefined
  /** The root's `http.status_code`. */
  readonly statusCode: number | undefined
  /** The root's `http.route`, a template. */
  readonly route: string | undefined
}

/**
 * Says whether a trace is kept: true or false; undefined leaves it to the sampler's decision. So does anything else, and
 * a throw, which are reported.
 *
 * @example
 * const keep = ({ error, duration, route }) => (error || duration > 1000 ? true : route === '/health' ? false : undefined)
 */
export type KeepRule = (trace: LocalTrace) => boolean | undefined

interface WaitingTrace extends Waiting {
  readonly root: LeanSpan
  readonly spans: LeanSpan[]
}

const KEPT: Waiting = { verdict: true }
const NOT_KEPT: Waiting = { verdict: false }

export class Keeper {
  #rule: KeepRule
  #queue: ExportQueue
  #report: Report
  #maxSpans: number
  #maxBytes: number
  #spans = 0
  #bytes = 0
  // In the order of their beginning: when there is too much, the oldest goes first. Its root may never end.
  #traces = new Set<WaitingTrace>()

  constructor(rule: KeepRule, queue: ExportQueue, maxSpans: number, maxBytes: number, report: Report) {
    this.#rule = rule
    this.#queue = queue
    this.#maxSpans = maxSpans
    this.#maxBytes = maxBytes
    this.#report = report
  }

  /** Spans that wait for their root. */
  get waiting(): number {
    return this.#spans
  }

  /** The first span of a trace in this process has started. */
  begin(root: LeanSpan): void {
    const waiting: WaitingTrace = { root, spans: [], verdict: undefined }
    root.ctx.trace.waiting = waiting
  }

  /** A span has ended. */
  add(span: LeanSpan): void {
    const { waiting } = span.ctx.trace
    if (waiting?.verdict !== undefined) {
      this.#deliver(span, waiting.verdict)
      return
    }
    const trace = waiting as WaitingTrace
    trace.spans.push(span)
    this.#spans++
    this.#bytes += weightOf(span)
    if (span === trace.root) this.#settle(trace, this.#ask(trace))
    else this.#traces.add(trace)
    // One large span may weigh as much as many traces.
    while (this.#traces.size > 0 && (this.#spans > this.#maxSpans || this.#bytes > this.#maxBytes)) {
      this.#settleOldest()
    }
  }

  /** Nothing more will come: what waits goes the way that the sampler said. */
  settleAll(): void {
    for (const trace of this.#traces) this.#settle(trace, trace.root.ctx.trace.sampled === true)
  }

  #settleOldest(): void {
    const [oldest] = this.#traces
    if (oldest !== undefined) this.#settle(oldest, oldest.root.ctx.trace.sampled === true)
  }

  #settle(trace: WaitingTrace, verdict: boolean): void {
    // The verdict alone stays with the trace: its contexts must not keep the root alive.
    trace.root.ctx.trace.waiting = verdict ? KEPT : NOT_KEPT
    this.#traces.delete(trace)
    this.#spans -= trace.spans.length
    for (const span of trace.spans) {
      this.#bytes -= weightOf(span)
      this.#deliver(span, verdict)
    }
  }

  #deliver(span: LeanSpan, verdict: boolean): void {
    if (verdict) {
      this.#queue.add(span)
    } else if (span.ctx.trace.sampled === true) {
      this.#queue.counts.finished++
      this.#queue.drop('notKept', 1)
    }
  }

  #ask({ root, spans }: WaitingTrace): boolean {
    const sampled = root.ctx.trace.sampled === true
    try {
      const { 'http.status_code': statusCode, 'http.route': route, aborted } = root.tags
      const answer: unknown = this.#rule({
        root,
        // The account is made from ours, whatever the rule does to its list.
        spans: [...spans],
        sampled,
        duration: root.duration,
        error: spans.some(hasError),
        aborted: typeof aborted === 'string' ? aborted : undefined,
        statusCode: typeof statusCode === 'number' ? statusCode : undefined,
        route: typeof route === 'string' ? route : undefined,
      })
      if (typeof answer === 'boolean') return answer
      if (answer === undefined) return sampled
      watch(answer, 'keep', this.#report)
      throw new TypeError(`keep must return true, false or undefined, not ${show(answer)}`)
    } catch (error) {
      this.#report('keep', error)
      return sampled
    }
  }
}

function hasError({ shape, values }: LeanSpan): boolean {
  const error = values[shape.names.indexOf('error')]
  return error === true || error === 'true'
}
