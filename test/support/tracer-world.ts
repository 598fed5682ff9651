// A tracer whose spans are encoded as for the wire, decoded by the official definitions, and looked at.

import assert from 'node:assert/strict'
import { OtlpProtobuf } from '../../src/tracer/export/otlp-protobuf.ts'
import {
  createTracer,
  type Exporter,
  type FinishedSpan,
  type LeanTracer,
  type OtlpOptions,
  otlpExporter,
  type TracerOptions,
} from '../../src/tracer/index.ts'
import { type Collector, type DecodedSpan, decodeProtobuf, startCollector } from './otlp-collector.ts'

/** A tracer, what it has exported, and what it has reported. */
export interface World {
  readonly tracer: LeanTracer
  readonly spans: DecodedSpan[]
  /** The same as exporters see them. */
  readonly finished: FinishedSpan[]
  readonly failures: { place: string; message: string }[]
}

export function newWorld(options: TracerOptions = {}): World {
  const spans: DecodedSpan[] = []
  const finished: FinishedSpan[] = []
  const failures: World['failures'] = []
  let encoder: OtlpProtobuf | undefined
  const exporter: Exporter = {
    start({ resource, semanticConventions = 'opentelemetry' }) {
      encoder = new OtlpProtobuf(resource, semanticConventions)
    },
    export(batch) {
      finished.push(...batch)
      const { body, leftOut } = (encoder as OtlpProtobuf).encode(batch)
      spans.push(...decodeProtobuf(body).spans)
      return leftOut
    },
  }
  const tracer = createTracer({
    serviceName: 'orders',
    exporter,
    onError: (error, place) => failures.push({ place, message: (error as Error).message }),
    ...options,
  })
  return { tracer, spans, finished, failures }
}

/** Makes spans with a tracer that sends OTLP to a collector of its own, and gives what has arrived there. */
export async function arrivalsFrom(
  make: (tracer: LeanTracer) => void,
  options: TracerOptions = {},
  otlp: OtlpOptions = {},
): Promise<Collector['arrived']> {
  const collector = await startCollector()
  const exporter = otlpExporter({ url: collector.url, ...otlp })
  const failures: unknown[] = []
  const tracer = createTracer({
    serviceName: 'orders',
    exporter,
    onError: error => failures.push(error),
    ...options,
  })
  make(tracer)
  await tracer.close()
  await collector.close()
  assert.deepEqual(failures, [])
  return collector.arrived
}

/** A tracer, and how many spans each of its batches had. */
export function countedBatches(batch: NonNullable<TracerOptions['batch']>): {
  tracer: LeanTracer
  sizes: number[]
} {
  const sizes: number[] = []
  const exporter: Exporter = {
    export(spans) {
      sizes.push(spans.length)
    },
  }
  return { tracer: createTracer({ serviceName: 'orders', exporter, batch }), sizes }
}

/** The one span that `make` makes, decoded. */
export async function exported(
  make: (tracer: LeanTracer) => void,
  options: TracerOptions = {},
): Promise<DecodedSpan> {
  const world = newWorld(options)
  make(world.tracer)
  await world.tracer.close()
  assert.deepEqual(world.failures, [])
  assert.equal(world.spans.length, 1)
  return world.spans[0] as DecodedSpan
}
