// Every row of the behaviour table on every host, on real sockets; then hosts that are broken on purpose, which must
// turn rows red.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { activeSpan } from '../src/core/index.ts'
import { recordingTracer } from '../src/testing/index.ts'
import { type Row, rows } from './behaviours.ts'
import { eventually } from './client.ts'
import { hosts } from './hosts/index.ts'
import type { Host } from './hosts/sample.ts'

async function run(row: Row, host: Host): Promise<void> {
  const tracer = recordingTracer()
  const app = typeof row.app === 'function' ? row.app(host) : row.app
  const options = typeof row.options === 'function' ? row.options(host) : row.options
  const troubles: unknown[] = []
  const onError = (error: unknown) => troubles.push(error)
  const running = await host.start(app, { tracer, onError, ...options } as never)
  try {
    const got = await row.request(running.port, host)
    const wanted = row.spans ?? 1
    const spans = () => tracer.spans.filter(span => span.tags['span.kind'] === 'server')
    await eventually(
      () => spans().length >= wanted && tracer.spans.every(span => span.finishCount > 0),
      `${wanted} finished spans (there are ${spans().length}, ${tracer.finishedSpans.length} finished)`,
    )
    assert.equal(spans().length, wanted, 'number of server spans')
    const [span] = spans()
    if (span !== undefined || wanted === 0) {
      await row.expect(
        { spans: spans(), span: span as never, all: tracer.spans, host, port: running.port, tracer },
        got,
      )
    }
    assert.deepEqual(troubles, [], 'nothing was reported')
  } finally {
    await running.close()
  }
  assert.equal(activeSpan(), undefined, 'no span is left active')
  for (const span of tracer.spans)
    assert.equal(span.finishCount, 1, `${span.operationName} was finished once`)
}

for (const host of hosts) {
  describe(host.name, () => {
    for (const id of Object.keys(host.lacks)) {
      test(`lacks ${id}: the row exists, and does not pass`, async () => {
        const row = rows.find(candidate => candidate.id === id)
        assert.ok(row, `${host.name} lacks ${id}, which is no row`)
        assert.ok(host.lacks[id], `${host.name} lacks ${id} without a reason`)
        await assert.rejects(run(row, host), `${host.name} has ${id} after all`)
      })
    }
    for (const row of rows) {
      if (!(row.id in host.lacks)) test(`${row.id}: ${row.title}`, () => run(row, host))
    }
  })
}

test('ids of rows are unique', () => {
  const ids = rows.map(row => row.id)
  assert.deepEqual([...new Set(ids)], ids)
})
