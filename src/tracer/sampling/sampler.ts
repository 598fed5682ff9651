// Which traces are recorded. A sampler is asked once per trace and process, when its first span here starts.

import type { Check } from '../../core/settings/check-options.ts'
import { isObject } from '../../core/settings/option-kinds.ts'
import type { Trace } from '../context.ts'

/** The span that a trace begins with here, as its sampler sees it. */
export interface SampleState {
  /** Its name at the start: `GET` with Express and Koa, which find the route later, `GET /users/:id` with Fastify. */
  readonly operationName: string
  /** Its tags at the start: `http.method`, `http.url`, `span.kind`, the middleware's `tags`, ... */
  readonly tags: Readonly<Record<string, unknown>>
  /** 32 hex digits. */
  readonly traceId: string
  /** 0 to 1, taken from the trace id: the same in every service that the trace passes. */
  readonly randomness: number
}

/** A new trace as a sampler sees it: its id is made text only for one that asks. */
export class Candidate implements SampleState {
  readonly operationName: string
  readonly tags: Readonly<Record<string, unknown>>
  readonly #trace: Trace

  constructor(trace: Trace, operationName: string, tags: Readonly<Record<string, unknown>>) {
    this.#trace = trace
    this.operationName = operationName
    this.tags = tags
  }

  get traceId(): string {
    return this.#trace.traceId
  }

  get randomness(): number {
    return this.#trace.randomness
  }
}

/** Decides about a trace. */
export interface Sampler {
  /** True: record it. A throw, or any answer but true and false, is reported, and the trace is not recorded. */
  sample(state: SampleState): boolean
  /** Told once, before all else; `onError` hears what goes wrong later. */
  start?(serviceName: string, onError: (error: unknown) => void): void
  /** Lets go of timers and sockets. */
  close?(): void
}

export const aSampler: Check = [
  value => isObject(value) && typeof value.sample === 'function',
  'a sampler, such as ratioSampler(0.1)',
]

/** Records every trace. */
export function alwaysSampler(): Sampler {
  return { sample: () => true }
}

/** Records no trace but those that a caller, a debug header or `sampling.priority` asks for. */
export function neverSampler(): Sampler {
  return { sample: () => false }
}

/**
 * Records a share of all traces. The trace id decides, so that every service with the same ratio decides alike, and one
 * with a higher ratio records all that one with a lower ratio does.
 *
 * @param ratio 0 to 1
 * @throws TypeError for anything else
 * @see https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/ the same rule on the same 56 bits
 * @example
 * createTracer({ serviceName: 'orders', sampler: ratioSampler(0.1) })
 */
export function ratioSampler(ratio: number): Sampler {
  if (typeof ratio !== 'number' || !(ratio >= 0 && ratio <= 1)) {
    throw new TypeError(`ratioSampler takes a number from 0 to 1, such as 0.1, not ${String(ratio)}`)
  }
  const threshold = 1 - ratio
  return { sample: ({ randomness }) => randomness >= threshold }
}

/**
 * Records so many traces a second, the first that come; unused ones are saved up for one second (at least one trace).
 *
 * @param tracesPerSecond above 0, fractions allowed: 0.1 is one in ten seconds
 * @throws TypeError for anything else
 */
export function rateLimitSampler(tracesPerSecond: number): Sampler {
  if (typeof tracesPerSecond !== 'number' || !(tracesPerSecond > 0 && tracesPerSecond < 1e9)) {
    throw new TypeError(
      `rateLimitSampler takes a number of traces per second above 0, such as 10, not ${String(tracesPerSecond)}`,
    )
  }
  return { sample: createRateLimit(tracesPerSecond) }
}

/** A bucket that fills at the given rate; each yes takes one out. */
export function createRateLimit(perSecond: number): () => boolean {
  const capacity = Math.max(1, perSecond)
  let level = capacity
  let filled = performance.now()
  return () => {
    const now = performance.now()
    level = Math.min(capacity, level + ((now - filled) * perSecond) / 1000)
    filled = now
    if (level < 1) return false
    level--
    return true
  }
}
