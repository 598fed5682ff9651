// A checkout in an imagined shop: five services, and three outcomes.

import type { SampleSpan } from './otlp.ts'

const STACK = `PaymentDeclined: the card was declined by its issuer
    at charge (/srv/payments/src/charge.ts:41:11)
    at async PaymentService.capture (/srv/payments/src/service.ts:87:20)
    at async Object.handler (/srv/payments/src/routes.ts:23:18)
    at async preHandlerCallback (/srv/payments/node_modules/fastify/lib/handleRequest.js:137:21)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)`

type Tags = Record<string, string | number | boolean>

/** The tags of a server span. */
export const serverTags = (method: string, route: string, status: number, more: Tags = {}): Tags => ({
  'http.request.method': method,
  'http.route': route,
  'http.response.status_code': status,
  'url.path': route.replace(':id', '8f21'),
  ...more,
})

/** The spans of a checkout; `scale` multiplies all times. */
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
      tags: serverTags('POST', '/checkout/:id', failed ? 502 : 200, {
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
      tags: serverTags('POST', '/orders', failed ? 500 : 201, {
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
      tags: serverTags('PUT', '/reservations/:id', 200, { component: 'fastify' }),
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
      tags: serverTags('POST', '/charges', failed ? 500 : 200, {
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
