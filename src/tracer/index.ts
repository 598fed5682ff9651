// Our own tracer: an OpenTracing tracer whose cost nobody notices. The public door.

export type { SemanticConventions } from '../core/conventions/otel-attributes.ts'
export type { TagValue } from '../core/conventions/tag-value.ts'
export type { JaegerSampler } from './environment/jaeger-words.ts'
export { type ConsoleOptions, consoleExporter } from './export/console.ts'
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
} from './export/exporter.ts'
export type { TlsOptions } from './export/http-connection.ts'
export { type OtlpOptions, otlpExporter } from './export/otlp.ts'
export { type ZipkinOptions, zipkinExporter } from './export/zipkin.ts'
export type { BatchLimits, DroppedSpans } from './export-queue.ts'
export { initTracer, type JaegerConfig, type JaegerConfigOptions } from './jaeger-config.ts'
export type { KeepRule, LocalTrace } from './keep.ts'
export type { TracerOptions } from './options.ts'
export { type RemoteSamplerOptions, remoteSampler } from './sampling/remote-sampler.ts'
export { rulesSampler, type SamplingRule } from './sampling/rules.ts'
export {
  alwaysSampler,
  neverSampler,
  rateLimitSampler,
  ratioSampler,
  type Sampler,
  type SampleState,
} from './sampling/sampler.ts'
export type { SpanLimits } from './span.ts'
export { createTracer, type LeanTracer, type TracerStats } from './tracer.ts'
