// What our tracer understands, and tells, beyond OpenTracing: tags that need not be copied, spans that nobody will see.

import type { Span, SpanOptions } from 'opentracing'

/**
 * `handedOver` tags are changed by nobody any more, and all their values are texts, numbers and booleans. So our tracer can
 * keep the object, and read it where that is cheap: span after span, at export. Other tracers know nothing of it.
 */
export interface StartOptions extends SpanOptions {
  handedOver?: boolean
}

/** The same for tags that are added. */
export interface Receiver extends Span {
  /** False: it is not sampled, and what it is told is heard by nobody. Other tracers do not say. */
  readonly isRecording?: boolean
  addTags(tags: Record<string, unknown>, handedOver?: boolean): this
}
