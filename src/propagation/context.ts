// What travels between services, whatever the format: the ids, the decision, the baggage.

/**
 * What a caller's headers say, or what goes into the next service's headers. Immutable.
 *
 * Without a trace (`traceId === ''`) it still carries what came without one: a sampling decision alone (`b3: 0`), a
 * debug id, baggage.
 */
export interface TraceContext {
  /** 32 lower-case hex digits, never all zero; a 64-bit id is left-padded with zeros. `''`: no trace came. */
  readonly traceId: string
  /** 16 lower-case hex digits, never all zero. `''`: no trace came. */
  readonly spanId: string
  /** The sender's own parent, where its format tells it (`uber-trace-id`, B3): 16 lower-case hex digits. */
  readonly parentId: string | undefined
  /** The sender's decision; undefined: left to the receiver (B3 deferred). */
  readonly sampled: boolean | undefined
  /** Sample whatever the sampler says (`uber-trace-id` bit 2, B3 `d`). Implies `sampled`. */
  readonly debug: boolean
  /** W3C Trace Context level 2: the low 7 bytes of the trace id are random. */
  readonly random: boolean
  /** The other vendors' members of `tracestate`, as they came (validated, ours taken out). */
  readonly tracestate: string | undefined
  /** `jaeger-debug-id`: the caller asks for a debug trace and gives this name to find it by. */
  readonly debugId: string | undefined
  /** A Map, since keys come from strangers (`__proto__`). */
  readonly baggage: ReadonlyMap<string, string> | undefined
  /**
   * What W3C `baggage` members carry behind their value (`;ttl=30;private`), by key, as it came and without the first
   * semicolon. To be handed on with the baggage: the draft forbids passing on parts of a member.
   */
  readonly baggageProperties?: ReadonlyMap<string, string> | undefined
}
