// The `keep` rule: what it is told, what it saves, what it drops, and what it may cost.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import opentracing, { type Span, type SpanContext } from 'opentracing'
import { alwaysSampler, type KeepRule, type LocalTrace, neverSampler } from '../../src/tracer/index.ts'
import { newWorld } from '../support/tracer-world.ts'

const { FORMAT_HTTP_HEADERS } = opentracing
const caller = (flags: string) => ({
  traceparent: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`,
})

/** A request with one call below it, and what has become of both. */
async function kept(
  keep: KeepRule,
  make: (root: Span, child: Span) => void = () => {},
  sampler = alwaysSampler(),
): Promise<string[]> {
  const { tracer, spans } = newWorld({ keep, sampler })
  const root = tracer.startSpan('root')
  const child = tracer.startSpan('child', { childOf: root })
  make(root, child)
  child.finish()
  root.finish()
  await tracer.close()
  return spans.map(({ name }) => name)
}

describe('the keep rule', () => {
  it('is told of the whole local trace, once, when its root has ended', async () => {
    const told: LocalTrace[] = []
    const names: string[][] = []
    await kept(
      trace => {
        told.push(trace)
        names.push(trace.spans.map(({ operationName }) => operationName))
        return undefined
      },
      (root, child) => {
        root.addTags({ 'http.status_code': 503, 'http.route': '/users/:id', aborted: 'during response' })
        child.setTag('error', true)
      },
    )
    assert.equal(told.length, 1)
    const { root, ...rest } = told[0] as LocalTrace
    assert.equal(root.operationName, 'root')
    assert.deepEqual(names, [['child', 'root']])
    assert.ok(rest.duration >= 0 && rest.duration < 1000, `${rest.duration} ms`)
    assert.deepEqual(
      [rest.sampled, rest.error, rest.aborted, rest.statusCode, rest.route],
      [true, true, 'during response', 503, '/users/:id'],
    )
  })

  it('saves what the sampler did not want', async () => {
    const rule: KeepRule = ({ error }) => (error ? true : undefined)
    assert.deepEqual(await kept(rule, (_, child) => child.setTag('error', true), neverSampler()), [
      'child',
      'root',
    ])
    assert.deepEqual(await kept(rule, undefined, neverSampler()), [])
  })

  it('drops what the sampler wanted', async () => {
    const rule: KeepRule = ({ route }) => (route === '/health' ? false : undefined)
    assert.deepEqual(await kept(rule, root => root.setTag('http.route', '/health')), [])
    assert.deepEqual(await kept(rule, root => root.setTag('http.route', '/users')), ['child', 'root'])
  })

  it('leaves it to the sampler when it says nothing, or throws', async () => {
    const { tracer, spans, failures } = newWorld({
      keep: () => {
        throw new Error('bad rule')
      },
    })
    tracer.startSpan('root').finish()
    tracer.startSpan('root').finish()
    await tracer.close()
    assert.equal(spans.length, 2)
    assert.deepEqual(failures, [{ place: 'keep', message: 'bad rule' }])
  })

  it("decides about the caller's traces too: what is local of them", async () => {
    const { tracer, spans } = newWorld({
      keep: ({ root }) => root.operationName === 'wanted',
      sampler: neverSampler(),
    })
    for (const [name, flags] of [
      ['wanted', '00'],
      ['unwanted', '01'],
    ] as const) {
      const context = tracer.extract(FORMAT_HTTP_HEADERS, caller(flags)) as SpanContext
      tracer.startSpan(name, { childOf: context }).finish()
    }
    await tracer.close()
    assert.deepEqual(
      spans.map(({ name, traceId }) => [name, traceId]),
      [['wanted', '0af7651916cd43dd8448eb211c80319c']],
    )
  })

  it('holds for what ends after the root', async () => {
    for (const verdict of [true, false]) {
      const { tracer, spans } = newWorld({ keep: () => verdict, sampler: neverSampler() })
      const root = tracer.startSpan('root')
      const slow = tracer.startSpan('slow', { childOf: root })
      root.finish()
      slow.finish()
      tracer.startSpan('late', { childOf: root }).finish()
      await tracer.close()
      assert.deepEqual(
        spans.map(({ name }) => name),
        verdict ? ['root', 'slow', 'late'] : [],
      )
    }
  })

  it('does not change what is told to the services below', () => {
    const { tracer } = newWorld({ keep: () => true, sampler: neverSampler() })
    const headers: Record<string, string> = {}
    tracer.inject(tracer.startSpan('root'), FORMAT_HTTP_HEADERS, headers)
    assert.match(String(headers.traceparent), /-0[02]$/)
  })

  it('the account: what it drops of the sampled is counted, what it leaves of the others is not', async () => {
    const { tracer } = newWorld({ keep: () => false })
    for (let i = 0; i < 3; i++) tracer.startSpan('sampled').finish()
    tracer.startSpan('unsampled', { tags: { 'sampling.priority': 0 } }).finish()
    const open = tracer.startSpan('open')
    tracer.startSpan('below', { childOf: open }).finish()
    assert.equal(tracer.stats().waiting, 1)
    open.finish()
    const { finished, exported, dropped, waiting } = tracer.stats()
    assert.deepEqual([finished, exported, dropped.notKept, waiting], [5, 0, 5, 0])
    await tracer.close()
  })

  it('what waits is bounded: the oldest trace goes as the sampler said, and its root with it', async () => {
    let asked = 0
    const { tracer, spans } = newWorld({
      keep: () => {
        asked++
        return true
      },
      sampler: { sample: ({ operationName }) => operationName === 'sampled' },
      batch: { queueSpans: 100 },
    })
    const roots = ['sampled', 'unsampled', 'last'].map(name => tracer.startSpan(name))
    for (const root of roots) {
      for (let i = 0; i < 50; i++) tracer.startSpan('child', { childOf: root }).finish()
    }
    assert.ok(tracer.stats().waiting <= 100, `${tracer.stats().waiting} wait`)
    for (let i = 0; i < 60; i++) tracer.startSpan('child', { childOf: roots[2] as Span }).finish()
    await tracer.flush()
    assert.equal(spans.length, 50)
    for (const root of roots) root.finish()
    await tracer.flush()
    // The third trace was too large in itself, and went as its sampler said: not at all.
    assert.deepEqual(
      spans.slice(50).map(({ name }) => name),
      ['sampled'],
    )
    assert.equal(asked, 0)
    assert.equal(tracer.stats().waiting, 0)
    await tracer.close()
  })

  it('a trace whose root never ends goes with the process', async () => {
    const { tracer, spans } = newWorld({ keep: () => undefined })
    const root = tracer.startSpan('root')
    tracer.startSpan('child', { childOf: root }).finish()
    await tracer.close()
    assert.deepEqual(
      spans.map(({ name, attributes }) => [name, attributes.unfinished]),
      [
        ['child', undefined],
        ['root', true],
      ],
    )
  })
})
