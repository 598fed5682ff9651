// Writing a carrier: every listed format gets the same ids.

import type { TraceContext } from './context.ts'
import { createFind, type Find } from './find-headers.ts'
import type { Format, TraceFormat, WritableCarrier } from './format.ts'
import type { Counters, FormatCounts } from './meter.ts'

/** Writes a context. `encoded`: for HTTP headers, where Jaeger's baggage values are percent-encoded. */
export type Write = (context: TraceContext, carrier: WritableCarrier, encoded: boolean) => void

interface Target {
  readonly format: Format
  readonly counts: FormatCounts
  readonly find: Find
}

/** Makes the writer for these formats. */
export function createWrite(formats: readonly Format[], counters: Counters): Write {
  const targets: Target[] = formats.map(format => ({
    format,
    counts: counters.outgoing[format.name],
    find: createFind([format.name]),
  }))
  return (context, carrier, encoded) => {
    counters.carriersOut++
    for (let i = 0; i < targets.length; i++) {
      const target = targets[i] as Target
      if (carrier[target.format.header] !== undefined) countEarlier(target, context, carrier, encoded)
      if (target.format.inject(context, carrier, encoded, target.counts)) target.counts.used++
    }
  }
}

/** A header that other code has put there, often a caller's header passed on by hand; ours takes its place. */
function countEarlier(target: Target, context: TraceContext, carrier: object, encoded: boolean): void {
  const { format, counts, find } = target
  counts.seen++
  const headers = find(carrier)
  if (headers === undefined || !isTraceFormat(format)) return
  const earlier = format.extract(headers, encoded)
  if (earlier === null) counts.rejected++
  else if (earlier !== undefined && earlier.traceId !== context.traceId) counts.conflict++
}

function isTraceFormat(format: Format): format is TraceFormat {
  return format.name !== 'baggage'
}
