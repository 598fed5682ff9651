// The port between the tracer and whatever takes its spans: what an exporter is given, and what it answers.

import type { SemanticConventions } from '../../core/conventions/otel-attributes.ts'
import type { TagValue } from '../../core/conventions/tag-value.ts'

/** A log of a span. */
export interface SpanLog {
  /** Milliseconds since the epoch. */
  readonly timestamp: number
  readonly fields: Readonly<Record<string, TagValue>>
}

/** A reference to another span than the parent, or to a parent that this span follows from. */
export interface SpanReference {
  readonly type: 'child_of' | 'follows_from'
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  readonly tracestate: string | undefined
}

/** A span that has ended. To be read only. */
export interface FinishedSpan {
  /** 32 lower-case hex digits. */
  readonly traceId: string
  /** 16 lower-case hex digits. */
  readonly spanId: string
  /** 16 lower-case hex digits; undefined for the root of a trace. */
  readonly parentId: string | undefined
  readonly operationName: string
  /** Milliseconds since the epoch, fractions included. */
  readonly startTime: number
  /** Milliseconds, fractions included; never negative. */
  readonly duration: number
  /** A copy, made at each reading. */
  readonly tags: Readonly<Record<string, TagValue>>
  readonly logs: readonly SpanLog[]
  readonly references: readonly SpanReference[]
  /** Tags and logs that were over the limits of the span. */
  readonly droppedTags: number
  readonly droppedLogs: number
  /** The members of other vendors in W3C `tracestate`. */
  readonly tracestate: string | undefined
  /** The flags of W3C Trace Context: bit 0 sampled, bit 1 random. */
  readonly traceFlags: number
  /** Whether the parent is a span of another process. */
  readonly isParentRemote: boolean
  /** Whether the trace is recorded whatever samplers say. */
  readonly debug: boolean
}

/** What describes the process: `service.name`, and whatever the user adds. */
export type Resource = Readonly<Record<string, TagValue>>

/** What an exporter is told before it gets its first spans. */
export interface ExporterContext {
  readonly resource: Resource
  /** The tracer's option; undefined: what the format's readers expect. */
  readonly semanticConventions: SemanticConventions | undefined
}

/** How long an export may go on. */
export interface ExportJob {
  /** Aborted when the tracer gives the batch up: stop, and reject. */
  readonly signal: AbortSignal
  /** Aborted when the process is about to end: no more waiting between attempts, this one is the last. */
  readonly hurry: AbortSignal
}

/** What became of a batch, where it is not simply sent. */
export interface ExportResult {
  /** How many of the spans the backend has refused. */
  rejected: number
  /** Why, in the backend's words. */
  message?: string
}

/** Nothing, in most cases. */
// biome-ignore lint/suspicious/noConfusingVoidType: an exporter may simply come to its end
export type ExportAnswer = ExportResult | undefined | void

/**
 * Takes finished spans somewhere. Unless it says otherwise, it gets one batch at a time: `export` is called again when it
 * has settled.
 *
 * @example
 * const exporter = { async export(spans) { for (const span of spans) console.log(span.operationName, span.duration) } }
 * const tracer = createTracer({ serviceName: 'orders', exporter })
 */
export interface Exporter {
  /** How long spans should wait for company, in milliseconds, where the user does not say. */
  readonly delay?: number
  /** How many batches it takes at a time, 1 to 100. More than one are sent while batches wait. @default 1 */
  readonly concurrency?: number
  /** Called once, before all else. */
  start?(context: ExporterContext): void
  /**
   * Sends a batch. A throw or rejection loses it, and is counted and reported; retries are the exporter's own.
   *
   * Whatever it does before its first `await` is never traced. Do not call a traced client after that.
   */
  export(spans: readonly FinishedSpan[], job: ExportJob): Promise<ExportAnswer> | ExportAnswer
  /** Lets go of sockets and timers. */
  close?(): Promise<void> | void
}
