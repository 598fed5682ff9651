// Traces of an imagined shop, as OTLP JSON: what the browser's tests and the pictures in the docs show.

import { createHash } from 'node:crypto'

export interface SampleSpan {
  /** A name within the trace, for `parent`. */
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

/** 32 or 16 hex digits that are always the same for a name. */
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

const STACK = `PaymentDeclined: the card was declined by its issuer
    at charge (/srv/payments/src/charge.ts:41:11)
    at async PaymentService.capture (/srv/payments/src/service.ts:87:20)
    at async Object.handler (/srv/payments/src/routes.ts:23:18)
    at async preHandlerCallback (/srv/payments/node_modules/fastify/lib/handleRequest.js:137:21)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)`

type Tags = Record<string, string | number | boolean>

const server = (method: string, route: string, status: number, more: Tags = {}): Tags => ({
  'http.request.method': method,
  'http.route': route,
  'http.response.status_code': status,
  'url.path': route.replace(':id', '8f21'),
  ...more,
})

/** A checkout: `scale` stretches its times; `fail` declines the card; `abort` lets the client leave. */
export function checkout(scale: number, outcome: 'ok' | 'fail' | 'abort'): SampleSpan[] {
  const t = (ms: number) => Math.round(ms * scale * 1000) / 1000
  const failed = outcome === 'fail'
  const declined = failed ? { error: 'the card was declined by its issuer' } : {}
  const spans: SampleSpan[] = [
    {
      id: 'gw',
      service: 'gateway',
      name: 'POST /checkout/:id',
      kind: 'server',
      at: 0,
      ms: t(outcome === 'abort' ? 60 : 212),
      tags: server('POST', '/checkout/:id', failed ? 502 : 200, {
        component: 'express',
        ...(outcome === 'abort' ? { aborted: 'before response' } : {}),
      }),
      ...(failed ? { error: 'upstream answered 500' } : {}),
    },
    {
      id: 'auth',
      parent: 'gw',
      service: 'gateway',
      name: 'check session',
      at: t(2),
      ms: t(9),
      tags: { 'user.id': 'u-4711', 'session.cached': true },
    },
    {
      id: 'call',
      parent: 'gw',
      service: 'gateway',
      name: 'POST',
      kind: 'client',
      at: t(13),
      ms: t(192),
      tags: {
        'http.request.method': 'POST',
        'server.address': 'orders.internal',
        'http.response.status_code': failed ? 500 : 200,
      },
      ...(failed ? { error: 'status 500' } : {}),
    },
    {
      id: 'or',
      parent: 'call',
      service: 'orders',
      name: 'POST /orders',
      kind: 'server',
      at: t(15.5),
      ms: t(186),
      tags: server('POST', '/orders', failed ? 500 : 201, {
        component: 'koa',
        'order.items': 3,
        'order.total': 128.4,
      }),
      ...(failed ? { error: 'payment failed' } : {}),
    },
    {
      id: 'load',
      parent: 'or',
      service: 'orders',
      name: 'load basket',
      at: t(18),
      ms: t(31),
      tags: { 'db.system': 'postgresql' },
    },
    {
      id: 'sql1',
      parent: 'load',
      service: 'orders',
      name: 'SELECT basket',
      kind: 'client',
      at: t(19),
      ms: t(12),
      tags: { 'db.system': 'postgresql', 'db.query.text': 'SELECT * FROM basket WHERE id = $1' },
    },
    {
      id: 'sql2',
      parent: 'load',
      service: 'orders',
      name: 'SELECT prices',
      kind: 'client',
      at: t(32),
      ms: t(16),
      tags: {
        'db.system': 'postgresql',
        'db.query.text': 'SELECT sku, price FROM prices WHERE sku = ANY($1)',
      },
    },
    {
      id: 'stock',
      parent: 'or',
      service: 'orders',
      name: 'PUT',
      kind: 'client',
      at: t(51),
      ms: t(38),
      tags: {
        'http.request.method': 'PUT',
        'server.address': 'stock.internal',
        'http.response.status_code': 200,
      },
    },
    {
      id: 'st',
      parent: 'stock',
      service: 'stock',
      name: 'PUT /reservations/:id',
      kind: 'server',
      at: t(53),
      ms: t(33),
      tags: server('PUT', '/reservations/:id', 200, { component: 'fastify' }),
    },
    {
      id: 'redis',
      parent: 'st',
      service: 'stock',
      name: 'reserve',
      kind: 'client',
      at: t(55),
      ms: t(27),
      tags: { 'db.system': 'redis' },
    },
    {
      id: 'pay',
      parent: 'or',
      service: 'orders',
      name: 'POST',
      kind: 'client',
      at: t(54),
      ms: t(131),
      tags: {
        'http.request.method': 'POST',
        'server.address': 'payments.internal',
        'http.response.status_code': failed ? 500 : 200,
      },
      ...declined,
    },
    {
      id: 'pm',
      parent: 'pay',
      service: 'payments',
      name: 'POST /charges',
      kind: 'server',
      at: t(57),
      ms: t(125),
      tags: server('POST', '/charges', failed ? 500 : 200, {
        component: 'fastify',
        'payment.provider': 'acme',
      }),
      ...declined,
      ...(failed
        ? {
            events: [
              {
                at: t(171),
                name: 'exception',
                fields: {
                  'exception.type': 'PaymentDeclined',
                  'exception.message': 'the card was declined by its issuer',
                  'exception.stacktrace': STACK,
                },
              },
            ],
          }
        : {}),
    },
    {
      id: 'risk',
      parent: 'pm',
      service: 'payments',
      name: 'score risk',
      at: t(60),
      ms: t(22),
      tags: { 'risk.score': 0.12 },
    },
    {
      id: 'acme',
      parent: 'pm',
      service: 'payments',
      name: 'POST',
      kind: 'client',
      at: t(84),
      ms: t(88),
      tags: {
        'http.request.method': 'POST',
        'server.address': 'api.acme.example',
        'http.response.status_code': failed ? 402 : 200,
      },
      ...declined,
      events: [
        { at: t(85), name: 'request sent', fields: { bytes: '812' } },
        {
          at: t(168),
          name: 'response headers',
          fields: { 'http.response.status_code': failed ? '402' : '200' },
        },
      ],
    },
  ]
  if (!failed) {
    spans.push({
      id: 'store',
      parent: 'or',
      service: 'orders',
      name: 'INSERT order',
      kind: 'client',
      at: t(187),
      ms: t(11),
      tags: { 'db.system': 'postgresql' },
    })
    spans.push({
      id: 'mail',
      parent: 'or',
      service: 'mailer',
      name: 'send confirmation',
      kind: 'consumer',
      at: t(206),
      ms: t(46),
      tags: { 'messaging.system': 'rabbitmq' },
    })
  }
  return spans
}

/** Small reads of the catalogue. */
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
      tags: server('GET', '/products/:id', 200),
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
      tags: server('GET', '/stock/:id', 200),
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

/** One root with `count - 1` spans below it, nested in tens. */
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

/** Sends a request of OTLP JSON to a viewer. */
export async function sendOtlp(port: number, request: unknown): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
  if (!response.ok) throw new Error(`the viewer answered ${response.status}: ${await response.text()}`)
}

/** The shop's traces, newest last. */
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
