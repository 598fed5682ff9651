// Our own tracer: an OpenTracing tracer whose cost nobody notices. The public door.

export type { SemanticConventions } from './attributes.ts'
export type { BatchLimits, DroppedSpans } from './batch.ts'
export { type ConsoleOptions, consoleExporter } from './console.ts'
export type {
  ExportAnswer,
  Exporter,
  ExporterContext,
  ExportJob,
  ExportResult,
  FinishedSpan,
  Resource,
  SpanLog,
  SpanReference,
} from './exporter.ts'
export type { TlsOptions } from './http-connection.ts'
export { initTracer, type JaegerConfig, type JaegerConfigOptions } from './jaeger.ts'
export type { JaegerSampler } from './jaeger-settings.ts'
export type { KeepRule, LocalTrace } from './keep.ts'
export type { TracerOptions } from './options.ts'
export { type OtlpOptions, otlpExporter } from './otlp.ts'
export { type RemoteSamplerOptions, remoteSampler } from './remote-sampler.ts'
export { rulesSampler, type SamplingRule } from './rules.ts'
export {
  alwaysSampler,
  neverSampler,
  rateLimitSampler,
  ratioSampler,
  type Sampler,
  type SampleState,
} from './sampler.ts'
export type { SpanLimits } from './span.ts'
export { createTracer, type LeanTracer, type TracerStats } from './tracer.ts'
export type { TagValue } from './value.ts'
export { type ZipkinOptions, zipkinExporter } from './zipkin.ts'
