// Finished spans on their way out of the process: encoded at once, kept in a bounded queue, sent in batches. It stands
// in for jaeger-client's own reporter and senders, whose timer and requests hold the process, whose queue has no bound
// and whose UDP packets grow too large in a burst.

import type { Report } from '../core/settings/report.ts'
import type { Sender } from './sender.ts'
import type { ReporterSettings } from './settings.ts'
import { createEncoder, type Encoder } from './thrift.ts'
import type { VendorReporter } from './vendor.ts'

const MAX_QUEUED_SPANS = 10_000
const MAX_QUEUED_BYTES = 16_000_000

/** Why a span never left: the reasons that `stats()` counts. */
export type DropReason = 'queue full' | 'too large' | 'not encodable' | 'not delivered'

/** What became of the sampled spans: `finished` is `exported`, plus `queued`, plus all of `dropped`. */
export interface JaegerStats {
  /** Sampled spans that were finished. */
  finished: number
  /** Spans that the collector accepted over HTTP, or that were handed to the network over UDP. */
  exported: number
  /** Spans that wait, or are being sent. */
  queued: number
  /** Spans that were lost, by reason. */
  dropped: Record<DropReason, number>
  /** Why spans were last lost. */
  lastError: string | undefined
}

export interface Reporter extends VendorReporter {
  /** Resolves when all that is queued was sent or lost; undefined when nothing is. */
  flush(): Promise<void> | undefined
  stats(): JaegerStats
}

export function createReporter(
  sender: Sender,
  { flushIntervalMs, spanLogger }: ReporterSettings,
  report: Report,
): Reporter {
  const stats = {
    finished: 0,
    exported: 0,
    dropped: { 'queue full': 0, 'too large': 0, 'not encodable': 0, 'not delivered': 0 },
    lastError: undefined as string | undefined,
  }
  // Made once: when it is needed, it is needed for span after span.
  const tooMany = new Error(`${MAX_QUEUED_SPANS} spans or ${MAX_QUEUED_BYTES} bytes wait to be sent`)
  let encoder: Encoder
  let timer: NodeJS.Timeout | undefined
  const queue: Buffer[] = []
  let queuedBytes = 0
  let inFlight = 0
  let sending: Promise<void> | undefined

  function drop(reason: DropReason, count: number, error: unknown): void {
    stats.dropped[reason] += count
    stats.lastError = `${reason}: ${error instanceof Error ? error.message : error}`
    report(`jaeger reporter (${reason})`, error)
  }

  function flush(): Promise<void> | undefined {
    if (queue.length > 0) {
      sending ??= sendAll().finally(() => {
        sending = undefined
      })
    }
    return sending
  }

  async function sendAll(): Promise<void> {
    while (queue.length > 0) {
      const spans = takeBatch()
      inFlight = spans.length
      try {
        await sender.send(encoder.batch(spans))
        stats.exported += spans.length
      } catch (error) {
        drop('not delivered', spans.length, error)
      }
      inFlight = 0
    }
  }

  function takeBatch(): Buffer[] {
    let count = 0
    let bytes = 0
    for (const span of queue) {
      if (bytes + span.length > encoder.room) break
      bytes += span.length
      count++
    }
    queuedBytes -= bytes
    return queue.splice(0, count)
  }

  return {
    setProcess(serviceName, tags) {
      encoder = createEncoder(serviceName, tags, sender.envelope, sender.maxBatchBytes)
      timer = setInterval(flush, flushIntervalMs).unref()
    },
    report(span) {
      stats.finished++
      if (queue.length + inFlight >= MAX_QUEUED_SPANS || queuedBytes > MAX_QUEUED_BYTES) {
        drop('queue full', 1, tooMany)
        return
      }
      try {
        const bytes = encoder.span(span)
        queue.push(bytes)
        queuedBytes += bytes.length
      } catch (error) {
        drop(error instanceof RangeError ? 'too large' : 'not encodable', 1, error)
      }
      try {
        spanLogger?.info(`Reporting span ${span.context()}`)
      } catch (error) {
        report('logger', error)
      }
      if (queuedBytes >= encoder.room || queue.length >= sender.eagerSpans) flush()
    },
    flush,
    close(done) {
      clearInterval(timer)
      const release = () => {
        sender.close()
        done?.()
      }
      const flushed = flush()
      if (flushed === undefined) release()
      else void flushed.then(release)
    },
    stats: () => ({
      finished: stats.finished,
      exported: stats.exported,
      queued: queue.length + inFlight,
      dropped: { ...stats.dropped },
      lastError: stats.lastError,
    }),
  }
}
