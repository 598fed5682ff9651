// Reading a carrier: every listed format is asked, the first valid one tells the trace, and all of it is counted.

import { type Gathered, gather, readBaggage } from './baggage.ts'
import type { TraceContext } from './context.ts'
import { createFind, type FormatName, type Headers, onlyKey } from './find-headers.ts'
import { type Make, newContext, type TraceFormat } from './format.ts'
import type { Caller, CallerCounts, Counters } from './meter.ts'
import { readDebugId, readUberctx } from './uberctx.ts'

/** Reads a carrier. `encoded`: values may be percent-encoded, as they are in HTTP headers. */
export type Read<Context> = (
  carrier: object,
  encoded: boolean,
  caller: Caller | undefined,
) => TraceContext | Context | undefined

const BAGGAGE = 1
const UBER = 2
const BITS: Readonly<Record<FormatName, number>> = {
  baggage: BAGGAGE,
  'uber-trace-id': UBER,
  tracecontext: 4,
  b3: 8,
  b3multi: 16,
}

/** Makes the reader for the listed formats. What a single header says is made by `make`. */
export function createRead<Context>(
  names: readonly FormatName[],
  formats: Readonly<Record<TraceFormat['name'], TraceFormat>>,
  counters: Counters,
  make: Make<Context>,
): Read<Context> {
  const find = createFind(names)
  const listed = names.filter(name => name !== 'baggage').map(name => formats[name])
  const byHeader = new Map<string | undefined, TraceFormat>(listed.map(format => [format.header, format]))
  const listedBits = listed.map(format => BITS[format.name])
  const takesBaggage = names.includes('baggage')
  const takesUber = names.includes('uber-trace-id')
  const tallies = names.map(name => ({ name, bit: BITS[name], counts: counters.incoming[name] }))

  // What the carrier at hand told, one bit per format, so that each format is counted once per carrier. Kept outside
  // of the call since it is cheap that way: once the headers are found, no code but ours runs until they are counted.
  let seen = 0
  let used = 0
  let needed = 0
  let rejected = 0
  let conflict = 0

  return (carrier, encoded, caller) => {
    counters.carriersIn++
    const alone = readAlone(carrier, encoded, caller)
    if (alone !== undefined) return alone
    const headers = find(carrier)
    if (headers === undefined) {
      counters.withoutTrace++
      return undefined
    }
    seen = used = needed = rejected = conflict = 0
    const trace = readTrace(headers, encoded)
    const debugId = takesUber ? readDebug(headers, encoded) : undefined
    const gathered = readItems(headers, encoded)
    count(caller)
    const baggage = gathered?.items
    if (baggage === undefined || baggage.size === 0) {
      return debugId === undefined ? trace : { ...(trace ?? NO_TRACE), debugId }
    }
    return { ...(trace ?? NO_TRACE), debugId, baggage, baggageProperties: gathered?.properties }
  }

  /** What nearly all carriers are like: one header of ours, and its text is valid. The others take the long way. */
  function readAlone(carrier: object, encoded: boolean, caller: Caller | undefined): Context | undefined {
    let format: TraceFormat | undefined
    let text: unknown
    try {
      format = byHeader.get(onlyKey(carrier))
      if (format === undefined) return undefined
      text = (carrier as Record<string, unknown>)[format.header]
    } catch {
      // The long way copes with carriers that throw.
      return undefined
    }
    const context = typeof text === 'string' ? format.read(text, encoded, make) : undefined
    if (context === undefined) return undefined
    seen = used = needed = BITS[format.name]
    rejected = conflict = 0
    count(caller)
    return context
  }

  function readTrace(headers: Headers, encoded: boolean): TraceContext | undefined {
    let winner: TraceContext | undefined
    let winnerBit = 0
    let decision: TraceContext | undefined
    let decisionBit = 0
    let debugBit = 0
    let rivals = 0
    for (let i = 0; i < listed.length; i++) {
      const context = (listed[i] as TraceFormat).extract(headers, encoded)
      if (context === undefined) continue
      const bit = listedBits[i] as number
      seen |= bit
      if (context === null) rejected |= bit
      else if (context.traceId === '') {
        if (context.debug && debugBit === 0) debugBit = bit
        if (decision === undefined) {
          decision = context
          decisionBit = bit
        }
      } else if (winner === undefined) {
        winner = context
        winnerBit = bit
      } else {
        rivals |= bit
        if (context.traceId !== winner.traceId) conflict |= bit | winnerBit
        else if (context.debug && debugBit === 0) debugBit = bit
      }
    }
    if (winner === undefined) {
      counters.withoutTrace++
      used |= decisionBit
      needed |= decisionBit
      return decision
    }
    used |= winnerBit
    if (rivals === 0) needed |= winnerBit
    if (debugBit === 0 || winner.debug) return winner
    used |= debugBit
    needed |= debugBit
    return { ...winner, debug: true, sampled: true }
  }

  function readDebug(headers: Headers, encoded: boolean): string | undefined {
    if (headers.jaegerDebugId === undefined) return undefined
    const debugId = readDebugId(headers.jaegerDebugId, encoded)
    seen |= UBER
    if (debugId === undefined) rejected |= UBER
    else {
      used |= UBER
      needed |= UBER
    }
    return debugId
  }

  function readItems(headers: Headers, encoded: boolean): Gathered | undefined {
    let gathered: Gathered | undefined
    if (takesBaggage && headers.baggage !== undefined) {
      gathered = gather()
      readBaggage(headers.baggage, gathered)
      counters.incoming.baggage.dropped += gathered.dropped
      seen |= BAGGAGE
      if (gathered.items.size > 0) used |= BAGGAGE
      else if (gathered.dropped > 0) rejected |= BAGGAGE
    }
    if (takesUber && (headers.uberctx !== undefined || headers.jaegerBaggage !== undefined)) {
      gathered ??= gather()
      const before = gathered.dropped
      const added = readUberctx(headers, encoded, gathered)
      counters.incoming['uber-trace-id'].dropped += gathered.dropped - before
      seen |= UBER
      if (added > 0) {
        used |= UBER
        needed |= UBER
      }
      if (gathered.disputed > 0) conflict |= BAGGAGE
      if (gathered.items.size - added > gathered.shared) needed |= BAGGAGE
    } else if ((used & BAGGAGE) !== 0) needed |= BAGGAGE
    return gathered
  }

  function count(caller: Caller | undefined): void {
    for (let i = 0; i < tallies.length; i++) {
      const { name, bit, counts } = tallies[i] as (typeof tallies)[number]
      if ((seen & bit) === 0) continue
      counts.seen++
      if ((used & bit) !== 0) counts.used++
      if ((needed & bit) !== 0) counts.needed++
      if ((rejected & bit) !== 0) counts.rejected++
      if ((conflict & bit) !== 0) counts.conflict++
      if (caller === undefined) continue
      const sent = caller.formats[name] as CallerCounts
      sent.seen++
      if ((needed & bit) !== 0) sent.needed++
    }
  }
}

const NO_TRACE: TraceContext = newContext('', '', '', undefined, false, false)
