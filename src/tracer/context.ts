// Who a span is: the trace that it shares with others, and its own place in it. Kept apart from the span, so that
// whoever holds a context (a finished request, a timer) keeps these few words alive and never the span.

import opentracing from 'opentracing'
import { type Make, type TraceContext, toId } from '../propagation/index.ts'
import { fromHex, randomWord, toHex64, toHex128 } from './ids.ts'
import type { Recorder } from './span.ts'

/** Baggage, and what W3C `baggage` members carry behind their values. */
export interface Baggage {
  readonly items: ReadonlyMap<string, string>
  readonly properties: ReadonlyMap<string, string> | undefined
}

/** The spans of a trace that wait for the `keep` rule. */
export interface Waiting {
  /** What the rule said; undefined until it was asked. */
  verdict: boolean | undefined
}

/** What all spans of one trace in this process share. */
export class Trace {
  /** The tracer whose trace it is. */
  readonly recorder: Recorder
  // Four words of the id; all zero as long as only the text is known.
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0
  /** The id as text, once somebody has asked; `''` without a trace (baggage or a debug id alone). */
  text: string | undefined
  /** Added to the monotonic clock it gives milliseconds since the epoch; set when the first span starts. */
  anchor = 0.1
  sampled: boolean | undefined
  debug: boolean
  random: boolean
  tracestate: string | undefined
  debugId: string | undefined
  /** True once a span of ours has made it its own; a second one that is started from the same headers takes a copy. */
  claimed = false
  waiting: Waiting | undefined = undefined

  constructor(
    recorder: Recorder,
    text: string | undefined,
    sampled: boolean | undefined,
    debug: boolean,
    random: boolean,
    tracestate: string | undefined,
    debugId: string | undefined,
  ) {
    this.recorder = recorder
    this.text = text
    this.sampled = sampled
    this.debug = debug
    this.random = random
    this.tracestate = tracestate
    this.debugId = debugId
  }

  get traceId(): string {
    if (this.text === undefined) this.text = toHex128(this.w0, this.w1, this.w2, this.w3)
    return this.text
  }

  /** Sees to it that the words of the id are there: at first a trace from outside has only its text. */
  readWords(): void {
    const { text } = this
    if (text === undefined || (this.w0 | this.w1 | this.w2 | this.w3) !== 0) return
    this.w0 = fromHex(text, 0)
    this.w1 = fromHex(text, 8)
    this.w2 = fromHex(text, 16)
    this.w3 = fromHex(text, 24)
  }

  /** 0 to 1, from the last 7 bytes of the id: those that Trace Context level 2 calls random. */
  get randomness(): number {
    this.readWords()
    return ((this.w2 & 0xffffff) * 2 ** 29 + (this.w3 >>> 3)) / 2 ** 53
  }

  /** A fresh id. */
  begin(): void {
    this.w0 = randomWord()
    this.w1 = randomWord()
    this.w2 = randomWord()
    do this.w3 = randomWord()
    while (this.w3 === 0)
    this.text = undefined
    this.random = true
    this.tracestate = undefined
  }

  /** The same for a further span that is started from the same headers. */
  again(): Trace {
    const { recorder, traceId, sampled, debug, random, tracestate, debugId } = this
    return new Trace(recorder, traceId, sampled, debug, random, tracestate, debugId)
  }
}

/** A span of ours; one whose parent is in another process; a span of another process itself. */
export const LOCAL = 0
export const BELOW_REMOTE = 1
export const REMOTE = 2
export type Place = typeof LOCAL | typeof BELOW_REMOTE | typeof REMOTE

/** A span's identity, in the form that OpenTracing asks for and in the one that propagation writes out. */
export class LeanSpanContext extends opentracing.SpanContext implements TraceContext {
  readonly trace: Trace
  // The words of the span's id and of its parent's; zero: not read from the text yet, or no parent.
  high: number
  low: number
  readonly parentHigh: number
  readonly parentLow: number
  text: string | undefined
  readonly bag: Baggage | undefined
  readonly place: Place

  constructor(
    trace: Trace,
    high: number,
    low: number,
    parentHigh: number,
    parentLow: number,
    text: string | undefined,
    bag: Baggage | undefined,
    place: Place,
  ) {
    super()
    this.trace = trace
    this.high = high
    this.low = low
    this.parentHigh = parentHigh
    this.parentLow = parentLow
    this.text = text
    this.bag = bag
    this.place = place
  }

  /** 32 lower-case hex digits; `''` when it names no trace. */
  override toTraceId(): string {
    return this.trace.traceId
  }

  /** 16 lower-case hex digits; `''` when it names no span. */
  override toSpanId(): string {
    if (this.text === undefined) this.text = toHex64(this.high, this.low)
    return this.text
  }

  get traceId(): string {
    return this.trace.traceId
  }

  get spanId(): string {
    return this.toSpanId()
  }

  get parentId(): string | undefined {
    return (this.parentHigh | this.parentLow) === 0 ? undefined : toHex64(this.parentHigh, this.parentLow)
  }

  get sampled(): boolean | undefined {
    return this.trace.sampled
  }

  get debug(): boolean {
    return this.trace.debug
  }

  get random(): boolean {
    return this.trace.random
  }

  get tracestate(): string | undefined {
    return this.trace.tracestate
  }

  get debugId(): string | undefined {
    return this.trace.debugId
  }

  /** The middleware's hint: false when nothing that starts from here is recorded; undefined: the sampler may want tags. */
  get isRecording(): boolean | undefined {
    const { sampled, debugId, recorder } = this.trace
    return debugId === undefined && recorder.obeysCallers ? sampled : undefined
  }

  /** The flags of W3C Trace Context: bit 0 sampled, bit 1 random. */
  get traceFlags(): number {
    return (this.trace.sampled ? 1 : 0) | (this.trace.random ? 2 : 0)
  }

  get isParentRemote(): boolean {
    return this.place === BELOW_REMOTE
  }

  get baggage(): ReadonlyMap<string, string> | undefined {
    return this.bag?.items
  }

  get baggageProperties(): ReadonlyMap<string, string> | undefined {
    return this.bag?.properties
  }

  /** Sees to it that the words of the span's id are there. */
  readWords(): void {
    if ((this.high | this.low) !== 0 || this.text === undefined || this.text === '') return
    this.high = fromHex(this.text, 0)
    this.low = fromHex(this.text, 8)
  }

  /** The same place in the trace, with one item more. */
  withBaggageItem(key: string, value: string): LeanSpanContext {
    const { trace, high, low, parentHigh, parentLow, text, bag, place } = this
    const items = new Map(bag?.items).set(key, value)
    const properties = new Map(bag?.properties)
    properties.delete(key)
    const bagNow = { items, properties: properties.size === 0 ? undefined : properties }
    return new LeanSpanContext(trace, high, low, parentHigh, parentLow, text, bagNow, place)
  }
}

/** Makes the contexts that a caller's header tells when it tells all. */
export function ofCaller(recorder: Recorder): Make<LeanSpanContext> {
  return (traceId, spanId, parentId, sampled, debug, random, words) => {
    const trace = new Trace(recorder, traceId, sampled, debug, random, undefined, undefined)
    trace.w0 = words[0] as number
    trace.w1 = words[1] as number
    trace.w2 = words[2] as number
    trace.w3 = words[3] as number
    const parentHigh = parentId === '' ? 0 : fromHex(parentId, 0)
    const parentLow = parentId === '' ? 0 : fromHex(parentId, 8)
    const high = words[4] as number
    const low = words[5] as number
    return new LeanSpanContext(trace, high, low, parentHigh, parentLow, spanId, undefined, REMOTE)
  }
}

/** The context that a caller's headers tell. */
export function fromOutside(recorder: Recorder, origin: TraceContext): LeanSpanContext {
  const { traceId, spanId, parentId, sampled, debug, random, tracestate, debugId } = origin
  const { baggage, baggageProperties } = origin
  const trace = new Trace(recorder, traceId, sampled, debug, random, tracestate, debugId)
  const parentHigh = parentId === undefined ? 0 : fromHex(parentId, 0)
  const parentLow = parentId === undefined ? 0 : fromHex(parentId, 8)
  const bag = baggage === undefined ? undefined : { items: baggage, properties: baggageProperties }
  return new LeanSpanContext(trace, 0, 0, parentHigh, parentLow, spanId, bag, REMOTE)
}

/** The context of a span that belongs to no trace. */
export function nobody(recorder: Recorder): LeanSpanContext {
  const trace = new Trace(recorder, '', undefined, false, true, undefined, undefined)
  return new LeanSpanContext(trace, 0, 0, 0, 0, '', undefined, REMOTE)
}

/** The context of a new span: below `parent` if there is one. */
export function ofNewSpan(
  trace: Trace,
  parent: LeanSpanContext | undefined,
  bag: Baggage | undefined,
): LeanSpanContext {
  const high = randomWord()
  let low = randomWord()
  while (low === 0) low = randomWord()
  if (parent === undefined) return new LeanSpanContext(trace, high, low, 0, 0, undefined, bag, LOCAL)
  parent.readWords()
  const place = parent.place === REMOTE ? BELOW_REMOTE : LOCAL
  return new LeanSpanContext(trace, high, low, parent.high, parent.low, undefined, bag, place)
}

/**
 * A context of another tracer's, by what OpenTracing lets us ask: the text of its ids, in hex. Sampling is left to our
 * sampler, unless the context says it as jaeger-client's do.
 *
 * @returns undefined for a context that names no trace
 */
export function fromForeign(context: unknown): TraceContext | undefined {
  const foreign = context as { toTraceId?(): unknown; toSpanId?(): unknown; isSampled?(): unknown } | null
  if (typeof foreign?.toTraceId !== 'function' || typeof foreign.toSpanId !== 'function') return undefined
  const traceId = toId(String(foreign.toTraceId()), 32)
  const spanId = toId(String(foreign.toSpanId()), 16)
  if (traceId === '' || spanId === '') return undefined
  return {
    traceId,
    spanId,
    parentId: undefined,
    sampled: typeof foreign.isSampled === 'function' ? foreign.isSampled() === true : undefined,
    debug: false,
    random: false,
    tracestate: undefined,
    debugId: undefined,
    baggage: undefined,
  }
}
