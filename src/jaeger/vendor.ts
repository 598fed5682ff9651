// The parts of jaeger-client 3.19 that we touch. Its published types leave most of them out; the package is frozen, so
// the names with an underscore will stay what they are.

import jaegerClient from 'jaeger-client'
import type { Reference, Span, SpanContext, Tracer } from 'opentracing'

/** A plain object with text in it. jaeger-client hands one object on from parent to child until an item is set. */
export type VendorBaggage = Record<string, string>

export interface VendorContext extends SpanContext {
  /** 8 or 16 bytes; null for a context without a trace. */
  readonly traceId: Buffer | null
  readonly spanId: Buffer | null
  readonly parentId: Buffer | null
  /** Hex digits: as they came in, or without leading zeros when made here. */
  readonly traceIdStr: string | null
  readonly spanIdStr: string | null
  readonly parentIdStr: string | null
  readonly isValid: boolean
  /** Bit 0: sampled, bit 1: debug. */
  readonly flags: number
  readonly baggage: VendorBaggage
  readonly debugId: string
  isSampled(): boolean
  isDebug(): boolean
  finalizeSampling(): void
  _setSampled(sampled: boolean): void
  _setDebug(debug: boolean): void
  _setRemote(remote: boolean): void
  /** One object for all spans of a trace in this process. */
  readonly _samplingState: { extendedState(): Record<string, unknown>; _localRootSpanIdStr: string | null }
}

export interface VendorTag {
  readonly key: unknown
  readonly value: unknown
}

/** A finished span as a reporter sees it. */
export interface VendorSpan extends Span {
  context(): VendorContext
  readonly _operationName: unknown
  /** Milliseconds since the epoch. */
  readonly _startTime: number
  /** Milliseconds. */
  readonly _duration: number
  readonly _tags: readonly VendorTag[]
  readonly _logs: readonly { readonly timestamp: number; readonly fields: readonly VendorTag[] }[]
  readonly _references: readonly Reference[]
}

export interface VendorReporter {
  setProcess(serviceName: string, tags: readonly VendorTag[]): void
  report(span: VendorSpan): void
  close(done?: () => void): void
}

interface Decision {
  sample: boolean
  /** The decision may be taken anew when the span gets another name or tag. */
  retryable: boolean
  tags: Record<string, unknown> | null
}

export interface VendorSampler {
  readonly apiVersion: string
  name(): string
  toString(): string
  onCreateSpan(span: VendorSpan): Decision
  onSetOperationName(span: VendorSpan, name: string): Decision
  onSetTag(span: VendorSpan, key: string, value: unknown): Decision
  close(done?: () => void): void
}

export interface VendorLogger {
  info(message: string): void
  error(message: string): void
}

export interface VendorCodec {
  extract(carrier: unknown): VendorContext | null
  inject(context: VendorContext, carrier: unknown): void
}

export interface VendorTracer extends Tracer {
  close(done?: () => void): void
  registerExtractor(format: string, codec: Pick<VendorCodec, 'extract'>): void
  registerInjector(format: string, codec: Pick<VendorCodec, 'inject'>): void
}

interface Vendor {
  Tracer: new (
    serviceName: string,
    reporter: VendorReporter,
    sampler: VendorSampler,
    options: { tags: Record<string, unknown>; traceId128bit: boolean; logger: VendorLogger },
  ) => VendorTracer
  SpanContext: {
    new (
      traceId: null,
      spanId: null,
      parentId: null,
      traceIdStr: null,
      spanIdStr: null,
      parentIdStr: null,
      baggage: VendorBaggage,
      debugId: string,
    ): VendorContext
    withStringIds(
      traceId: string,
      spanId: string,
      parentId: string | null,
      flags: number,
      baggage: VendorBaggage,
      debugId: string,
    ): VendorContext
  }
  ConstSampler: new (decision: boolean) => VendorSampler
  ProbabilisticSampler: new (rate: number) => VendorSampler
  RateLimitingSampler: new (tracesPerSecond: number) => VendorSampler
  RemoteSampler: new (
    serviceName: string,
    options: { sampler: VendorSampler; refreshInterval: 0; logger: VendorLogger },
  ) => VendorSampler & { _handleSamplingServerResponse(body: string): void }
}

// The published types know the factory function alone, not the classes that the package exports beside it.
export const vendor: Vendor = jaegerClient as unknown as Vendor
