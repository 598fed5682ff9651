// OpenTracing in the code, OpenTelemetry behind it: the public door.

export type { SemanticConventions } from '../core/conventions/otel-attributes.ts'
export { contextOfSpan } from './active.ts'
export { type OpenTelemetryTracer, type OpenTelemetryTracerOptions, openTelemetryTracer } from './tracer.ts'
