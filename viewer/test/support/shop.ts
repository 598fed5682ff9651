// Traces of an imagined shop, for the tests and for the screenshots.

import { checkout, serverTags } from './checkout.ts'
import { type SampleSpan, sendOtlp, toOtlp } from './otlp.ts'

/** The spans of a request for a product; `scale` multiplies all times. */
export function browse(scale: number): SampleSpan[] {
  const t = (ms: number) => Math.round(ms * scale * 1000) / 1000
  return [
    {
      id: 'gw',
      service: 'gateway',
      name: 'GET /products/:id',
      kind: 'server',
      at: 0,
      ms: t(24),
      tags: serverTags('GET', '/products/:id', 200),
    },
    {
      id: 'call',
      parent: 'gw',
      service: 'gateway',
      name: 'GET',
      kind: 'client',
      at: t(2),
      ms: t(20),
      tags: { 'http.request.method': 'GET', 'http.response.status_code': 200 },
    },
    {
      id: 'st',
      parent: 'call',
      service: 'stock',
      name: 'GET /stock/:id',
      kind: 'server',
      at: t(4),
      ms: t(16),
      tags: serverTags('GET', '/stock/:id', 200),
    },
    {
      id: 'redis',
      parent: 'st',
      service: 'stock',
      name: 'lookup',
      kind: 'client',
      at: t(6),
      ms: t(9),
      tags: { 'db.system': 'redis' },
    },
  ]
}

/** One root with `count - 1` descendants, in groups of ten. */
export function wide(count: number): SampleSpan[] {
  const spans: SampleSpan[] = [
    { id: '0', service: 'batch', name: 'import everything', kind: 'server', at: 0, ms: count },
  ]
  for (let i = 1; i < count; i++) {
    const parent = i % 10 === 1 ? 0 : i - ((i - 1) % 10)
    spans.push({
      id: String(i),
      parent: String(parent),
      service: i % 3 === 0 ? 'store' : 'batch',
      name: `row ${i}`,
      at: i - 1,
      ms: parent === 0 ? 9.5 : 0.8,
    })
  }
  return spans
}

/** Sends 19 traces, the newest last. */
export async function sendShop(port: number, now: number): Promise<void> {
  const send = (name: string, ago: number, spans: SampleSpan[]) =>
    sendOtlp(port, toOtlp(name, now - ago, spans))
  for (let i = 0; i < 9; i++) await send(`browse ${i}`, 40_000 - i * 1500, browse(0.6 + ((i * 7) % 5) * 0.35))
  await send('checkout 1', 21_000, checkout(1, 'ok'))
  for (let i = 9; i < 13; i++) await send(`browse ${i}`, 35_000 - i * 1500, browse(0.5 + ((i * 3) % 4) * 0.5))
  await send('checkout 2', 12_000, checkout(1.6, 'ok'))
  await send('checkout 3', 9000, checkout(1.2, 'abort'))
  await send('browse 14', 7000, browse(1.1))
  await send('checkout 4', 4000, checkout(1.1, 'fail'))
  await send('browse 15', 2000, browse(0.7))
}
