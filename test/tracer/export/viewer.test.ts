// What our tracer exports over OTLP, as tracing-viewer reads it.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { failureOf, startViewer, tagOf, type Viewer, type ViewerSpan } from 'tracing-viewer'
import { createTracer, otlpExporter } from '../../../src/tracer/index.ts'

let viewer: Viewer

before(async () => {
  viewer = await startViewer({
    ports: { otlp: 0, jaeger: false, jaegerCompact: false, jaegerBinary: false, zipkin: false, page: 0 },
  })
})

after(() => viewer.close())

function spanOf(service: string, operation: string): ViewerSpan {
  const spans = viewer.traces().flatMap(trace => trace.spans)
  const span = spans.find(candidate => candidate.service === service && candidate.operation === operation)
  return span ?? assert.fail(`no span '${operation}' of ${service}; ${JSON.stringify(viewer.stats())}`)
}

for (const [protocol, compression] of [
  ['protobuf', 'none'],
  ['protobuf', 'gzip'],
  ['json', 'none'],
] as const) {
  test(`OTLP ${protocol}, compression ${compression}`, async () => {
    const service = `ours-${protocol}-${compression}`
    const url = `http://127.0.0.1:${viewer.ports.otlp}/v1/traces`
    const tracer = createTracer({
      serviceName: service,
      exporter: otlpExporter({ url, protocol, compression }),
    })
    const parent = tracer.startSpan('GET /a', { tags: { 'span.kind': 'server' } })
    const child = tracer.startSpan('work', { childOf: parent })
    child.setTag('error', true).setTag('count', 3).setTag('ratio', 0.5).setTag('text', 'ünï')
    child.log({ event: 'error', 'error.kind': 'TypeError', message: 'no', stack: 'TypeError: no\n    at x' })
    child.finish()
    parent.setTag('aborted', 'before response').finish()
    await tracer.close()
    const [a, b] = [spanOf(service, 'GET /a'), spanOf(service, 'work')]
    assert.equal(a.traceId, parent.context().toTraceId())
    assert.equal(a.spanId, parent.context().toSpanId())
    assert.equal(b.parentId, a.spanId)
    assert.equal(a.kind, 'server')
    assert.deepEqual([a.aborted, b.aborted, a.error, b.error], [true, false, false, true])
    assert.equal(failureOf(b), 'TypeError: no')
    assert.equal(tagOf(b, 'count'), 3)
    assert.equal(tagOf(b, 'text'), 'ünï')
    assert.ok(Math.abs(a.start / 1000 - Date.now()) < 5000, String(a.start))
    assert.ok(a.duration >= b.duration && a.duration < 1_000_000)
  })
}
