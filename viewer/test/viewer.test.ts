// startViewer(): its options, ports that are in use, and listeners.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { startViewer } from '../src/index.ts'
import { sendOtlp, toOtlp } from './support/otlp.ts'
import { post } from './support/post.ts'
import { browse } from './support/shop.ts'
import { FREE_PORTS } from './support/viewer.ts'

test('a port in use: its receiver is off and named, the others work, the page moves', async () => {
  const [taken, takenPage] = [createServer(), createServer()]
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  await new Promise<void>(resolve => takenPage.listen(0, '127.0.0.1', resolve))
  const [port, pagePort] = [taken, takenPage].map(server => (server.address() as AddressInfo).port)
  const second = await startViewer({
    ports: { ...FREE_PORTS, otlp: port as number, page: pagePort as number },
  })
  try {
    assert.equal(second.ports.otlp, undefined)
    assert.notEqual(second.ports.page, pagePort)
    assert.deepEqual(second.problems, [
      `OTLP over HTTP is not received: port ${port} is in use by another program`,
      `the page is on port ${second.ports.page}: port ${pagePort} is in use by another program`,
    ])
    const { status } = await post(
      second.ports.zipkin,
      '/api/v2/spans',
      'application/json',
      '[{"traceId":"1","id":"1","timestamp":5}]',
    )
    assert.equal(status, 202)
    assert.equal((await fetch(`${second.url}/api/services`)).status, 200)
    const otlpOnly = {
      otlp: port as number,
      jaeger: false,
      jaegerCompact: false,
      jaegerBinary: false,
      zipkin: false,
    } as const
    await assert.rejects(
      startViewer({ ports: { ...otlpOnly, page: 0 } }),
      /cannot receive spans:\n {2}OTLP over HTTP is not received: port \d+ is in use/,
    )
  } finally {
    await second.close()
    await second.close()
    taken.close()
    takenPage.close()
  }
})

test('an invalid option is a TypeError with the fix', async () => {
  for (const [options, reason] of [
    [{ hots: '::1' }, /unknown option 'hots'; the options are host, ports, limits/],
    [{ Ports: {} }, /unknown option 'Ports'; did you mean 'ports'\?/],
    [{ ports: { oltp: 1 } }, /unknown option 'ports.oltp'/],
    [{ ports: { otlp: '4318' } }, /ports.otlp must be a port from 0 to 65535, or false, not "4318"/],
    [{ ports: { page: false } }, /ports.page must be a port from 0 to 65535, not false/],
    [{ ports: { zipkin: 70_000 } }, /ports.zipkin must be/],
    [{ limits: { spans: 0 } }, /limits.spans must be a whole number of 1 or more, not 0/],
    [{ host: '' }, /host must be an address/],
    ['4318', /the argument must be an object/],
    [{ ports: [] }, /ports must be an object/],
  ] as const) {
    await assert.rejects(
      startViewer(options as never),
      (error: Error) => error instanceof TypeError && reason.test(error.message),
    )
  }
})

test('a listener that throws is reported once; other listeners and the spans are not affected', async () => {
  const viewer = await startViewer({ ports: FREE_PORTS })
  const warnings: Error[] = []
  const onWarning = (warning: Error) => {
    if (warning.name === 'TracingViewerWarning') warnings.push(warning)
  }
  process.on('warning', onWarning)
  try {
    const traceIds: string[] = []
    viewer.onSpans(() => {
      throw new Error('mine')
    })
    const stop = viewer.onSpans(ids => traceIds.push(...ids))
    const send = (name: string) => sendOtlp(viewer.ports.otlp as number, toOtlp(name, Date.now(), browse(1)))
    await send('first')
    await send('second')
    assert.equal(traceIds.length, 2)
    assert.equal(viewer.traces().length, 2)
    assert.deepEqual(
      warnings.map(({ message }) => message),
      ['onSpans: a listener threw: mine (reported once)'],
    )
    stop()
    await send('third')
    assert.equal(traceIds.length, 2)
  } finally {
    process.off('warning', onWarning)
    await viewer.close()
  }
})
