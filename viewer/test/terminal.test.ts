// Drawing in the terminal: when a trace is drawn, and when again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startViewer } from '../src/index.ts'
import { drawTraces } from '../src/terminal.ts'
import { checkout } from './support/checkout.ts'
import { idOf, type SampleSpan, sendOtlp, toOtlp } from './support/otlp.ts'
import { browse } from './support/shop.ts'
import { FREE_PORTS } from './support/viewer.ts'

test('a complete trace is drawn after 1 s without a span, an incomplete one after 6 s, a grown one again', async t => {
  const viewer = await startViewer({ ports: FREE_PORTS })
  t.after(() => viewer.close())
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() })
  const drawn: string[] = []
  const stop = drawTraces(viewer, { write: text => drawn.push(text), colour: false, width: () => 100 })
  const send = (name: string, spans: readonly SampleSpan[]) =>
    sendOtlp(viewer.ports.otlp as number, toOtlp(name, Date.now(), spans))

  await send('complete', browse(1))
  t.mock.timers.tick(800)
  assert.equal(drawn.length, 0)
  t.mock.timers.tick(400)
  assert.equal(drawn.length, 1)
  assert.match(
    drawn[0] ?? '',
    new RegExp(
      `^trace ${idOf('complete', 32)} · 24 ms · 4 spans · 2 services\ngateway {2}GET /products/:id .*200\n└─ gateway`,
    ),
  )

  await send('incomplete', browse(1).slice(1))
  t.mock.timers.tick(5800)
  assert.equal(drawn.length, 1)
  t.mock.timers.tick(400)
  assert.equal(drawn.length, 2)
  assert.match(drawn[1] ?? '', /\(its parent has not arrived\)/)

  await send('incomplete', browse(1).slice(0, 1))
  t.mock.timers.tick(1200)
  assert.match(drawn[2] ?? '', /^drawn again with more spans \(3 before\):\ntrace/)

  await send('last', checkout(1, 'fail'))
  stop()
  assert.match(drawn[3] ?? '', /✖ PaymentDeclined: the card was declined by its issuer/)
})
