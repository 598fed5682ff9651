// One contract for every tracer: ours, jaeger-client, the recording one, and OpenTracing's own that does nothing.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import jaegerClient from 'jaeger-client'
import opentracing from 'opentracing'
import { recordingTracer } from '../../src/testing/index.ts'
import { neverSampler } from '../../src/tracer/index.ts'
import { CONTRACT, type TracerHost } from '../support/tracer-contract.ts'
import { newWorld } from '../support/tracer-world.ts'

const ours: TracerHost = {
  name: 'ours',
  make(sampling) {
    const { tracer, finished } = newWorld(sampling === 'never' ? { sampler: neverSampler() } : {})
    return {
      tracer,
      async seen() {
        await tracer.flush()
        return finished.map(span => ({
          name: span.operationName,
          traceId: span.traceId,
          spanId: span.spanId,
          parentId: span.parentId,
          tags: { ...span.tags },
          logs: span.logs.map(({ fields, timestamp }) => ({ fields: { ...fields }, timestamp })),
          startTime: span.startTime,
          duration: span.duration,
        }))
      },
    }
  },
  lacks: {},
}

// @types/jaeger-client knows the configuration alone.
const { Tracer, InMemoryReporter, ConstSampler } = jaegerClient as unknown as {
  Tracer: new (name: string, reporter: object, sampler: object, options: object) => opentracing.Tracer
  InMemoryReporter: new () => { readonly _spans: JaegerSpan[] }
  ConstSampler: new (decision: boolean) => object
}
interface JaegerSpan {
  _operationName: string
  _tags: Field[]
  _logs: { fields: Field[]; timestamp: number }[]
  _startTime: number
  _duration: number
  context(): opentracing.SpanContext & { readonly parentIdStr: string | null }
}
interface Field {
  key: string
  value: unknown
}
const toFields = (list: Field[]) => Object.fromEntries(list.map(({ key, value }) => [key, value]))

const NOT_DONE = 'it does nothing, and says so'
const DONE_BY_NOTHING = ['T-BAGGAGE-KEYS', 'T-UNSAMPLED', 'T-PRIORITY-ZERO']

const HOSTS: TracerHost[] = [
  ours,
  {
    name: 'jaeger-client',
    make(sampling) {
      const reporter = new InMemoryReporter()
      const tracer = new Tracer('orders', reporter, new ConstSampler(sampling !== 'never'), {})
      return {
        tracer,
        seen: async () =>
          reporter._spans.map(span => ({
            name: span._operationName,
            traceId: span.context().toTraceId(),
            spanId: span.context().toSpanId(),
            parentId: span.context().parentIdStr ?? undefined,
            tags: toFields(span._tags),
            logs: span._logs.map(({ fields, timestamp }) => ({ fields: toFields(fields), timestamp })),
            startTime: span._startTime,
            duration: span._duration,
          })),
      }
    },
    lacks: {
      'T-DURATION': 'a finish time before the start gives a negative duration',
      'T-CARRIER-binary': 'its binary codec writes nothing',
      'T-CHILD-REFERENCE': 'its spans are no opentracing.Span: childOf(span) is no context then',
      'T-CHILD-FIRST': 'its spans are no opentracing.Span: childOf(span) is no context then',
      'T-BAGGAGE-KEYS': 'it looks keys up in a plain object, and finds toString there',
      'T-FOREIGN': 'it asks contexts for methods that only its own have',
    },
  },
  {
    name: 'recording',
    make() {
      const tracer = recordingTracer()
      return {
        tracer,
        seen: async () =>
          tracer.finishedSpans.map(span => ({
            name: span.operationName,
            traceId: span.traceId,
            spanId: span.spanId,
            parentId: span.parentId,
            tags: { ...span.tags },
            logs: [...span.logs],
            startTime: span.startTime,
            duration: (span.finishTime ?? Number.NaN) - span.startTime,
          })),
      }
    },
    lacks: {
      'T-DURATION': 'it records the times that it is given, wrong ones too',
      'T-UNSAMPLED': 'it keeps everything, to be looked at',
      'T-PRIORITY-ZERO': 'it keeps everything, to be looked at',
    },
  },
  {
    name: 'noop',
    make: () => ({ tracer: new opentracing.Tracer(), seen: async () => [] }),
    lacks: Object.fromEntries(
      CONTRACT.filter(({ id }) => !DONE_BY_NOTHING.includes(id)).map(({ id }) => [id, NOT_DONE]),
    ),
  },
]

for (const host of HOSTS) {
  describe(`the tracer contract: ${host.name}`, () => {
    for (const { id, title, run } of CONTRACT) {
      const lack = host.lacks[id]
      it(lack === undefined ? `${id} ${title}` : `${id} is not fulfilled: ${lack}`, async () => {
        if (lack === undefined) await run(host)
        else await assert.rejects(async () => run(host), `${id} is fulfilled: take it out of lacks`)
      })
    }

    it('lacks nothing but rows of the contract', () => {
      const ids = CONTRACT.map(row => row.id)
      assert.deepEqual(
        Object.keys(host.lacks).filter(id => !ids.includes(id)),
        [],
      )
    })
  })
}

describe('the contract itself', () => {
  it('turns red for a tracer that loses parents', async () => {
    const broken: TracerHost = {
      ...ours,
      make(sampling) {
        const { tracer, seen } = ours.make(sampling)
        const startSpan = tracer.startSpan.bind(tracer)
        tracer.startSpan = name => startSpan(name)
        return { tracer, seen }
      },
    }
    const red: string[] = []
    for (const { id, run } of CONTRACT) {
      try {
        await run(broken)
      } catch {
        red.push(id)
      }
    }
    for (const id of ['T-CHILD-SPAN', 'T-CHILD-REFERENCE', 'T-FOLLOWS', 'T-TAGS', 'T-BAGGAGE', 'T-TIMES']) {
      assert.ok(red.includes(id), `${id} is green`)
    }
  })
})
