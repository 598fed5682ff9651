// Node's own timers and clock, taken when this file is loaded: test runners replace the global ones with fakes, and
// browser-like environments have others without `unref`.

import { performance } from 'node:perf_hooks'
import timers from 'node:timers'

export const setTimeout: typeof timers.setTimeout = timers.setTimeout
export const clearTimeout: typeof timers.clearTimeout = timers.clearTimeout
export const setImmediate: typeof timers.setImmediate = timers.setImmediate

/** Milliseconds of the monotonic clock, fractions included. */
export const now: () => number = performance.now.bind(performance)

/** When the monotonic clock was zero: milliseconds since the epoch. */
export const timeOrigin: number = performance.timeOrigin
