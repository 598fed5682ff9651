// Writes traces as OTLP JSON and sends them.

import { createHash } from 'node:crypto'

export interface SampleSpan {
  /** A name within the trace, for the `parent` of others. */
  id: string
  parent?: string
  service: string
  name: string
  kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  /** Milliseconds after the trace's start. */
  at: number
  ms: number
  tags?: Record<string, string | number | boolean>
  error?: string
  events?: { at: number; name: string; fields: Record<string, string> }[]
}

const KINDS = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 }

/** An id that is always the same for a name. */
export function idOf(name: string, digits: 16 | 32): string {
  return createHash('sha256').update(name).digest('hex').slice(0, digits)
}

/** One trace as an OTLP request; `start` in milliseconds since the epoch. */
export function toOtlp(traceName: string, start: number, spans: readonly SampleSpan[]): unknown {
  const services = [...new Set(spans.map(span => span.service))]
  return {
    resourceSpans: services.map(service => ({
      resource: {
        attributes: toAttributes({
          'service.name': service,
          'service.version': '1.4.0',
          'host.name': `${service}-1`,
          'process.pid': 4711,
        }),
      },
      scopeSpans: [
        {
          scope: { name: 'tracing-middleware' },
          spans: spans.filter(span => span.service === service).map(span => toSpan(traceName, start, span)),
        },
      ],
    })),
  }
}

function toSpan(traceName: string, start: number, span: SampleSpan) {
  return {
    traceId: idOf(traceName, 32),
    spanId: idOf(`${traceName} ${span.id}`, 16),
    parentSpanId: span.parent === undefined ? '' : idOf(`${traceName} ${span.parent}`, 16),
    name: span.name,
    kind: KINDS[span.kind ?? 'internal'],
    startTimeUnixNano: toNanoseconds(start + span.at),
    endTimeUnixNano: toNanoseconds(start + span.at + span.ms),
    attributes: toAttributes(span.tags ?? {}),
    events: (span.events ?? []).map(event => ({
      timeUnixNano: toNanoseconds(start + event.at),
      name: event.name,
      attributes: toAttributes(event.fields),
    })),
    status: span.error === undefined ? {} : { code: 2, message: span.error },
  }
}

function toNanoseconds(milliseconds: number): string {
  return `${Math.round(milliseconds * 1000)}000`
}

function toAttributes(tags: Record<string, string | number | boolean>) {
  return Object.entries(tags).map(([key, value]) => ({
    key,
    value:
      typeof value === 'string'
        ? { stringValue: value }
        : typeof value === 'boolean'
          ? { boolValue: value }
          : Number.isInteger(value)
            ? { intValue: String(value) }
            : { doubleValue: value },
  }))
}

/** Sends a request of OTLP JSON to a viewer. */
export async function sendOtlp(port: number, request: unknown): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
  if (!response.ok) throw new Error(`the viewer answered ${response.status}: ${await response.text()}`)
}
