// Who a span is, in the words of both APIs, and who is whose parent.

import {
  createTraceState,
  INVALID_TRACEID,
  type Link,
  type SpanContext as OtelSpanContext,
  TraceFlags,
} from '@opentelemetry/api'
import opentracing, {
  type Reference,
  type Span,
  type SpanContext,
  type SpanOptions as SpanFields,
} from 'opentracing'
import type { Report } from '../core/settings/report.ts'
import type { TraceContext } from '../propagation/index.ts'
import { fromForeign } from '../tracer/context.ts'

/** Trace Context level 2: the low 7 bytes of the trace id are random. The api hands the bit on and has no name for it. */
const RANDOM = 2

/** A span's identity: small, and all that whoever holds it keeps alive. Immutable. */
export class BridgedContext extends opentracing.SpanContext {
  /** As headers tell it. */
  readonly told: TraceContext
  /** As OpenTelemetry has it; undefined when it names no span. */
  readonly otel: OtelSpanContext | undefined

  constructor(told: TraceContext, otel: OtelSpanContext | undefined) {
    super()
    this.told = told
    this.otel = otel
  }

  /** 32 lower-case hex digits; `''` when it names no trace. */
  override toTraceId(): string {
    return this.told.traceId
  }

  /** 16 lower-case hex digits; `''` when it names no span. */
  override toSpanId(): string {
    return this.told.spanId
  }

  /** What other tracers ask a foreign context for, as jaeger-client's contexts answer it. */
  isSampled(): boolean {
    return this.told.sampled === true
  }

  /** The same span, with one item of baggage more. */
  withBaggageItem(key: string, value: string): BridgedContext {
    const baggage = new Map(this.told.baggage).set(key, value)
    const baggageProperties = new Map(this.told.baggageProperties)
    baggageProperties.delete(key)
    return new BridgedContext({ ...this.told, baggage, baggageProperties }, this.otel)
  }
}

const NOBODY = new BridgedContext(
  {
    traceId: '',
    spanId: '',
    parentId: undefined,
    sampled: undefined,
    debug: false,
    random: false,
    tracestate: undefined,
    debugId: undefined,
    baggage: undefined,
    baggageProperties: undefined,
  },
  undefined,
)

/** The context that a caller's headers tell. */
export function fromOutside(told: TraceContext): BridgedContext {
  const { traceId, spanId, sampled, random, tracestate } = told
  if (traceId === '') return new BridgedContext(told, undefined)
  // A decision that is left to us is a yes: OpenTelemetry has no word for it, and would ask no sampler after a no.
  const flag = sampled === false ? TraceFlags.NONE : TraceFlags.SAMPLED
  return new BridgedContext(told, {
    traceId,
    spanId,
    isRemote: true,
    traceFlags: random ? flag | RANDOM : flag,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  })
}

/** The context of a span that OpenTelemetry has made. `debug`: whoever is called should sample it whatever comes. */
export function ofNewSpan(
  made: OtelSpanContext,
  parent: BridgedContext | undefined,
  debug: boolean,
): BridgedContext {
  const { traceId, spanId, traceFlags, traceState } = made
  const above = parent?.otel
  // Without an SDK there is no span: who is called by us goes on where our caller was.
  if (traceId === INVALID_TRACEID || spanId === above?.spanId) return parent ?? NOBODY
  const isSampled = (traceFlags & TraceFlags.SAMPLED) !== 0
  return new BridgedContext(
    {
      traceId,
      spanId,
      parentId: above?.spanId,
      sampled: isSampled,
      debug: debug && isSampled,
      random: above === undefined ? (traceFlags & RANDOM) !== 0 : (parent as BridgedContext).told.random,
      // As it came when no sampler has changed it: the api's own text leaves out what is over 512 characters.
      tracestate:
        traceState === above?.traceState ? parent?.told.tracestate : traceState?.serialize() || undefined,
      debugId: undefined,
      baggage: parent?.told.baggage,
      baggageProperties: parent?.told.baggageProperties,
    },
    made,
  )
}

/** The context of any span or context; undefined for none, and for one that names nothing. */
export function toBridged(
  given: Span | SpanContext | null | undefined,
  report: Report,
): BridgedContext | undefined {
  if (given === undefined || given === null) return undefined
  try {
    const context = typeof (given as Span).context === 'function' ? (given as Span).context() : given
    if (context instanceof BridgedContext) return context
    const foreign = fromForeign(context)
    return foreign === undefined ? undefined : fromOutside(foreign)
  } catch (error) {
    report('span context', error)
    return undefined
  }
}

/** What a new span's references come to. */
export interface Related {
  readonly parent: BridgedContext | undefined
  readonly links: Link[]
}

/**
 * The first child-of is the parent; without one, the first follows-from is. A parent without ids begins a trace. All
 * other references become links, and so does a parent that is followed and not waited for.
 *
 * @see https://opentelemetry.io/docs/specs/otel/compatibility/opentracing/#start-a-new-span
 */
export function relate(
  childOf: SpanFields['childOf'],
  references: readonly Reference[] | undefined,
  report: Report,
): Related {
  const links: Link[] = []
  if (references === undefined || references.length === 0)
    return { parent: toBridged(childOf, report), links }
  const first = childOf ? -1 : Math.max(0, references.findIndex(isChildOf))
  const parent = toBridged(childOf || references[first]?.referencedContext(), report)
  references.forEach((reference, i) => {
    if (i === first && isChildOf(reference)) return
    const context = (i === first ? parent : toBridged(reference.referencedContext(), report))?.otel
    if (context === undefined) return
    links.push({
      context,
      attributes: { 'opentracing.ref_type': isChildOf(reference) ? 'child_of' : 'follows_from' },
    })
  })
  return { parent, links }
}

function isChildOf(reference: Reference): boolean {
  return reference.type() === opentracing.REFERENCE_CHILD_OF
}
