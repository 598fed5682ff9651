// One row on one host: the sample app is started, the request made, the spans awaited and looked at.

import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { activeSpan } from '../../src/core/scope.ts'
import { recordingTracer } from '../../src/testing/index.ts'
import type { Host, SampleApp } from '../hosts/sample.ts'
import { eventually } from '../support/client.ts'
import type { Row } from './row.ts'

/**
 * Rejects when the host does not keep the row's promise.
 *
 * @param patience how long spans may take to end after the request, in ms
 */
export async function runRow(row: Row, host: Host, patience = 2000): Promise<void> {
  const traced = await runTraced(row, host, patience)
  if (row.unchanged) {
    const plain = await runPlain(row, host)
    assert.deepEqual(traced, plain, 'the client sees what it sees without tracing')
  }
}

export function wantedSpans(row: Row, host: Host): number {
  return typeof row.spans === 'function' ? row.spans(host) : (row.spans ?? 1)
}

async function runTraced(row: Row, host: Host, patience: number): Promise<unknown> {
  const tracer = recordingTracer()
  const own = typeof row.options === 'function' ? row.options(host) : row.options
  const troubles: { place: string; error: unknown }[] = []
  const onError = (error: unknown, place: string) => troubles.push({ place, error })
  const options = { tracer, onError, ...own }
  const running = await host.start(appOf(row, host), options as never)
  const { port, server } = running
  let got: unknown
  try {
    got = await row.request(port, host, { server, tracer, patience })
    const wanted = wantedSpans(row, host)
    const spans = () => tracer.spans.filter(span => span.tags['span.kind'] === 'server')
    await eventually(
      () => spans().length >= wanted && tracer.spans.every(span => span.finishCount > 0),
      `${wanted} finished spans (there are ${spans().length}, ${tracer.finishedSpans.length} finished)`,
      patience,
    )
    assert.equal(spans().length, wanted, 'number of server spans')
    const [span] = spans()
    const seen = { spans: spans(), span: span as never, all: tracer.spans, host, port, tracer, options }
    await row.expect?.(seen, got)
    const places = troubles.map(({ place }) => place)
    assert.deepEqual(places, row.reports ?? [], `reported: ${inspect(troubles)}`)
  } finally {
    await running.close()
  }
  assert.equal(activeSpan(), undefined, 'no span is left active')
  for (const span of tracer.spans)
    assert.equal(span.finishCount, 1, `${span.operationName} was finished once`)
  return row.unchanged && comparable(got, port)
}

async function runPlain(row: Row, host: Host): Promise<unknown> {
  const running = await host.start({ ...appOf(row, host), tracing: 'none' }, {})
  try {
    const scene = { server: running.server, tracer: recordingTracer(), patience: 0 }
    const got = await row.request(running.port, host, scene)
    return comparable(got, running.port)
  } finally {
    await running.close()
  }
}

function appOf(row: Row, host: Host): SampleApp {
  return typeof row.app === 'function' ? row.app(host) : row.app
}

/**
 * An answer without what differs between any two answers: the time, and the port of the server. Nor does Express's
 * error page in development count, which shows the stack with the frames of every middleware.
 */
function comparable(got: unknown, port: number): unknown {
  if (typeof got === 'string') {
    const text = got.replace(/^(date: )[^\r]*/gim, '$1now').replaceAll(`:${port}`, ':port')
    const page = text.replace(/(<br> &nbsp; &nbsp;at [^<]*)+/g, '')
    return page === text ? text : page.replace(/^(content-length: )\d+/gim, '$1of the page')
  }
  if (Array.isArray(got)) return got.map(item => comparable(item, port))
  if (typeof got !== 'object' || got === null) return got
  const { date, ...rest } = got as Record<string, unknown>
  const fields = Object.entries(rest).map(([key, value]) => [
    key,
    key === 'rawHeaders' ? withoutDate(value as string[]) : comparable(value, port),
  ])
  return Object.fromEntries(fields)
}

function withoutDate(rawHeaders: string[]): string[] {
  return rawHeaders.map((value, i) => (rawHeaders[i - 1]?.toLowerCase() === 'date' ? 'now' : value))
}
