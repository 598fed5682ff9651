// Times of spans: durations from the monotonic clock, dates from the wall clock, and the two joined once per trace.

import { now, timeOrigin } from '../core/timers.ts'

/** How long an anchor is trusted, and how far the wall clock may be from it, in milliseconds. */
const RECHECK_AFTER = 1000
const TOLERANCE = 10

// timeOrigin has microseconds, Date.now() only milliseconds: it is the better anchor while the wall clock is not set anew.
let anchor = timeOrigin
let checked = Number.NEGATIVE_INFINITY

/**
 * What to add to monotonic times to get milliseconds since the epoch. A trace keeps its anchor, so that its times stay in
 * order when the wall clock is set or the machine was asleep. The next trace is right again within a second.
 *
 * @param at the monotonic time now
 */
export function epochAnchor(at: number): number {
  if (at - checked > RECHECK_AFTER) {
    checked = at
    const drift = Date.now() - (anchor + at)
    if (Math.abs(drift) > TOLERANCE) anchor += drift
  }
  return anchor
}

/** Whether a time from user code can be written as 64 bits of nanoseconds. */
export function isTime(time: unknown): time is number {
  return typeof time === 'number' && time >= 0 && time < 9e12
}

export { now }
