// Calls into a tracer: what it does meanwhile is never traced, and what goes wrong in it never reaches the app.

import { registry } from './scope.ts'
import { type Report, watch } from './settings/report.ts'

/** Whether the running code was called by us as part of a tracer, or on its behalf: then nothing of it is traced. */
export function isInsideTracer(): boolean {
  return registry.insideTracer > 0
}

/** Runs code that is not traced, such as an export of spans. Only its synchronous part counts. */
export function untraced<T>(run: () => T): T {
  registry.insideTracer++
  try {
    return run()
  } finally {
    registry.insideTracer--
  }
}

/**
 * Calls a tracer. A throw and a rejection are reported.
 *
 * @param place the method that is called, for the report
 * @returns undefined when the call failed, or gave a promise in the place of a value
 */
export function callTracer<T>(report: Report, place: string, call: () => T): T | undefined {
  registry.insideTracer++
  try {
    const result = call()
    return watch(result, place, report) ? undefined : result
  } catch (error) {
    report(place, error)
    return undefined
  } finally {
    registry.insideTracer--
  }
}

/** The optional hint that OpenTracing lacks: `false` says that nothing more is recorded. Most tracers do not have it. */
export interface RecordingHint {
  readonly isRecording?: boolean | undefined
}

/**
 * Whether the tracer of a span wants to hear more about it. A tracer that does not say wants to.
 *
 * OpenTelemetry's users know the name: https://opentelemetry.io/docs/specs/otel/trace/api/#isrecording
 */
export function isRecording(of: object | null | undefined): boolean {
  try {
    return (of as RecordingHint | null | undefined)?.isRecording !== false
  } catch {
    // A getter that throws is no hint.
    return true
  }
}
