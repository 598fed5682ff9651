// From finished spans to batches that an exporter takes: a bounded queue, a bounded number of exports at a time, and an
// exact account of every span. Only `add` runs on the path of a request.

import { AsyncResource } from 'node:async_hooks'
import { untraced } from '../core/call-tracer.ts'
import type { Report } from '../core/settings/report.ts'
import { clearTimeout, setImmediate, setTimeout } from '../core/timers.ts'
import type { ExportAnswer, Exporter } from './export/exporter.ts'
import { type LeanSpan, weightOf } from './span.ts'

/** How finished spans are collected and sent. */
export interface BatchLimits {
  /** Spans in one batch at most; so many are sent at once. @default 512 */
  spans: number
  /** About how many bytes of spans make a batch full. @default 1 MiB */
  bytes: number
  /** How long a span waits for company, in milliseconds. @default 5000; 200 for the console */
  delay: number
  /** Spans that may wait; the newest are dropped when there are more. @default 8192 */
  queueSpans: number
  /** About how many bytes of spans may wait. @default 16 MiB */
  queueBytes: number
  /** How long one batch may take, retries included, in milliseconds. @default 30000 */
  timeout: number
}

/** Why spans were lost. */
export interface DroppedSpans {
  /** The queue was full: the backend is too slow, or away. */
  queueFull: number
  /** Exporting them failed for good. */
  failed: number
  /** The backend has taken the batch, but not them. */
  rejected: number
  /** The `keep` rule did not want them. */
  notKept: number
  /** They came after `close()`, or the end of the process came before the backend's answer. */
  closed: number
}

/** The account: `finished = exported + all of dropped + queued`. */
export interface ExportCounts {
  finished: number
  exported: number
  readonly dropped: DroppedSpans
}

/** Spans that travel together. */
interface Batch {
  readonly spans: LeanSpan[]
  bytes: number
  /** Resolves when the batch was exported or lost. */
  readonly settled: Promise<void>
  settle(): void
}

/** A batch on its way. */
interface Export {
  readonly batch: Batch
  giveUp(reason: Error): void
}

class OutOfTime extends Error {}

// Created once: with its stack it would cost several microseconds for each span that is dropped.
const QUEUE_FULL = new Error('it is full, so spans are dropped: the backend is slow or away')

export class ExportQueue {
  readonly counts: ExportCounts = {
    finished: 0,
    exported: 0,
    dropped: { queueFull: 0, failed: 0, rejected: 0, notKept: 0, closed: 0 },
  }
  lastError: { time: number; message: string } | undefined
  /** Takes the spans that end now. */
  #filling: Batch | undefined
  /** In the order in which they are sent. */
  #waiting: Batch[] = []
  readonly #exports = new Set<Export>()
  /** How many exports may be under way: one more after each success while batches wait, one after a failure. */
  #concurrency = 1
  /** Spans and bytes of the filling and the waiting batches. */
  #size = 0
  #bytes = 0
  #timer: NodeJS.Timeout | undefined
  #isSendingSoon = false
  #isClosed = false
  readonly #exporter: Exporter
  readonly #limits: BatchLimits
  readonly #report: Report
  readonly #hurry = new AbortController()
  // Timers and sockets keep the async context in which they were created: it must not be a request's.
  readonly #outside = new AsyncResource('tracing-middleware.export')

  constructor(exporter: Exporter, limits: BatchLimits, report: Report) {
    this.#exporter = exporter
    this.#limits = limits
    this.#report = report
  }

  /** Spans that wait or are on their way. */
  get queued(): number {
    let size = this.#size
    for (const { batch } of this.#exports) size += batch.spans.length
    return size
  }

  add(span: LeanSpan): void {
    this.counts.finished++
    const limits = this.#limits
    const weight = weightOf(span)
    if (this.#isClosed) {
      this.drop('closed', 1)
      return
    }
    if (this.#size >= limits.queueSpans || this.#bytes + weight > limits.queueBytes) {
      this.drop('queueFull', 1)
      return
    }
    this.#filling ??= newBatch()
    const batch = this.#filling
    batch.spans.push(span)
    batch.bytes += weight
    this.#size++
    this.#bytes += weight
    if (batch.spans.length >= limits.spans || batch.bytes >= limits.bytes) this.#sendFilling()
    else if (this.#timer === undefined) this.#startTimer()
  }

  drop(reason: keyof DroppedSpans, spans: number): void {
    if (spans === 0) return
    this.counts.dropped[reason] += spans
    if (reason === 'queueFull') this.#report('export queue', QUEUE_FULL)
  }

  /**
   * Sends what waits. Resolves when it was sent or lost.
   *
   * @param patience milliseconds until the process ends: no attempt is repeated, and what is left then is dropped
   * @returns undefined when nothing waits
   */
  flush(patience?: number): Promise<void> | undefined {
    if (patience !== undefined) this.#hurry.abort()
    this.#sendFilling()
    const batches = [...this.#waiting, ...[...this.#exports].map(({ batch }) => batch)]
    if (batches.length === 0) return undefined
    const done = Promise.all(batches.map(({ settled }) => settled)).then(() => {})
    return patience === undefined ? done : this.#within(done, patience)
  }

  /** Sends what waits until `patience` is over, and takes no more. */
  async close(patience: number): Promise<void> {
    await this.flush(patience)
    this.#isClosed = true
    clearTimeout(this.#timer)
    try {
      await this.#exporter.close?.()
    } catch (error) {
      this.#report('exporter.close', error)
    }
  }

  async #within(done: Promise<void>, patience: number): Promise<void> {
    const timer = setTimeout(() => this.#runOut(), patience)
    await done
    clearTimeout(timer)
  }

  /** The process ends before the backend has taken all. */
  #runOut(): void {
    this.#sendFilling()
    this.drop('closed', this.#size)
    this.#size = this.#bytes = 0
    for (const { settle } of this.#waiting.splice(0)) settle()
    for (const { giveUp } of this.#exports)
      giveUp(new OutOfTime('the process ends before the backend has answered'))
  }

  #startTimer(): void {
    this.#outside.runInAsyncScope(() => {
      this.#timer = setTimeout(() => this.#sendFilling(), this.#limits.delay)
      this.#timer.unref()
    })
  }

  #sendFilling(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#filling === undefined) return
    this.#waiting.push(this.#filling)
    this.#filling = undefined
    this.#sendSoon()
  }

  #sendSoon(): void {
    if (this.#isSendingSoon) return
    this.#isSendingSoon = true
    // The request whose span has filled the batch goes first.
    this.#outside.runInAsyncScope(() => {
      setImmediate(() => {
        this.#isSendingSoon = false
        this.#sendWaiting()
      })
    })
  }

  #sendWaiting(): void {
    while (this.#exports.size < this.#concurrency) {
      const batch = this.#waiting.shift()
      if (batch === undefined) return
      this.#size -= batch.spans.length
      this.#bytes -= batch.bytes
      void this.#send(batch)
    }
  }

  async #send(batch: Batch): Promise<void> {
    const size = batch.spans.length
    try {
      const result = await this.#export(batch)
      const rejected = Math.min(Math.max(0, Number(result?.rejected) || 0), size)
      if (result?.message) this.#fail(new Error(`the backend says: ${result.message}`))
      this.counts.exported += size - rejected
      this.drop('rejected', rejected)
      if (this.#waiting.length > 0)
        this.#concurrency = Math.min(this.#concurrency + 1, this.#exporter.concurrency ?? 1)
    } catch (error) {
      this.drop(error instanceof OutOfTime ? 'closed' : 'failed', size)
      this.#fail(error)
      this.#concurrency = 1
    }
    batch.settle()
    this.#sendWaiting()
  }

  /** Exports a batch, or rejects when it takes too long. */
  #export(batch: Batch): Promise<ExportAnswer> {
    const stop = new AbortController()
    const { timeout } = this.#limits
    return new Promise<ExportAnswer>((resolve, reject) => {
      const giveUp = (reason: Error): void => {
        reject(reason)
        stop.abort(reason)
      }
      const timer = setTimeout(() => giveUp(new Error(`no end within ${timeout} ms`)), timeout)
      timer.unref()
      const underWay: Export = { batch, giveUp }
      this.#exports.add(underWay)
      const job = { signal: stop.signal, hurry: this.#hurry.signal }
      const end = (): void => {
        clearTimeout(timer)
        this.#exports.delete(underWay)
      }
      // Its own posts are not traced.
      const call = async () => untraced(() => this.#exporter.export(batch.spans, job))
      stop.signal.addEventListener('abort', end)
      call().finally(end).then(resolve, reject)
    })
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    this.lastError = { time: Date.now(), message }
    this.#report('export', error)
  }
}

function newBatch(): Batch {
  let settle = (): void => {}
  const settled = new Promise<void>(resolve => {
    settle = resolve
  })
  return { spans: [], bytes: 0, settled, settle }
}
