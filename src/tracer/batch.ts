// From finished spans to batches on their way: a bounded queue, one export at a time, and an exact account of every
// span. Nothing here runs on the path of a request but `add`.

import { AsyncResource } from 'node:async_hooks'
import { type Report, RequestFacts, registry } from '../core/index.ts'
import type { ExportAnswer, Exporter } from './exporter.ts'
import { type Parcel, packFor } from './parcel.ts'
import type { LeanSpan } from './span.ts'

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
export interface BatchCounts {
  finished: number
  exported: number
  readonly dropped: DroppedSpans
}

interface Waiter {
  readonly target: number
  readonly resolve: () => void
}

class OutOfTime extends Error {}

// Made once: with its stack it would cost several microseconds for each span that is dropped.
const QUEUE_FULL = new Error('it is full, so spans are dropped: the backend is slow or away')

/**
 * So many spans of requests are packed one after the other: the processor then has the code at hand, which it would have
 * to fetch for each of them between two requests.
 */
const TOGETHER = 16

export class Batch {
  readonly counts: BatchCounts = {
    finished: 0,
    exported: 0,
    dropped: { queueFull: 0, failed: 0, rejected: 0, notKept: 0, closed: 0 },
  }
  lastError: { time: number; message: string } | undefined
  /** Spans of requests that have just ended. */
  readonly #fresh: (LeanSpan | undefined)[]
  #freshSize = 0
  /** In the order in which they go. */
  #parcels: Parcel[] = []
  /** The last of them, as long as it takes more. */
  #open: Parcel | undefined
  #size = 0
  #bytes = 0
  #inFlight = 0
  /** How many spans have left the queue for good. */
  #done = 0
  #timer: NodeJS.Timeout | undefined
  #running = false
  #closed = false
  #waiters: Waiter[] = []
  #exporter: Exporter
  #limits: BatchLimits
  #report: Report
  #giveUp = new AbortController()
  #reject: ((reason: Error) => void) | undefined
  #hurry = new AbortController()
  // Timers and sockets remember where they were made: never in a request, whose data they would keep alive.
  #outside = new AsyncResource('tracing-middleware.export')

  constructor(exporter: Exporter, limits: BatchLimits, report: Report) {
    this.#exporter = exporter
    this.#limits = limits
    this.#report = report
    this.#fresh = new Array(Math.min(TOGETHER, limits.spans)).fill(undefined)
  }

  /** Spans that wait or are on their way. */
  get queued(): number {
    return this.#freshSize + this.#size + this.#inFlight
  }

  add(span: LeanSpan): void {
    this.counts.finished++
    if (!(span.slots instanceof RequestFacts) || this.#closed) {
      this.#add(span)
      return
    }
    this.#fresh[this.#freshSize++] = span
    if (this.#freshSize === this.#fresh.length) this.#addFresh()
    else if (this.#timer === undefined && !this.#running) this.#wait()
  }

  #addFresh(): void {
    const size = this.#freshSize
    this.#freshSize = 0
    for (let i = 0; i < size; i++) {
      this.#add(this.#fresh[i] as LeanSpan)
      this.#fresh[i] = undefined
    }
  }

  #add(span: LeanSpan): void {
    const limits = this.#limits
    const weight = weightOf(span)
    if (this.#closed) {
      this.drop('closed', 1)
    } else if (this.#size >= limits.queueSpans || this.#bytes + weight > limits.queueBytes) {
      this.drop('queueFull', 1)
    } else {
      this.#pack(span, weight)
    }
  }

  #pack(span: LeanSpan, weight: number): void {
    const limits = this.#limits
    try {
      if (this.#open === undefined) {
        this.#open = packFor(this.#exporter)
        this.#parcels.push(this.#open)
      }
      this.#open.add(span)
    } catch (error) {
      this.drop('failed', 1)
      this.#fail(error)
      return
    }
    const parcel = this.#open
    parcel.bytes += weight
    this.#size++
    this.#bytes += weight
    if (++parcel.size >= limits.spans || parcel.bytes >= limits.bytes) {
      this.#open = undefined
      this.#start()
    } else if (this.#timer === undefined && !this.#running) this.#wait()
  }

  drop(reason: keyof DroppedSpans, spans: number): void {
    if (spans === 0) return
    this.counts.dropped[reason] += spans
    if (reason === 'queueFull') {
      this.#report('export queue', QUEUE_FULL)
    }
  }

  /**
   * Sends what waits; resolves when it is sent or given up.
   *
   * @param patience milliseconds until the process ends: no attempt is repeated, and what is left then is dropped
   * @returns undefined when nothing waits
   */
  flush(patience?: number): Promise<void> | undefined {
    if (patience !== undefined) this.#hurry.abort()
    this.#addFresh()
    if (this.queued === 0) return undefined
    const target = this.#done + this.queued
    const done = new Promise<void>(resolve => this.#waiters.push({ target, resolve }))
    this.#start()
    return patience === undefined ? done : this.#within(done, patience)
  }

  /** Sends what waits until `patience` is over, and takes no more. */
  async close(patience: number): Promise<void> {
    await this.flush(patience)
    this.#closed = true
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

  #runOut(): void {
    this.#addFresh()
    this.drop('closed', this.#size)
    this.#done += this.#size
    this.#parcels = []
    this.#open = undefined
    this.#size = this.#bytes = 0
    this.#abandon(new OutOfTime('the process ends before the backend has answered'))
  }

  #isFull(): boolean {
    return this.#parcels.length > (this.#open === undefined ? 0 : 1)
  }

  #wait(): void {
    this.#outside.runInAsyncScope(() => {
      this.#timer = setTimeout(() => this.#start(), this.#limits.delay)
      this.#timer.unref()
    })
  }

  #start(): void {
    if (this.#running) return
    this.#running = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    // Not now: the request whose span has filled the batch goes first.
    this.#outside.runInAsyncScope(() => setImmediate(() => void this.#run()))
  }

  async #run(): Promise<void> {
    do await this.#exportOne()
    while (this.#isFull() || (this.#waiters.length > 0 && this.#size > 0))
    this.#running = false
    if (this.queued > 0) this.#wait()
  }

  async #exportOne(): Promise<void> {
    this.#addFresh()
    const parcel = this.#take()
    if (parcel === undefined || parcel.size === 0) return
    const { size } = parcel
    this.#inFlight = size
    let rejected = 0
    try {
      const result = await this.#send(parcel)
      rejected = Math.min(Math.max(0, Number(result?.rejected) || 0), size)
      if (result?.message) this.#fail(new Error(`the backend says: ${result.message}`))
      this.counts.exported += size - rejected
      this.drop('rejected', rejected)
    } catch (error) {
      this.drop(error instanceof OutOfTime ? 'closed' : 'failed', size)
      this.#fail(error)
    }
    this.#inFlight = 0
    this.#done += size
    this.#wakeWaiters()
  }

  #take(): Parcel | undefined {
    const parcel = this.#parcels.shift()
    if (parcel === undefined) return undefined
    if (parcel === this.#open) this.#open = undefined
    this.#size -= parcel.size
    this.#bytes -= parcel.bytes
    return parcel
  }

  #send(parcel: Parcel): Promise<ExportAnswer> {
    // Signals are dear: each serves until it is used.
    if (this.#giveUp.signal.aborted) this.#giveUp = new AbortController()
    const { timeout } = this.#limits
    const timer = setTimeout(() => this.#abandon(new Error(`no end within ${timeout} ms`)), timeout)
    timer.unref()
    return new Promise<ExportAnswer>((resolve, reject) => {
      this.#reject = reject
      this.#call(parcel).then(resolve, reject)
    }).finally(() => clearTimeout(timer))
  }

  /** Gives up the export that is under way. */
  #abandon(reason: Error): void {
    this.#reject?.(reason)
    this.#giveUp.abort(reason)
  }

  async #call(parcel: Parcel): Promise<ExportAnswer> {
    const job = { signal: this.#giveUp.signal, hurry: this.#hurry.signal }
    registry.insideTracer++
    try {
      // Not awaited here: what comes after is no longer inside.
      return parcel.send(job)
    } finally {
      registry.insideTracer--
    }
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    this.lastError = { time: Date.now(), message }
    this.#report('export', error)
  }

  #wakeWaiters(): void {
    this.#waiters = this.#waiters.filter(({ target, resolve }) => {
      if (this.#done < target) return true
      resolve()
      return false
    })
  }
}

/** About how many bytes a span takes, here and on the wire. Counted once, since what is counted is taken off again. */
export function weightOf(span: LeanSpan): number {
  if (span.slot === -1) span.slot = weigh(span)
  return span.slot
}

function weigh({ operationName, names, slots, extra }: LeanSpan): number {
  let weight = 200 + operationName.length
  if (Array.isArray(slots)) {
    for (let i = 0; i < names.size; i++) weight += weightOfValue(slots[i])
  } else if (slots !== undefined) {
    weight += 200 + slots.path.length
  }
  return extra === undefined
    ? weight
    : weight + extra.logLength + 100 * (extra.logs.length + extra.references.length)
}

function weightOfValue(value: unknown): number {
  if (typeof value === 'string') return 32 + value.length
  return Array.isArray(value) ? lengthOfList(value) : 32
}

function lengthOfList(list: readonly unknown[]): number {
  let length = 32
  for (const item of list) length += typeof item === 'string' ? item.length : 8
  return length
}
