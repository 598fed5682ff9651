// What goes wrong on our side (a tracer that throws, a callback of the user's) is told once per place and never
// reaches the request.

import { cleanText, MAX_VALUE_LENGTH, redactBeginning } from '../text/redact.ts'
import { isSecret } from '../text/secret-keys.ts'

/** Where a failure happened: the tracer's method or the option whose function failed. */
export type TroublePlace = string

/** Hears about a failure of the tracer or of one of your callbacks; the request goes on untouched. */
export type OnError = (error: unknown, place: TroublePlace) => void

/** Tells a failure, the first time that its place fails. */
export type Report = (place: TroublePlace, error: unknown) => void

/**
 * Makes a reporter that tells each place's first failure and counts on silence after that.
 *
 * @param onError where to tell it; default: one `process.emitWarning` of the type `TracingWarning`
 */
export function createReport(onError: OnError | undefined): Report {
  const told = new Set<TroublePlace>()
  return (place, error) => {
    if (told.has(place)) return
    told.add(place)
    try {
      if (onError !== undefined) watch(onError(error, place), 'onError', tellSecond)
      else warn(`${place}: ${messageOf(error)} (told once)`)
    } catch (second) {
      tellSecond('onError', second)
    }
  }
}

function tellSecond(place: TroublePlace, error: unknown): void {
  warn(`${place}: ${messageOf(error)}`)
}

function warn(text: string): void {
  process.emitWarning(text, { type: 'TracingWarning', code: 'TRACING_MIDDLEWARE' })
}

/** The message of whatever was thrown, fit for a log, also when reading it throws. */
export function messageOf(error: unknown): string {
  try {
    const message = String(error instanceof Error ? error.message : error)
    return cleanText(redactBeginning(message, MAX_VALUE_LENGTH, isSecret))
  } catch {
    return 'an error that cannot be read'
  }
}

/**
 * A rejection of what a tracer or a callback returned is told like a throw, so that it is never unhandled.
 *
 * @returns whether it was a promise: where a value was wanted, there is none then
 */
export function watch(result: unknown, place: TroublePlace, report: Report): boolean {
  if (typeof result !== 'object' || result === null) return false
  const { then } = result as { then?: unknown }
  if (typeof then !== 'function') return false
  then.call(result, undefined, (error: unknown) => report(place, error))
  return true
}

/** Calls a function of the user's. A throw and a rejection are reported, and count as undefined. */
export function callUser<State, Answer>(
  report: Report,
  place: TroublePlace,
  fn: ((state: State) => Answer) | undefined,
  state: State,
): Answer | undefined {
  if (fn === undefined) return undefined
  try {
    const answer = fn(state)
    watch(answer, place, report)
    return answer
  } catch (error) {
    report(place, error)
    return undefined
  }
}
