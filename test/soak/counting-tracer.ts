// A tracer that forgets every span at its end, as one that exports does, and counts.

import opentracing, { type SpanOptions } from 'opentracing'

class CountedContext extends opentracing.SpanContext {
  override toTraceId(): string {
    return '1'
  }

  override toSpanId(): string {
    return '1'
  }
}

class CountedSpan extends opentracing.Span {
  readonly #owner: CountingTracer
  readonly #spanContext = new CountedContext()
  readonly tags: Record<string, unknown>
  readonly logs: object[] = []
  isFinished = false

  constructor(owner: CountingTracer, tags: Record<string, unknown> | undefined) {
    super()
    this.#owner = owner
    this.tags = { ...tags }
  }

  protected override _context(): opentracing.SpanContext {
    return this.#spanContext
  }

  protected override _tracer(): opentracing.Tracer {
    return this.#owner
  }

  protected override _addTags(tags: Record<string, unknown>): void {
    Object.assign(this.tags, tags)
  }

  protected override _log(fields: Record<string, unknown>): void {
    this.logs.push(fields)
  }

  protected override _finish(): void {
    if (this.isFinished) this.#owner.finishedTwice++
    else this.#owner.finished++
    this.isFinished = true
  }
}

export class CountingTracer extends opentracing.Tracer {
  started = 0
  finished = 0
  finishedTwice = 0
  /** Keeps every span, to see that a leak is found. */
  readonly kept: CountedSpan[] | undefined

  constructor(leaks: boolean) {
    super()
    this.kept = leaks ? [] : undefined
  }

  get open(): number {
    return this.started - this.finished
  }

  protected override _startSpan(_name: string, { tags }: SpanOptions): CountedSpan {
    this.started++
    const span = new CountedSpan(this, tags)
    this.kept?.push(span)
    return span
  }

  protected override _inject(): void {}

  protected override _extract(): opentracing.SpanContext | null {
    return null
  }
}
