// The tag `sampling.priority`: user code overrules the sampler.
// https://opentracing.io/specification/conventions/#span-tags-table

import type { Trace } from './context.ts'

/** Above 0 keeps the trace whatever the sampler said; 0 drops what is left of it. */
export function applyPriority(trace: Trace, priority: unknown): void {
  if (priority === 0 || priority === false) {
    trace.sampled = false
    trace.debug = false
  } else if (priority === true || (typeof priority === 'number' && priority > 0)) {
    trace.sampled = true
    trace.debug = true
  }
}
