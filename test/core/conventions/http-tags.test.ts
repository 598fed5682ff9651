// The tags of a request remember their parts. Read from the parts or tag by tag, a span says the same.

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Span, Tracer } from 'opentracing'
import { type HttpParts, HttpTags } from '../../../src/core/conventions/http-tags.ts'
import { NO_ORIGIN, readOrigin } from '../../../src/core/conventions/url-origin.ts'
import type { SemanticConventions, TracerOptions } from '../../../src/tracer/index.ts'
import { closeCollectors, type DecodedSpan } from '../../support/otlp-collector.ts'
import { arrivalsFrom } from '../../support/tracer-world.ts'

interface Case {
  parts?: Partial<HttpParts>
  end?: Record<string, unknown>
  /** What the app does with the span meanwhile. */
  and?: (span: Span) => void
}

const PARTS: HttpParts = {
  component: 'express',
  method: 'GET',
  origin: readOrigin('http://shop'),
  path: '/',
  peer: { isIPv4: true, address: '192.0.2.7', port: 51_234 },
}

const CASES: Record<string, readonly Case[]> = {
  'paths and queries': ['/', '/a/b', '/a?x', '/?', '/a?q=1&q=2', `/${'x'.repeat(1500)}`, '/grün/✓'].map(
    path => ({
      parts: { path },
    }),
  ),
  'outcomes of a route, and none': [
    { end: { 'http.status_code': 200, 'http.route': '/any' } },
    { end: { 'http.status_code': 503, 'http.route': '/any', error: true } },
    { end: { 'http.status_code': 404 } },
    { end: { aborted: 'before response' } },
  ],
  'origins, and none': [
    { parts: { origin: readOrigin('https://shop:8443') } },
    { parts: { origin: readOrigin('http://[::1]:3000') } },
    { parts: { origin: NO_ORIGIN, path: 'http://proxied/a?b=c' } },
    { parts: { origin: NO_ORIGIN, path: 'http://a/b/c' } },
  ],
  'methods and components': [{ parts: { method: 'BREW' } }, { parts: { method: 'POST', component: 'mine' } }],
  peers: [
    { parts: { peer: undefined } },
    { parts: { peer: { isIPv4: false, address: '2001:db8::1', port: 1 } } },
    { parts: { peer: { isIPv4: true, address: '192.0.2.1', port: undefined } } },
  ],
  'what the app adds and overwrites': [
    { and: span => span.setTag('user', 'ada') },
    { and: span => span.setTag('http.method', 'HEAD').setTag('http.url', 'mine') },
    { and: span => span.setTag('span.kind', 'client') },
    { and: span => span.log({ event: 'cache', hit: true }) },
    { and: span => span.setTag('peer.hostname', 'proxy') },
    { and: span => span.setTag('url.path', 'mine').setTag('server.address', 'mine') },
  ],
}

after(closeCollectors)

describe('the tags of a request', () => {
  for (const semanticConventions of [
    'opentelemetry',
    'opentracing',
    'both',
  ] satisfies SemanticConventions[]) {
    for (const [what, cases] of Object.entries(CASES)) {
      it(`${semanticConventions}: ${what}`, () => checkSame(cases, { semanticConventions }))
    }
  }

  it('within limits', async () => {
    await checkSame([{ parts: { path: '/a' } }], { limits: { tags: 3 } })
    await checkSame([{ parts: { path: `/${'x'.repeat(200)}` } }], { limits: { valueLength: 100 } })
  })

  it('that were changed or added to are read tag by tag', () => {
    const changes: ((tags: HttpTags) => void)[] = [
      tags => Object.assign(tags, { team: 'orders' }),
      tags => Object.assign(tags, { 'http.url': 'mine' }),
      tags => Object.assign(tags, { 'span.kind': 'client' }),
      tags => Reflect.deleteProperty(tags, 'component'),
    ]
    assert.equal(HttpTags.partsOf(new HttpTags(PARTS)), PARTS)
    for (const change of changes) {
      const tags = new HttpTags(PARTS)
      change(tags)
      assert.equal(HttpTags.partsOf(tags), undefined, String(change))
    }
    assert.equal(HttpTags.partsOf({ ...new HttpTags(PARTS) }), undefined)
  })
})

async function checkSame(cases: readonly Case[], options: TracerOptions): Promise<void> {
  const byParts = await sent(cases, tags => tags, options)
  const byTags = await sent(cases, tags => ({ ...tags }), options)
  assert.equal(byParts.length, cases.length)
  assert.deepEqual(byParts, byTags)
}

async function sent(
  cases: readonly Case[],
  hand: (tags: HttpTags) => object,
  options: TracerOptions,
): Promise<object[]> {
  const make = (tracer: Tracer) => {
    for (const { parts, end = { 'http.status_code': 200 }, and } of cases) {
      const tags = hand(new HttpTags({ ...PARTS, ...parts })) as Record<string, unknown>
      const span = tracer.startSpan('GET /any', { tags })
      and?.(span)
      span.addTags(end).finish()
    }
  }
  const arrived = await arrivalsFrom(make, options)
  return arrived.flatMap(({ request }) => request.spans).map(whatItSays)
}

function whatItSays({ name, kind, attributes, keys, events, status, dropped }: DecodedSpan): object {
  assert.equal(new Set(keys).size, keys.length, 'an attribute came twice')
  return { name, kind, attributes, events: events.length, status, dropped }
}
