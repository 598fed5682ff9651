// What the demo's customers do, and what must be found in the trace of each.

import http from 'node:http'

const HAPPY = [
  'gateway GET /checkout/:order',
  'gateway GET',
  'orders GET /orders/:id',
  'orders load order',
  'orders GET',
  'stock GET /stock/:sku',
  'stock look at the shelf',
]

export const stories = [
  {
    title: 'A customer checks out.',
    ask: gateway => answerOf(`${gateway}/checkout/teapot`),
    spans: HAPPY,
  },
  {
    title: 'The last service fails.',
    ask: gateway => answerOf(`${gateway}/checkout/broken`),
    spans: HAPPY,
    failed: [
      'stock look at the shelf',
      'stock GET /stock/:sku',
      'orders GET /orders/:id',
      'gateway GET /checkout/:order',
    ],
  },
  {
    title: 'A customer gives up after 150 ms.',
    ask: gateway => leaveAfter(150, `${gateway}/checkout/far-away`),
    spans: HAPPY,
    aborted: ['gateway GET /checkout/:order'],
  },
]

/** What a whole trace must have and this one has not; empty when it is whole. */
export function missingFrom(spans, { spans: wanted, failed = [], aborted = [] }) {
  const nameOf = span => `${span.service} ${span.operation}`
  const ids = new Set(spans.map(span => span.spanId))
  const roots = spans.filter(span => span.parentId === undefined)
  return [
    ...wanted.filter(name => !spans.some(span => nameOf(span) === name)),
    ...failed
      .filter(name => !spans.some(span => nameOf(span) === name && span.error))
      .map(name => `the error of ${name}`),
    ...aborted
      .filter(name => !spans.some(span => nameOf(span) === name && span.aborted))
      .map(name => `that the client left ${name}`),
    ...(roots.length === 1 ? [] : [`one root (there are ${roots.length})`]),
    ...spans
      .filter(span => span.parentId !== undefined && !ids.has(span.parentId))
      .map(span => `the parent of ${nameOf(span)}`),
  ]
}

async function answerOf(url) {
  const answer = await fetch(url)
  await answer.text()
  return `GET ${new URL(url).pathname} was answered with ${answer.status}`
}

function leaveAfter(ms, url) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, () => reject(new Error('the answer came too early')))
    request.on('error', () =>
      resolve(`GET ${new URL(url).pathname} was abandoned by its client after ${ms} ms`),
    )
    setTimeout(() => request.destroy(), ms)
  })
}
