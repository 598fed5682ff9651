// What our tracer understands, and tells, beyond OpenTracing: tags that need not be copied, spans that nobody will see.

import type { Span, SpanContext, SpanOptions } from 'opentracing'

/**
 * `handedOver` tags are changed by nobody any more, and all their values are texts, numbers and booleans. So our tracer can
 * keep the object, and read it where that is cheap: span after span, at export. Other tracers know nothing of it.
 */
export interface StartOptions extends SpanOptions {
  handedOver?: boolean
}

/** What a caller's headers have told. */
export interface Caller extends SpanContext {
  /** True: what starts from it is not recorded, and no sampler asked, unless the tag `sampling.priority` is there. */
  readonly isUnheard?: boolean
}

/** The same for tags that are added. */
export interface Receiver extends Span {
  /** False: it is not sampled, and what it is told is heard by nobody. Other tracers do not say. */
  readonly isRecording?: boolean
  addTags(tags: Record<string, unknown>, handedOver?: boolean): this
}
