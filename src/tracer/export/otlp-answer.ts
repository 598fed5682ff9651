// A backend's answer to OTLP spans that it took: how many of them it has refused, and why.
// https://opentelemetry.io/docs/specs/otlp/#partial-success-1

import type { Answer } from './delivery.ts'
import type { ExportResult } from './exporter.ts'
import { fieldsOf } from './protobuf-reader.ts'

/** @returns undefined when all spans were taken */
export function readOtlpAnswer({ contentType, body }: Answer): ExportResult | undefined {
  if (body.length === 0) return undefined
  try {
    const result = readAnswer(contentType, body)
    return result.rejected > 0 || result.message !== '' ? result : undefined
  } catch {
    return {
      rejected: 0,
      message: 'it took the spans, but its answer is not OTLP: is the URL that of a collector?',
    }
  }
}

function readAnswer(contentType: string, body: Buffer): Required<ExportResult> {
  if (contentType.includes('json')) return readJson(body)
  if (contentType.includes('protobuf')) return readProtobuf(body)
  throw new TypeError('neither of the two encodings')
}

function readJson(body: Buffer): Required<ExportResult> {
  const { partialSuccess } = JSON.parse(body.toString() || '{}') as {
    partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown } | null
  }
  return {
    rejected: Number(partialSuccess?.rejectedSpans ?? 0),
    message: String(partialSuccess?.errorMessage ?? ''),
  }
}

/** ExportTraceServiceResponse { partial_success = 1 { rejected_spans = 1, error_message = 2 } } */
function readProtobuf(body: Buffer): Required<ExportResult> {
  const result = { rejected: 0, message: '' }
  for (const [field, value] of fieldsOf(body)) {
    if (field !== 1 || !Buffer.isBuffer(value)) continue
    for (const [inner, found] of fieldsOf(value)) {
      if (inner === 1 && typeof found === 'number') result.rejected = found
      if (inner === 2 && Buffer.isBuffer(found)) result.message = found.toString()
    }
  }
  return result
}
