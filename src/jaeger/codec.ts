// Between what travels and what jaeger-client makes of it: our TraceContext to its SpanContext, and back.

import opentracing, { type Span, type SpanContext, type SpanOptions } from 'opentracing'
import { padTraceId } from '../core/conventions/operation-name.ts'
import {
  type Propagation,
  type TraceContext,
  toId,
  uberctxKey,
  type WritableCarrier,
} from '../propagation/index.ts'
import { type VendorBaggage, type VendorCodec, type VendorContext, vendor } from './vendor.ts'

/** What jaeger-client has no place for. It lives as long as the trace in this process. */
interface Luggage {
  tracestate: string | undefined
  random: boolean
  /** The caller left the decision to us: our first span decides as a root does. */
  deferred: boolean
  /** Baggage keys as the caller spells them, by the spelling that `getBaggageItem` looks for. */
  spellings: ReadonlyMap<string, string>
  baggageProperties: ReadonlyMap<string, string> | undefined
}

/** What a caller without a trace may have decided for the trace that starts here (`b3: 0`). */
type Decision = 'keep' | 'drop' | 'debug'

const LUGGAGE = 'tracing-middleware'

// A context without a trace hands nothing on to the root that jaeger-client starts for it but its baggage, the very
// object: so the rest rides there, under a symbol, which no copy and no header takes over.
const PASSENGER: unique symbol = Symbol('passenger')
type Baggage = VendorBaggage & { [PASSENGER]?: { decision: Decision | undefined; luggage: Luggage } }

/** The codecs for HTTP headers and text maps. */
export function createCodecs(propagation: Propagation): { headers: VendorCodec; text: VendorCodec } {
  const toParent = (context: TraceContext | undefined) =>
    context === undefined ? null : toVendorContext(context)
  return {
    headers: {
      extract: carrier => toParent(propagation.extract(carrier as object)),
      inject: (context, carrier) =>
        propagation.inject(fromVendorContext(context), carrier as WritableCarrier),
    },
    text: {
      extract: carrier => toParent(propagation.extractText(carrier as object)),
      inject: (context, carrier) =>
        propagation.injectText(fromVendorContext(context), carrier as WritableCarrier),
    },
  }
}

/**
 * References and parents as jaeger-client can take them. It knows a `Span` in `childOf` alone, and only its own: in a
 * reference it wants the context, and anything else's context makes it throw. Another tracer's context counts by its
 * ids; one without ids is the parent of a new trace.
 */
export function withOwnContexts({ childOf, references, ...options }: SpanOptions): SpanOptions {
  const own = references?.map(reference => {
    return new opentracing.Reference(reference.type(), toOwnContext(reference.referencedContext()))
  })
  return { ...options, ...(childOf && { childOf: toOwnContext(childOf) }), ...(own && { references: own }) }
}

function toOwnContext(parent: Span | SpanContext): VendorContext {
  const context = 'context' in parent ? parent.context() : parent
  if (context instanceof vendor.SpanContext) return context
  const spanId = toId(context.toSpanId(), 16)
  return toVendorContext({
    traceId: spanId === '' ? '' : toId(context.toTraceId(), 32),
    spanId,
    parentId: undefined,
    sampled: undefined,
    debug: false,
    random: false,
    tracestate: undefined,
    debugId: undefined,
    baggage: undefined,
  })
}

/**
 * Lets a span that has no decision yet take over what its parent could not hand on.
 *
 * @returns the caller's decision, where there is one
 */
export function takeOver(context: VendorContext): Decision | undefined {
  const passenger = (context.baggage as Baggage)[PASSENGER]
  if (passenger !== undefined) {
    context._samplingState.extendedState()[LUGGAGE] = passenger.luggage
    return passenger.decision
  }
  const luggage = luggageOf(context)
  if (luggage?.deferred === true) {
    luggage.deferred = false
    // The first span here of a trace whose caller left the decision to us is a root to the samplers.
    context._samplingState._localRootSpanIdStr = context.spanIdStr
  }
  return undefined
}

function toVendorContext(context: TraceContext): VendorContext {
  const { traceId, spanId, parentId, sampled, debug, debugId = '' } = context
  const spellings = new Map<string, string>()
  const baggage = toVendorBaggage(context.baggage, spellings)
  const luggage: Luggage = {
    tracestate: context.tracestate,
    random: context.random,
    deferred: sampled === undefined && !debug,
    spellings,
    baggageProperties: context.baggageProperties,
  }
  if (traceId === '') {
    const decision = debug ? 'debug' : sampled === undefined ? undefined : sampled ? 'keep' : 'drop'
    baggage[PASSENGER] = { decision, luggage: { ...luggage, random: true, deferred: false } }
    return new vendor.SpanContext(null, null, null, null, null, null, baggage, debugId)
  }
  const flags = debug ? 3 : sampled ? 1 : 0
  const made = vendor.SpanContext.withStringIds(
    // A 64-bit id stays one, as jaeger-client writes it.
    traceId.startsWith('0000000000000000') ? traceId.slice(16) : traceId,
    spanId,
    parentId ?? null,
    flags,
    baggage,
    debugId,
  )
  made._samplingState.extendedState()[LUGGAGE] = luggage
  // jaeger-client takes a remote parent's flags for its decision: one that has not decided must not look remote.
  if (luggage.deferred) made._setRemote = () => {}
  return made
}

function toVendorBaggage(items: TraceContext['baggage'], spellings: Map<string, string>): Baggage {
  const baggage: Baggage = Object.create(null)
  for (const [key, value] of items ?? []) {
    const sought = uberctxKey(key)
    if (sought === key || items?.has(sought) || spellings.has(sought)) {
      baggage[key] = value
    } else {
      baggage[sought] = value
      spellings.set(sought, key)
    }
  }
  return baggage
}

function fromVendorContext(context: VendorContext): TraceContext {
  // What has left the process cannot be taken back: a trace is kept whole or not at all.
  context.finalizeSampling()
  const passenger = (context.baggage as Baggage)[PASSENGER]
  const luggage = luggageOf(context) ?? passenger?.luggage
  const rest = {
    tracestate: luggage?.tracestate,
    // jaeger-client's own trace ids are random from end to end.
    random: luggage?.random ?? true,
    baggage: fromVendorBaggage(context.baggage, luggage?.spellings),
    baggageProperties: luggage?.baggageProperties,
  }
  if (!context.isValid) {
    const decision = passenger?.decision
    return {
      traceId: '',
      spanId: '',
      parentId: undefined,
      sampled: decision === undefined ? undefined : decision !== 'drop',
      debug: decision === 'debug',
      debugId: context.debugId || undefined,
      ...rest,
    }
  }
  return {
    traceId: (context.traceIdStr as string).padStart(32, '0'),
    spanId: padTraceId(context.spanIdStr as string),
    parentId: context.parentIdStr ? padTraceId(context.parentIdStr) : undefined,
    sampled: context.isSampled(),
    debug: context.isDebug(),
    debugId: undefined,
    ...rest,
  }
}

function fromVendorBaggage(
  baggage: VendorBaggage,
  spellings: ReadonlyMap<string, string> | undefined,
): TraceContext['baggage'] {
  const items = new Map<string, string>()
  for (const key of Object.keys(baggage)) items.set(spellings?.get(key) ?? key, String(baggage[key]))
  return items.size === 0 ? undefined : items
}

function luggageOf(context: VendorContext): Luggage | undefined {
  return context._samplingState.extendedState()[LUGGAGE] as Luggage | undefined
}
