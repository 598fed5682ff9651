// A tracer of which some methods misbehave; all others record.

import type { Span, Tracer } from 'opentracing'
import { type RecordingTracer, recordingTracer } from '../../src/testing/index.ts'

export const FAULTS = ['throws', 'gives null', 'rejects'] as const
export type Fault = (typeof FAULTS)[number]

const ofTracer = ['extract', 'startSpan', 'inject'] as const
const ofSpan = [
  'addTags',
  'context',
  'finish',
  'getBaggageItem',
  'log',
  'logEvent',
  'setBaggageItem',
  'setOperationName',
  'setTag',
  'tracer',
] as const
export type TracerMethod = (typeof ofTracer)[number] | (typeof ofSpan)[number]

export interface FaultyTracer extends RecordingTracer {
  /** How often the faulty methods were called. */
  readonly faults: number
}

export function faultyTracer(methods: readonly TracerMethod[], fault: Fault): FaultyTracer {
  const tracer = recordingTracer() as RecordingTracer & { faults: number }
  tracer.faults = 0
  const misbehave = () => {
    tracer.faults++
    if (fault === 'throws') throw new Error(`${methods[0]} is broken`)
    return fault === 'rejects' ? Promise.reject(new Error(`${methods[0]} is broken`)) : null
  }
  const spans = ofSpan.filter(method => methods.includes(method))
  const { startSpan } = tracer
  tracer.startSpan = function (this: Tracer, ...args): Span {
    const span = startSpan.apply(this, args)
    // On the prototype, where a tracer's methods are.
    const prototype = Object.create(Object.getPrototypeOf(span))
    for (const method of spans) prototype[method] = misbehave
    return Object.setPrototypeOf(span, prototype)
  }
  for (const method of ofTracer) if (methods.includes(method)) tracer[method] = misbehave as never
  return tracer
}
