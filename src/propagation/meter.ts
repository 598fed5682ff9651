// The migration meter: which format still does a job, and who still sends it. Plain counters on the request path.

import type { FormatName } from './find-headers.ts'
import { writeReport } from './report.ts'

/** What was counted of one format in one direction. Every count but `dropped` is of carriers (requests, messages). */
export interface FormatCounts {
  /** Incoming: it was there. Outgoing: it was there already when we came to write it, put there by other code. */
  seen: number
  /** Incoming: something was taken from it. Outgoing: we wrote it. */
  used: number
  /** It was there beside another valid header that names another trace; for `baggage`: that gives a key another value. */
  conflict: number
  /** It was there and not valid. */
  rejected: number
  /** Baggage members that were not valid or over the limits, and so were left out. */
  dropped: number
}

/** The counts of a format in incoming carriers. */
export interface IncomingCounts extends FormatCounts {
  /** Only this format told the trace, a baggage item or a debug request: switched off, that would have been lost. */
  needed: number
}

/** What one caller sent. */
export interface CallerCounts {
  seen: number
  needed: number
}

/** The meter's state at one moment. */
export interface MeterReading {
  /** Since when it counts: milliseconds since the epoch. */
  since: number
  incoming: {
    /** Carriers that were looked at. */
    carriers: number
    /** Those in which no listed format had a valid trace. */
    withoutTrace: number
    formats: Partial<Record<FormatName, IncomingCounts>>
  }
  outgoing: {
    carriers: number
    formats: Partial<Record<FormatName, FormatCounts>>
  }
  /** Per caller, in the order of first appearance; at most 100 of them. */
  callers: { caller: string; carriers: number; formats: Partial<Record<FormatName, CallerCounts>> }[]
  /** Carriers of callers beyond the first 100, or with a name of over 100 characters. */
  otherCallers: number
}

/** Counts what propagation does, to answer "may we switch `uber-trace-id` off yet, and who still sends it?". */
export interface MigrationMeter {
  /** The counts so far, as a copy. */
  read(): MeterReading
  /** The counts as one page of text, with an answer per format. */
  report(): string
  /** Starts again from zero: read, reset, and read again a day later. */
  reset(): void
}

/** A caller's counters. */
export interface Caller {
  carriers: number
  readonly formats: Partial<Record<FormatName, CallerCounts>>
}

/** The counters, as the request path increments them. */
export interface Counters {
  readonly incoming: Record<FormatName, IncomingCounts>
  readonly outgoing: Record<FormatName, FormatCounts>
  carriersIn: number
  carriersOut: number
  withoutTrace: number
  /** Counts a carrier of this caller and gives its counters; undefined when it is one caller too many. */
  caller(name: string): Caller | undefined
  readonly meter: MigrationMeter
}

const MAX_CALLERS = 100
const MAX_NAME_LENGTH = 100

/** Makes the counters for the listed formats. */
export function createCounters(extract: readonly FormatName[], inject: readonly FormatName[]): Counters {
  const callers = new Map<string, Caller>()
  let otherCallers = 0
  let since = Date.now()

  const counters: Counters = {
    incoming: perFormat(noIncoming),
    outgoing: perFormat(noOutgoing),
    carriersIn: 0,
    carriersOut: 0,
    withoutTrace: 0,

    caller(name) {
      const known = callers.get(name)
      if (known !== undefined) {
        known.carriers++
        return known
      }
      if (callers.size === MAX_CALLERS || name.length > MAX_NAME_LENGTH) {
        otherCallers++
        return undefined
      }
      const caller: Caller = { carriers: 1, formats: pick(perFormat(noCaller), extract) }
      callers.set(name, caller)
      return caller
    },

    meter: {
      read: () => ({
        since,
        incoming: {
          carriers: counters.carriersIn,
          withoutTrace: counters.withoutTrace,
          formats: pick(counters.incoming, extract),
        },
        outgoing: { carriers: counters.carriersOut, formats: pick(counters.outgoing, inject) },
        callers: [...callers].map(([caller, { carriers, formats }]) => ({
          caller,
          carriers,
          formats: structuredClone(formats),
        })),
        otherCallers,
      }),
      report: () => writeReport(counters.meter.read(), Date.now()),
      reset() {
        for (const counts of Object.values(counters.incoming)) Object.assign(counts, noIncoming())
        for (const counts of Object.values(counters.outgoing)) Object.assign(counts, noOutgoing())
        counters.carriersIn = counters.carriersOut = counters.withoutTrace = otherCallers = 0
        callers.clear()
        since = Date.now()
      },
    },
  }
  return counters
}

const noOutgoing = (): FormatCounts => ({ seen: 0, used: 0, conflict: 0, rejected: 0, dropped: 0 })
const noIncoming = (): IncomingCounts => ({ ...noOutgoing(), needed: 0 })
const noCaller = (): CallerCounts => ({ seen: 0, needed: 0 })

function perFormat<T>(make: () => T): Record<FormatName, T> {
  return { tracecontext: make(), baggage: make(), 'uber-trace-id': make(), b3: make(), b3multi: make() }
}

/** A copy of the counts of the listed formats, in the order of the list. */
function pick<T extends object>(
  counts: Record<FormatName, T>,
  names: readonly FormatName[],
): Partial<Record<FormatName, T>> {
  return Object.fromEntries(names.map(name => [name, { ...counts[name] }]))
}
