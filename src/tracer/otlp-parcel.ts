// Spans for one request of OTLP in protocol buffers. Those of requests are written when they end, and nothing else of them
// is kept; all others when they are sent: they take more code, which the processor has at hand for one span after the other,
// but not for one between two requests.

import type { ExportAnswer, ExportJob } from './exporter.ts'
import type { OtlpProtobuf } from './otlp-protobuf.ts'
import type { Parcel } from './parcel.ts'
import type { Page } from './protobuf.ts'
import type { LeanSpan } from './span.ts'

type Send = (body: Uint8Array, job: ExportJob) => Promise<ExportAnswer>

export class OtlpParcel implements Parcel {
  size = 0
  bytes = 0
  readonly #encoder: OtlpProtobuf
  readonly #page: Page
  readonly #waiting: LeanSpan[] = []
  readonly #send: Send

  constructor(encoder: OtlpProtobuf, send: Send) {
    this.#encoder = encoder
    this.#page = encoder.begin()
    this.#send = send
  }

  add(span: LeanSpan): void {
    if (!this.#encoder.write(span, this.#page)) this.#waiting.push(span)
  }

  async send(job: ExportJob): Promise<ExportAnswer> {
    const answer = await this.#send(this.#encoder.seal(this.#page, this.#waiting), job)
    // Not after a failure: the attempt may not have let go of the bytes yet.
    this.#encoder.reuse(this.#page)
    return answer
  }
}
