// Jaeger's query API, saved traces, live events, the terminal and the command.

import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startViewer, type Viewer } from '../src/index.ts'
import { drawTraces } from '../src/terminal.ts'
import { browse, checkout, idOf, sendOtlp, sendShop, toOtlp } from './support/samples.ts'

const ANY = { otlp: 0, jaeger: 0, jaegerCompact: 0, jaegerBinary: 0, zipkin: 0, page: 0 }

let viewer: Viewer
let folder: string
const now = Date.now()

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'viewer-'))
  viewer = await startViewer({ ports: ANY })
  await sendShop(viewer.ports.otlp as number, now)
})

after(async () => {
  await viewer.close()
  await rm(folder, { recursive: true })
})

// biome-ignore lint/suspicious/noExplicitAny: the answers are read as a script would read them
async function ask(path: string, status = 200): Promise<any> {
  const response = await fetch(viewer.url + path)
  assert.equal(response.status, status, path)
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
  return response.json()
}

const search = async (query: Record<string, string>) =>
  (await ask(`/api/traces?${new URLSearchParams(query)}`)).data as { traceID: string; spans: unknown[] }[]

test('GET /api/services and /api/services/{service}/operations', async () => {
  assert.deepEqual(await ask('/api/services'), {
    data: ['gateway', 'mailer', 'orders', 'payments', 'stock'],
    total: 5,
    limit: 0,
    offset: 0,
    errors: null,
  })
  const { data } = await ask('/api/services/payments/operations')
  assert.deepEqual(data, ['POST', 'POST /charges', 'score risk'])
  assert.deepEqual((await ask('/api/services/no%20such/operations')).data, [])
  assert.deepEqual((await ask('/api/operations?service=payments&spanKind=server')).data, [
    { name: 'POST /charges', spanKind: 'server' },
  ])
})

test("GET /api/traces/{id}: a trace in Jaeger's JSON", async () => {
  const id = idOf('checkout 4', 32)
  const { data, errors } = await ask(`/api/traces/${id}`)
  assert.equal(errors, null)
  const [trace] = data
  assert.equal(trace.traceID, id)
  assert.equal(trace.spans.length, 14)
  assert.deepEqual(
    Object.values(trace.processes).map(process => (process as { serviceName: string }).serviceName),
    ['gateway', 'orders', 'stock', 'payments'],
  )
  const span = trace.spans.find(
    (candidate: { operationName: string }) => candidate.operationName === 'POST /charges',
  )
  assert.equal(trace.processes[span.processID].serviceName, 'payments')
  assert.deepEqual(span.references, [
    { refType: 'CHILD_OF', traceID: id, spanID: idOf('checkout 4 pay', 16) },
  ])
  assert.equal(span.startTime, Math.round((now - 4000 + 62.7) * 1000))
  assert.equal(span.duration, 137_500)
  assert.deepEqual(
    span.tags.filter(({ key }: { key: string }) => /status_code|error|span.kind/.test(key)),
    [
      { key: 'http.response.status_code', type: 'int64', value: 500 },
      { key: 'span.kind', type: 'string', value: 'server' },
      { key: 'otel.status_code', type: 'string', value: 'ERROR' },
      { key: 'error', type: 'bool', value: true },
    ],
  )
  assert.deepEqual(span.logs[0].fields[0], { key: 'event', type: 'string', value: 'exception' })
  assert.equal((await ask(`/api/traces/${id.toUpperCase()}`)).data.length, 1)
  assert.deepEqual((await ask('/api/traces/abc', 404)).errors, [
    { code: 404, msg: 'trace not found', traceID: 'abc' },
  ])
  assert.match((await ask('/api/traces/xyz', 400)).errors[0].msg, /a trace id is 1 to 32 hex digits/)
})

test('GET /api/traces: every parameter', async () => {
  const us = (ago: number) => String((now - ago) * 1000)
  assert.equal((await search({ service: 'payments' })).length, 4)
  assert.equal((await search({ service: 'gateway' })).length, 19)
  assert.equal((await search({ service: 'gateway', limit: '3' })).length, 3)
  assert.equal((await search({ service: 'orders', operation: 'INSERT order' })).length, 3)
  assert.equal((await search({ service: 'payments', tags: '{"error":"true"}' })).length, 1)
  assert.equal((await search({ service: 'payments', tag: 'risk.score:0.12' })).length, 4)
  assert.equal(
    (await search({ service: 'payments', tags: '{"service.version":"1.4.0","risk.score":"0.13"}' })).length,
    0,
  )
  assert.equal((await search({ service: 'payments', tag: 'exception.type:PaymentDeclined' })).length, 1)
  // Jaeger asks about the duration of the span that matches.
  assert.equal(
    (await search({ service: 'payments', operation: 'score risk', minDuration: '30ms' })).length,
    1,
  )
  assert.equal(
    (await search({ service: 'payments', operation: 'score risk', maxDuration: '0.025s' })).length,
    2,
  )
  assert.equal((await search({ service: 'gateway', start: us(10_000), end: us(5000) })).length, 2)
  assert.equal((await search({ service: 'gateway', lookback: '8s' })).length, 3)
  assert.equal(
    (await search({ service: 'gateway', lookback: 'custom', start: us(10_000), end: us(5000) })).length,
    2,
  )
  const [first, second] = await search({ service: 'payments', limit: '2' })
  assert.deepEqual(
    [first?.traceID, second?.traceID],
    [idOf('checkout 4', 32), idOf('checkout 3', 32)],
    'newest first',
  )
  const ids = `traceID=${idOf('checkout 1', 32)}&traceID=${idOf('checkout 2', 32)}&traceID=abc`
  assert.equal((await ask(`/api/traces?${ids}`)).data.length, 2)
  for (const [query, reason] of [
    ['tags=x', /tags must be a JSON object/],
    ['tag=x', /tag must be key:value/],
    ['minDuration=long', /minDuration must be a duration/],
    ['start=yesterday', /start must be microseconds/],
    ['limit=0', /limit must be 1 or more/],
  ] as const) {
    const { data, errors } = await ask(`/api/traces?service=x&${query}`, 400)
    assert.equal(data, null)
    assert.match(errors[0].msg, reason)
  }
})

test('GET /api/dependencies', async () => {
  const sorted = (calls: { parent: string; child: string; callCount: number }[]) =>
    calls.map(({ parent, child, callCount }) => `${parent} ${child} ${callCount}`).sort()
  assert.deepEqual(sorted((await ask(`/api/dependencies?endTs=${now}&lookback=86400000`)).data), [
    'gateway orders 4',
    'gateway stock 15',
    'orders mailer 3',
    'orders payments 4',
    'orders stock 4',
  ])
  assert.deepEqual(sorted((await ask(`/api/dependencies?endTs=${now}&lookback=3000`)).data), [
    'gateway stock 1',
  ])
  assert.match((await ask('/api/dependencies?endTs=never', 400)).errors[0].msg, /endTs must be milliseconds/)
})

test('what is not there is 404, what changes nothing cannot be posted to', async () => {
  assert.equal((await fetch(`${viewer.url}/api/nothing`)).status, 404)
  assert.equal((await fetch(`${viewer.url}/../../etc/passwd`)).status, 404)
  assert.equal((await fetch(`${viewer.url}/page.js.map`)).status, 404)
  assert.equal((await fetch(`${viewer.url}/api/services`, { method: 'DELETE' })).status, 405)
  const head = await fetch(`${viewer.url}/api/services`, { method: 'HEAD' })
  assert.equal(await head.text(), '')
  assert.equal(head.headers.get('x-content-type-options'), 'nosniff')
})

test('a trace saved is a trace opened, span for span', async () => {
  const id = idOf('checkout 4', 32)
  const saved = await ask(`/api/traces/${id}`)
  const other = await startViewer({ ports: ANY })
  try {
    const open = async (document: unknown) => {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${other.url}/viewer/open`, {
        method: 'POST',
        headers,
        body: JSON.stringify(document),
      })
      return { status: response.status, text: await response.text() }
    }
    const { status, text } = await open(saved)
    assert.equal(status, 200)
    assert.deepEqual(JSON.parse(text), { traceIds: [id], spans: 14, refused: 0 })
    assert.deepEqual(other.trace(id)?.spans, viewer.trace(id)?.spans)
    for (const [document, reason] of [
      [{}, /it is not Jaeger's JSON/],
      [{ data: [] }, /the file has no spans/],
      [{ data: [{ spans: [{ traceID: 'x' }] }] }, /its trace id must be/],
    ] as const) {
      const answer = await open(document)
      assert.equal(answer.status, 400)
      assert.match(answer.text, reason)
    }
  } finally {
    await other.close()
  }
})

test('pages hear of new spans', async () => {
  const stop = new AbortController()
  const response = await fetch(`${viewer.url}/viewer/events`, { signal: stop.signal })
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await sendOtlp(viewer.ports.otlp as number, toOtlp('told', Date.now(), browse(1)))
  let text = ''
  while (!/event: change\ndata: .*\n\n/.test(text))
    text += Buffer.from((await reader.read()).value ?? []).toString()
  const told = JSON.parse(/data: (.*)\n/.exec(text)?.[1] ?? '')
  assert.deepEqual(told.traceIds, [idOf('told', 32)])
  assert.equal(told.stats.traces, 20)
  stop.abort()
})

test('the terminal draws a whole trace once it is quiet, one with gaps later, and again when more comes', async () => {
  const port = viewer.ports.otlp as number
  const drawn: string[] = []
  const stop = drawTraces(viewer, {
    write: text => drawn.push(text),
    colour: false,
    width: () => 100,
    completeDelay: 60,
    incompleteDelay: 200,
  })
  const until = async (count: number) => {
    for (let i = 0; i < 100 && drawn.length < count; i++)
      await new Promise(resolve => setTimeout(resolve, 20))
    assert.equal(drawn.length, count)
  }
  const started = Date.now()
  await sendOtlp(port, toOtlp('whole', Date.now(), browse(1)))
  await until(1)
  assert.ok(Date.now() - started < 200)
  assert.match(
    drawn[0] ?? '',
    new RegExp(
      `^trace ${idOf('whole', 32)} · 24 ms · 4 spans · 2 services\ngateway {2}GET /products/:id .*200\n└─ gateway`,
    ),
  )
  const gaps = Date.now()
  await sendOtlp(port, toOtlp('gaps', Date.now(), browse(1).slice(1)))
  await until(2)
  assert.ok(Date.now() - gaps >= 190)
  assert.match(drawn[1] ?? '', /\(its parent has not arrived\)/)
  await sendOtlp(port, toOtlp('gaps', Date.now(), browse(1).slice(0, 1)))
  await until(3)
  assert.match(drawn[2] ?? '', /^drawn again with more spans \(3 before\):\ntrace/)
  await sendOtlp(port, toOtlp('last', Date.now(), checkout(1, 'fail')))
  stop()
  assert.match(drawn[3] ?? '', /✖ PaymentDeclined: the card was declined by its issuer/)
})

interface Run {
  readonly child: ChildProcess
  text(): string
  /** Resolves once the output has this. */
  said(what: RegExp): Promise<RegExpExecArray>
  ended(): Promise<number | null>
}

function run(...args: string[]): Run {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('../src/cli.ts', import.meta.url)), ...args],
    { stdio: 'pipe' },
  )
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (text += data))
  const exit = new Promise<number | null>(resolve => child.once('close', resolve))
  return {
    child,
    text: () => text,
    async said(what) {
      for (let i = 0; i < 500; i++) {
        const found = what.exec(text)
        if (found !== null) return found
        await new Promise(resolve => setTimeout(resolve, 20))
      }
      throw new Error(`it never said ${what}:\n${text}`)
    },
    ended: () => exit,
  }
}

test('the command: starts, opens a file, draws what comes, ends on a signal', async () => {
  const id = idOf('checkout 1', 32)
  const file = join(folder, 'saved.json')
  await writeFile(file, JSON.stringify(await ask(`/api/traces/${id}`)))
  const command = run('--terminal', '--any-port', file, 'no-such-file.json')
  const [, url] = await command.said(/Traces are shown at (http:\/\/127\.0\.0\.1:\d+)\n/)
  await command.said(
    /Spans are received on OTLP \d+, Jaeger HTTP \d+, Jaeger UDP \d+, Jaeger UDP \d+, Zipkin \d+/,
  )
  await command.said(/! no-such-file\.json: ENOENT/)
  await command.said(new RegExp(`trace ${id} · 252 ms · 16 spans · 5 services\n`))
  assert.equal((await fetch(`${url}/api/traces/${id}`)).status, 200)
  command.child.kill('SIGTERM')
  assert.equal(await command.ended(), 0)
})

test('the examples of the README run', async () => {
  const text = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const examples = [...text.matchAll(/```js\n([^`]*(?:`[^`]+`[^`]*)*?)```/g)].map(
    ([, code]) => code as string,
  )
  assert.equal(examples.length, 2)
  const door = new URL('../src/index.ts', import.meta.url).href
  const outputs: string[] = []
  for (const [i, code] of examples.entries()) {
    const file = join(folder, `example-${i}.mjs`)
    await writeFile(file, code.replace("'tracing-viewer'", JSON.stringify(door)))
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file])
    outputs.push(stdout)
  }
  assert.match(outputs[0] ?? '', /^traces are shown at http:\/\/127\.0\.0\.1:\d+\n$/)
  assert.match(outputs[1] ?? '', /^trace (ab){16} · 12 ms · 1 span · 1 service\nunknown_service {2}hello/)
})

test('the command: help, and what it does not understand', async () => {
  const [help, wrong, port] = [run('--help'), run('--nope'), run('--port', 'x')]
  assert.equal(await help.ended(), 0)
  assert.match(help.text(), /^Shows traces on this machine/)
  assert.equal(await wrong.ended(), 2)
  assert.match(wrong.text(), /'--nope'/)
  assert.equal(await port.ended(), 1)
  assert.match(port.text(), /ports\.page must be a port from 0 to 65535, not NaN/)
})
