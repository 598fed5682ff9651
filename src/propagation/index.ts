// Trace headers in every format: one object that reads and writes what the option `propagation` lists.

import { b3, b3multi } from './b3.ts'
import { baggage } from './baggage.ts'
import type { TraceContext } from './context.ts'
import type { FormatName } from './find-headers.ts'
import { type Make, newContext, type TraceFormat, type WritableCarrier } from './format.ts'
import { type Caller, createCounters, type MigrationMeter } from './meter.ts'
import { type PropagationOptions, type PropagationSettings, resolvePropagation } from './options.ts'
import { createRead } from './reader.ts'
import { tracecontext } from './tracecontext.ts'
import { uberTraceId } from './uber-trace-id.ts'
import { createWrite } from './writer.ts'

export type { TraceContext } from './context.ts'
export type { FormatName } from './find-headers.ts'
export type { Make, WritableCarrier } from './format.ts'
export { toId } from './ids.ts'
export type { CallerCounts, FormatCounts, IncomingCounts, MeterReading, MigrationMeter } from './meter.ts'
export {
  FORMAT_NAMES,
  type PropagationOptions,
  type PropagationSettings,
  resolvePropagation,
} from './options.ts'
export { uberctxKey } from './uberctx.ts'

/** Reads and writes trace headers. */
export interface Propagation<Context = TraceContext> {
  /** The listed formats, in order. */
  readonly names: { readonly extract: readonly FormatName[]; readonly inject: readonly FormatName[] }
  /**
   * Reads HTTP headers. Never throws, whatever the carrier.
   *
   * @param carrier an object by header name, in any case: `request.headers`
   * @param peer who calls, for the meter, unless the header of `callerHeader` tells it
   * @returns undefined when no listed format says anything valid
   */
  extract(carrier: object, peer?: string): TraceContext | Context | undefined
  /** Writes HTTP headers into the carrier, over those that are there. */
  inject(context: TraceContext, carrier: WritableCarrier): void
  /** Reads a text map: as headers, but Jaeger's values are not percent-encoded (as jaeger-client has it). */
  extractText(carrier: object, peer?: string): TraceContext | Context | undefined
  /** Writes a text map, for `extractText` or jaeger-client to read. */
  injectText(context: TraceContext, carrier: WritableCarrier): void
  /** Counts what came and what was sent, for a migration from one format to another. */
  readonly meter: MigrationMeter
}

const TRACE_FORMATS: Readonly<Record<TraceFormat['name'], TraceFormat>> = {
  tracecontext,
  'uber-trace-id': uberTraceId,
  b3,
  b3multi,
}

/**
 * Makes a reader and writer of trace headers.
 *
 * @throws TypeError naming the option, the value and the fix
 * @example
 * const propagation = createPropagation({ inject: ['tracecontext', 'baggage'] })
 * const context = propagation.extract(request.headers)
 * if (context) propagation.inject(context, headersOfNextCall)
 */
export function createPropagation(options?: PropagationOptions): Propagation {
  return openPropagation(resolvePropagation(options), newContext)
}

/**
 * The same for whoever has contexts of his own: what nearly all carriers say, the ids in one header and no more, is made
 * by `make` at once.
 */
export function openPropagation<Context>(
  { extract, inject, callerHeader }: PropagationSettings,
  make: Make<Context>,
): Propagation<Context> {
  const counters = createCounters(extract, inject)
  const read = createRead(extract, TRACE_FORMATS, counters, make)
  const write = createWrite(
    inject.map(name => (name === 'baggage' ? baggage : TRACE_FORMATS[name])),
    counters,
  )

  function callerOf(carrier: object, peer: string | undefined): Caller | undefined {
    const name = headerText(carrier, callerHeader) ?? peer
    return name === undefined ? undefined : counters.caller(name)
  }

  return {
    names: { extract, inject },
    extract: (carrier, peer) => read(carrier, true, callerOf(carrier, peer)),
    inject: (context, carrier) => write(context, carrier, true),
    extractText: (carrier, peer) => read(carrier, false, callerOf(carrier, peer)),
    injectText: (context, carrier) => write(context, carrier, false),
    meter: counters.meter,
  }
}

function headerText(carrier: object, name: string | undefined): string | undefined {
  if (name === undefined) return undefined
  try {
    const value = (carrier as Record<string, unknown>)[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  } catch {
    // A carrier that throws names no caller.
    return undefined
  }
}
