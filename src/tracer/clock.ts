// Time: durations from the monotonic clock, dates from the wall clock, and the two brought together once per trace.

const { performance } = globalThis

/** Milliseconds of the monotonic clock, fractions included. */
export function now(): number {
  return performance.now()
}

/** How long an anchor is trusted, and how far the wall clock may be from it, in milliseconds. */
const RECHECK_AFTER = 1000
const TOLERANCE = 10

// timeOrigin has microseconds, Date.now() only milliseconds: it is the better anchor as long as nobody sets the clock.
let anchor = performance.timeOrigin
let checked = Number.NEGATIVE_INFINITY

/**
 * What to add to monotonic times to get milliseconds since the epoch. A trace asks once and keeps the answer, so that
 * its times stay in order when the clock is set or the machine was asleep; the next trace is right again within a
 * second.
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
