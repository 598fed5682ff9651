// F090: many requests at once through three frameworks in a chain (Express calls Koa and Fastify, Koa calls Fastify
// twice), each with a trace of its own; every handler waits three times and every inner call goes out by a traced
// fetch. Looks at every span of every trace afterwards. Fails when one is missing, is anywhere but below its own caller,
// or has another request's trace.
//
//   node --import tsx test/soak/concurrency.ts [--requests 1000] [--crosstalk]
//
// --crosstalk mixes up two requests on purpose: the command must fail then.

import http, { type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import { activeSpan, bindSpan } from '../../src/core/scope.ts'
import { tracingMiddleware as expressMiddleware } from '../../src/express/index.ts'
import { tracingPlugin } from '../../src/fastify/index.ts'
import { tracingMiddleware as koaMiddleware } from '../../src/koa/index.ts'
import { createTracedFetch } from '../../src/outbound/fetch/index.ts'
import { type RecordedSpan, recordingTracer } from '../../src/testing/index.ts'

const { values } = parseArgs({
  options: { requests: { type: 'string', default: '1000' }, crosstalk: { type: 'boolean', default: false } },
})
const requests = Number(values.requests)
if (!Number.isInteger(requests) || requests < 2) throw new Error('--requests: a whole number from 2')

const tracer = recordingTracer()
const fetch = createTracedFetch({ tracer })
const call = async (port: number, path: string): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  if (response.status !== 200) throw new Error(`${path}: ${response.status}`)
  return response.text()
}
const idOf = (): string => (activeSpan() as RecordedSpan).traceId
/** Three waits of different lengths, and the trace that is active after them. */
const wait = async (): Promise<string> => {
  for (let i = 0; i < 3; i++) await sleep(Math.random() * 5)
  return idOf()
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

const leaf = fastify()
await leaf.register(tracingPlugin, { tracer })
leaf.get('/leaf/:n', wait)
await leaf.ready()
const leafPort = await listen(leaf.server)

const middle = new Koa()
middle.use(koaMiddleware({ tracer }))
middle.use(async ctx => {
  const first = await call(leafPort, '/leaf/1')
  const mine = await wait()
  ctx.body = [first, mine, await call(leafPort, '/leaf/2')].join()
})
const middleServer = http.createServer(middle.callback())
const middlePort = await listen(middleServer)

const edge = express()
edge.use(expressMiddleware({ tracer }))
let lost: (() => Promise<string>) | undefined
edge.get('/edge', async (req, res) => {
  const both = [call(middlePort, '/middle'), wait()]
  if (values.crosstalk && req.headers['x-number'] === '1') lost = bindSpan(() => call(leafPort, '/leaf/3'))
  const own =
    values.crosstalk && req.headers['x-number'] === '2' && lost ? lost : () => call(leafPort, '/leaf/3')
  res.send([...(await Promise.all(both)), await own()].join())
})
const edgeServer = http.createServer(edge)
const edgePort = await listen(edgeServer)

const traceOf = (n: number): string => `${'a'.repeat(24)}${n.toString(16).padStart(8, '0')}`
const begin = performance.now()
const answers = await Promise.all(
  Array.from({ length: requests }, async (_, n) => {
    const headers = { 'uber-trace-id': `${traceOf(n)}:${(n + 1).toString(16)}:0:1`, 'x-number': String(n) }
    return (await globalThis.fetch(`http://127.0.0.1:${edgePort}/edge`, { headers })).text()
  }),
)
const took = performance.now() - begin
for (let i = 0; i < 400 && tracer.spans.some(span => span.finishCount === 0); i++) await sleep(5)
for (const server of [edgeServer, middleServer, leaf.server]) {
  server.close()
  server.closeAllConnections()
}

/** What a trace must look like: each span as component and name, below its parent. */
const WANTED = [
  'express GET /edge > fetch GET > fastify GET /leaf/:n',
  'express GET /edge > fetch GET > koa GET > fetch GET > fastify GET /leaf/:n',
  'express GET /edge > fetch GET > koa GET > fetch GET > fastify GET /leaf/:n',
].join('\n')

const byId = new Map(tracer.spans.map(span => [span.spanId, span]))
const parents = new Set(tracer.spans.map(span => span.parentId))
const byTrace = new Map<string, RecordedSpan[]>()
for (const span of tracer.spans) byTrace.set(span.traceId, [...(byTrace.get(span.traceId) ?? []), span])

/** From the request's first span down to this one; the caller's own id above it is checked too. */
function pathTo(span: RecordedSpan, n: number): string {
  const names: string[] = []
  for (let at: RecordedSpan | undefined = span; at !== undefined; ) {
    names.unshift(`${at.tags.component} ${at.operationName}`)
    const above: RecordedSpan | undefined = byId.get(at.parentId ?? '')
    if (above === undefined && at.parentId !== (n + 1).toString(16).padStart(16, '0'))
      return 'below another caller'
    if (above !== undefined && above.traceId !== at.traceId) return 'below another trace'
    at = above
  }
  return names.join(' > ')
}

const wrong: string[] = []
answers.forEach((answer, n) => {
  const traceId = traceOf(n)
  if (answer !== Array(5).fill(traceId).join()) wrong.push(`request ${n} saw the traces ${answer}`)
  const leaves = (byTrace.get(traceId) ?? []).filter(span => !parents.has(span.spanId))
  const shape = leaves
    .map(span => pathTo(span, n))
    .sort()
    .join('\n')
  if (shape !== WANTED) wrong.push(`request ${n} has the trace\n${shape}`)
})
const twice = tracer.spans.filter(span => span.finishCount !== 1).length
if (twice > 0) wrong.push(`${twice} spans were not ended exactly once`)
if (tracer.spans.length !== requests * 9)
  wrong.push(`${tracer.spans.length} spans instead of ${requests * 9}`)

console.log('requests at once    spans    traces    wrong    seconds')
console.log(
  [requests, tracer.spans.length, byTrace.size, wrong.length, (took / 1000).toFixed(1)]
    .map((cell, i) => String(cell).padStart([16, 9, 10, 9, 11][i] as number))
    .join(''),
)
console.log(wrong.length === 0 ? 'passed' : `FAILED\n${wrong.slice(0, 5).join('\n')}`)
process.exitCode = wrong.length === 0 ? 0 : 1
