// What our tracer understands, and tells, beyond OpenTracing: tags that need not be copied, or not even be made, and spans
// that nobody will see.

import type { Span, SpanContext, SpanOptions } from 'opentracing'
import type { RequestFacts } from './facts.ts'

/**
 * `handedOver` tags are changed by nobody any more, and all their values are texts, numbers and booleans. So our tracer can
 * keep the object, and read it where that is cheap: span after span, at export. Other tracers know nothing of it.
 */
export interface StartOptions extends SpanOptions {
  handedOver?: boolean
  /** In the place of a request's tags, where no sampler will ask for them. */
  facts?: RequestFacts
}

/** What a caller's headers have told. */
export interface Caller extends SpanContext {
  /**
   * Whether what starts from it is recorded, unless the tag `sampling.priority` is there: decided, and no sampler asked.
   * undefined: not decided. Other tracers do not say.
   */
  readonly isRecorded?: boolean | undefined
}

/** The same for tags that are added. */
export interface Receiver extends Span {
  /** False: it is not sampled, and what it is told is heard by nobody. Other tracers do not say. */
  readonly isRecording?: boolean
  addTags(tags: Record<string, unknown>, handedOver?: boolean): this
  /** Completes facts that it was started with; false: it has made tags of them, or none were given. */
  completeFacts?(statusCode: number | undefined, route: string | undefined): boolean
}
