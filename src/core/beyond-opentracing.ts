// What our tracer understands, and tells, beyond OpenTracing: tags that need not be made, and spans that nobody will see.

import type { Span, SpanContext, SpanOptions } from 'opentracing'
import type { RequestFacts } from './facts.ts'

/** How a span starts. Other tracers know nothing of `facts`. */
export interface StartOptions extends SpanOptions {
  /** In the place of a request's tags; where a sampler may ask for tags they are there too, as `facts.tags`. */
  facts?: RequestFacts | undefined
}

/** What a caller's headers have told, or where a span of ours is. */
export interface Caller extends SpanContext {
  /**
   * Whether what starts from it is recorded, unless the tag `sampling.priority` is there: decided, and no sampler asked.
   * undefined: not decided. Other tracers do not say.
   */
  readonly isRecorded?: boolean | undefined
}

/** What a span of ours has besides. */
export interface Receiver extends Span {
  /** False: it is not sampled, and what it is told is heard by nobody. Other tracers do not say. */
  readonly isRecording?: boolean
  /** Completes facts that it was started with; false: it has made tags of them, or none were given. */
  completeFacts?(statusCode: number | undefined, route: string | undefined): boolean
}
