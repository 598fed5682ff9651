// What every format does.

import type { TraceContext } from './context.ts'
import type { FormatName, Headers } from './find-headers.ts'
import type { Texts } from './header-text.ts'
import type { FormatCounts } from './meter.ts'

/** A carrier that headers are written to. */
export type WritableCarrier = Record<string, unknown>

/** A format that headers are written in. */
export interface Format {
  readonly name: FormatName
  /** Its main header in lower case. */
  readonly header: string
  /**
   * Writes the context; false when there is nothing that this format could say of it.
   *
   * @param encoded whether the carrier is of HTTP headers, where Jaeger's baggage is percent-encoded
   * @param counts where baggage members that are left out are counted
   */
  inject(context: TraceContext, carrier: WritableCarrier, encoded: boolean, counts: FormatCounts): boolean
}

/** A format that carries trace ids. */
export interface TraceFormat extends Format {
  readonly name: Exclude<FormatName, 'baggage'>
  /**
   * What the headers say in this format. undefined: they are absent; null: they are there and not valid. A context
   * without ids is a sampling decision alone.
   *
   * @param encoded whether the carrier is of HTTP headers, where Jaeger's values may be percent-encoded
   */
  extract(headers: Headers, encoded: boolean): TraceContext | null | undefined
  /** What the main header alone says, made by `make`; undefined when it is not valid, or names no trace. */
  read<Context>(text: string, encoded: boolean, make: Make<Context>): Context | undefined
}

/**
 * Makes a context of what one header says: of what `newContext` is given, and of trace and span id once more as `readIds`
 * tells them. The words are overwritten by the next header that is read.
 */
export type Make<Context> = (...told: [...Parameters<typeof newContext>, words: Int32Array]) => Context

/** Makes a context that anybody can read; `parentId` is `''` where none is told. */
export function newContext(
  traceId: string,
  spanId: string,
  parentId: string,
  sampled: boolean | undefined,
  debug: boolean,
  random: boolean,
): TraceContext {
  return {
    traceId,
    spanId,
    parentId: parentId === '' ? undefined : parentId,
    sampled,
    debug,
    random,
    tracestate: undefined,
    debugId: undefined,
    baggage: undefined,
    baggageProperties: undefined,
  }
}

/** The first text that is valid; undefined when there is no text at all, null when none of it is valid. */
export function firstValid(
  value: Texts,
  read: (text: string) => TraceContext | undefined,
): TraceContext | null | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string') return read(value) ?? null
  for (const text of value) {
    const context = read(text)
    if (context !== undefined) return context
  }
  return null
}
