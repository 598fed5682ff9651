// The end of a process that has our tracer, whatever its backend does; and a backend behind TLS.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startViewer } from 'tracing-viewer'
import { createTracer, otlpExporter, type TlsOptions, zipkinExporter } from '../../src/tracer/index.ts'
import { type Ended, runProgram, source } from '../support/children.ts'
import { type Collector, decodeProtobuf } from '../support/otlp-collector.ts'
import { afterThisTest, openCollector } from '../support/tracer-backends.ts'

// A process that ends by itself takes a few milliseconds for it; a loaded machine may take many times that.
const SOON = 2000

/** A service with a tracer, and `queued` spans that wait. */
const program = (body: string, options = '', queued = 0) => `
  import { createTracer } from '${source}/tracer/index.ts'
  const tracer = createTracer({ serviceName: 'orders', batch: { spans: 5000, delay: 60_000 }, ${options} })
  const say = text => process.stdout.write(text + '\\n')
  for (let i = 0; i < ${queued}; i++) tracer.startSpan('queued ' + i).finish()
  ${body}
`

/** Goes on for ever, with ten spans in flight. */
const SERVING = `
  for (let i = 0; i < 10; i++) tracer.startSpan('in flight ' + i)
  setInterval(() => {}, 1000)
  say('ready')`

const to = (collector: Collector, more: Record<string, string> = {}) => ({
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
  ...more,
})

/** A thousand that were queued, and ten that the end has finished and marked; each once. */
function checkAll(collector: Collector): void {
  const spans = collector.spans()
  assert.equal(new Set(spans.map(({ name }) => name)).size, spans.length, 'each once')
  const queued = spans.filter(({ name }) => name.startsWith('queued'))
  const open = spans.filter(({ name }) => name.startsWith('in flight'))
  assert.deepEqual([queued.length, open.length], [1000, 10])
  assert.ok(queued.every(({ attributes }) => attributes.unfinished === undefined))
  assert.ok(open.every(({ attributes }) => attributes.unfinished === true))
}

async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

describe('a signal', () => {
  const ways = [
    ['SIGTERM', 'http/protobuf'],
    ['SIGTERM', 'http/json'],
    ['SIGINT', 'http/protobuf'],
  ] as const
  for (const [signal, protocol] of ways) {
    it(`F101: ${signal} with 1,000 spans queued and 10 in flight over ${protocol}: all arrive, then it takes its course`, async () => {
      const collector = await openCollector()
      const ended = await runProgram(program(SERVING, 'closeOnSignals: true', 1000), {
        env: to(collector, { OTEL_EXPORTER_OTLP_PROTOCOL: protocol }),
        whenReady: kill => kill(signal),
      })
      assert.deepEqual([ended.code, ended.signal, ended.stderr], [null, signal, ''])
      assert.ok(ended.ms < SOON, `${ended.ms} ms`)
      checkAll(collector)
      assert.equal(collector.requests, 1)
    })
  }

  it("F101: the app's own handler closes the tracer and ends with status 0", async () => {
    const collector = await openCollector()
    const handler = `process.on('SIGTERM', async () => { await tracer.close(); process.exit() })`
    const ended = await runProgram(program(handler + SERVING, 'closeOnSignals: true', 1000), {
      env: to(collector),
      whenReady: kill => kill('SIGTERM'),
    })
    assert.deepEqual([ended.code, ended.signal], [0, null])
    checkAll(collector)
  })

  it('F104: without closeOnSignals it ends the process at once, as it would without us', async () => {
    const collector = await openCollector()
    const ended = await runProgram(program(SERVING, '', 1000), {
      env: to(collector),
      whenReady: kill => kill('SIGTERM'),
    })
    assert.deepEqual([ended.code, ended.signal, collector.requests], [null, 'SIGTERM', 0])
  })

  it('F050, F101: a collector that hangs delays it by closeTimeout, and no more', async () => {
    const collector = await openCollector(() => {})
    const ended = await runProgram(
      program(SERVING, 'closeOnSignals: true, closeTimeout: 300, onError() {}', 1000),
      { env: to(collector), whenReady: kill => kill('SIGTERM') },
    )
    assert.equal(ended.signal, 'SIGTERM')
    assert.ok(ended.ms >= 250 && ended.ms < 300 + SOON, `${ended.ms} ms`)
    assert.equal(collector.requests, 1)
  })
})

describe('a natural end', () => {
  it('F058: everything is sent, and the process ends by itself', async () => {
    const collector = await openCollector()
    const open = `for (let i = 0; i < 10; i++) tracer.startSpan('in flight ' + i); say('ready')`
    const ended = await runProgram(program(open, '', 1000), { env: to(collector) })
    assert.deepEqual([ended.code, ended.stderr], [0, ''])
    assert.ok(ended.ms < SOON, `${ended.ms} ms`)
    checkAll(collector)
  })

  it('a real collector has it too: the viewer, over OTLP and over Zipkin', async () => {
    const viewer = await startViewer({
      ports: { otlp: 0, jaeger: 0, jaegerCompact: 0, jaegerBinary: 0, zipkin: 0, page: 0 },
    })
    afterThisTest(() => viewer.close())
    const url = `http://127.0.0.1:${viewer.ports.zipkin}/api/v2/spans`
    for (const options of ['', `exporter: zipkinExporter({ url: '${url}' })`]) {
      const ended = await runProgram(
        `import { zipkinExporter } from '${source}/tracer/index.ts'\n${program(`say('ready')`, options, 100)}`,
        { env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${viewer.ports.otlp}` } },
      )
      assert.deepEqual([ended.code, ended.stderr], [0, ''])
      assert.equal(viewer.traces().length, 100)
      viewer.clear()
    }
  })

  it('F058: it is not held by a tracer that has nothing to send, nor by one that has sent', async () => {
    const collector = await openCollector()
    const idle = await runProgram(program(`say('ready')`), { env: to(collector) })
    assert.deepEqual([idle.code, collector.requests], [0, 0])
    assert.ok(idle.ms < SOON, `${idle.ms} ms`)
    // The connection is kept alive by both sides.
    const flushed = await runProgram(program(`await tracer.flush(); say('ready')`, '', 10), {
      env: to(collector),
    })
    assert.deepEqual([flushed.code, collector.requests], [0, 1])
    assert.ok(flushed.ms < SOON, `${flushed.ms} ms`)
  })

  it('F048, F055, F058: neither is it by a port that refuses, nor by a name that nobody knows; each is said once', async () => {
    const ends = [`http://127.0.0.1:${await closedPort()}/v1/traces`, 'http://nope.invalid/v1/traces'].map(
      url =>
        runProgram(program(`say('ready')`, '', 10), { env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url } }),
    )
    const [refused, unknown] = (await Promise.all(ends)) as [Ended, Ended]
    for (const { code, ms } of [refused, unknown]) {
      assert.equal(code, 0)
      assert.ok(ms < 1000 + SOON, `${ms} ms`)
    }
    const warnings = ({ stderr }: Ended) => stderr.match(/TracingWarning: export/g)?.length ?? 0
    assert.equal(warnings(refused), 1)
    // Where the question for the name itself hangs, the deadline comes first.
    assert.ok(warnings(unknown) <= 1, unknown.stderr)
  })

  it('F050, F058: a collector that hangs delays it by closeTimeout, and no more', async () => {
    const collector = await openCollector(() => {})
    const ended = await runProgram(program(`say('ready')`, 'closeTimeout: 300, onError() {}', 10), {
      env: to(collector),
    })
    assert.equal(ended.code, 0)
    assert.ok(ended.ms >= 250 && ended.ms < 300 + SOON, `${ended.ms} ms`)
  })

  it('F050, F058: neither does it wait for an export that was under way before', async () => {
    const collector = await openCollector(() => {})
    const ended = await runProgram(
      program(
        `tracer.startSpan('any').finish(); setTimeout(() => say('ready'), 200)`,
        'batch: { delay: 20 }, closeTimeout: 300, onError() {}',
      ),
      { env: to(collector) },
    )
    assert.deepEqual([ended.code, collector.requests], [0, 1])
    assert.ok(ended.ms < 300 + SOON, `${ended.ms} ms`)
  })

  it('F055: a tracer whose backend cannot be reached fails no request, and reports once', async () => {
    // A flush holds no process, but here somebody waits for it.
    const holding = setInterval(() => {}, 1000)
    afterThisTest(() => clearInterval(holding))
    const failures: string[] = []
    const tracer = createTracer({
      exporter: otlpExporter({ url: 'http://nope.invalid/v1/traces', timeout: 200 }),
      batch: { delay: 5, timeout: 200 },
      onError: (_, place) => failures.push(place),
      closeTimeout: 500,
    })
    for (let i = 0; i < 5; i++) {
      tracer.startSpan('any').finish()
      await tracer.flush()
    }
    await tracer.close()
    assert.equal(tracer.stats().dropped.failed, 5)
    assert.deepEqual(failures, ['export'])
  })
})

describe('an end that is none of ours', () => {
  const failing: [what: string, body: string, code: number][] = [
    ['process.exit in a handler', `setTimeout(() => process.exit(3), 10)`, 3],
    ['an uncaught exception', `setTimeout(() => { throw new Error('of the app') }, 10)`, 1],
    ['a rejection that nobody handles', `setTimeout(() => Promise.reject(new Error('of the app')), 10)`, 1],
  ]
  for (const [what, body, code] of failing) {
    it(`F103: ${what}: spans are lost, nothing else is changed`, async () => {
      const collector = await openCollector()
      const [withUs, without] = await Promise.all([
        runProgram(program(`say('ready'); ${body}`, 'closeOnSignals: true', 10), { env: to(collector) }),
        runProgram(`process.stdout.write('ready\\n'); ${body}`),
      ])
      assert.deepEqual([withUs.code, withUs.signal], [code, null])
      assert.deepEqual([without.code, without.signal], [code, null])
      assert.equal(withUs.stderr.includes('of the app'), without.stderr.includes('of the app'))
      assert.ok(withUs.ms < SOON, `${withUs.ms} ms`)
    })
  }

  it('F103: process.exit while spans are on their way', async () => {
    const collector = await openCollector(() => {})
    const ended = await runProgram(
      program(`void tracer.flush(); setTimeout(() => process.exit(3), 50)`, '', 10),
      {
        env: to(collector),
      },
    )
    assert.deepEqual([ended.code, ended.stderr], [3, ''])
  })
})

describe('close', () => {
  it('F102: twice, flush after it, a span that ends after it: no throw, nothing more is sent', async () => {
    const collector = await openCollector()
    const tracer = createTracer({ exporter: otlpExporter({ url: collector.url }), onError() {} })
    const late = tracer.startSpan('late')
    tracer.startSpan('sent').finish()
    let called = 0
    await Promise.all([tracer.close(() => called++), tracer.close(() => called++)])
    await tracer.flush()
    late.setTag('a', 1).log({ event: 'b' })
    late.finish()
    const later = tracer.startSpan('later', { childOf: late })
    later.finish()
    await tracer.flush()
    await tracer.close()
    assert.equal(called, 2)
    assert.deepEqual(
      collector.spans().map(({ name, attributes }) => [name, attributes.unfinished]),
      [
        ['sent', undefined],
        ['late', true],
      ],
    )
    assert.equal(collector.requests, 1)
    // What it says still holds together for whom it calls.
    assert.equal(later.context().toTraceId(), late.context().toTraceId())
    assert.match(later.context().toSpanId(), /^[0-9a-f]{16}$/)
  })

  it('F104: importing installs nothing; what a tracer installs goes with it', async () => {
    const ended = await runProgram(`
      const events = ['exit', 'beforeExit', 'SIGTERM', 'SIGINT', 'uncaughtException', 'unhandledRejection', 'warning']
      const counts = () => events.map(event => process.listenerCount(event)).join('')
      const seen = [counts()]
      const { createTracer, otlpExporter } = await import('${source}/tracer/index.ts')
      seen.push(counts())
      const tracer = createTracer({ closeOnSignals: true, exporter: otlpExporter() })
      seen.push(counts())
      await tracer.close()
      seen.push(counts())
      console.log(seen.join(' '))
    `)
    assert.equal(ended.code, 0)
    const [before = '', imported, made = '', closed] = ended.stdout.trim().split(' ')
    assert.equal(imported, before)
    assert.equal(closed, before)
    // beforeExit, SIGTERM and SIGINT, and those alone.
    const added = [...made].map((count, i) => Number(count) - Number(before[i]))
    assert.deepEqual(added, [0, 1, 1, 1, 0, 0, 0])
  })
})

/** Whether certificates can be made here. */
function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A key and a certificate for `name`, signed by itself. */
function makeCertificate(name: string): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'tracing-tls-'))
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const kind = [
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ]
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
    execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { key: readFileSync(key), cert: readFileSync(cert) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('TLS', {
  skip: hasOpenssl() ? false : 'there is no openssl here to make a certificate with',
}, () => {
  it('ca, servername, rejectUnauthorized, cert and key, each as tls.connect takes it', async () => {
    const server = makeCertificate('collector.test')
    const client = makeCertificate('orders.test')
    const clients: (string | undefined)[] = []
    const backend = createHttpsServer({
      ...server,
      ca: client.cert,
      requestCert: true,
      rejectUnauthorized: false,
    })
    backend.on('request', (req, res) => {
      const { socket } = req as { socket: { authorized?: boolean } }
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => {
        const isZipkin = req.headers['content-type'] === 'application/json'
        const body = Buffer.concat(chunks)
        const spans = isZipkin ? JSON.parse(body.toString()) : decodeProtobuf(body).spans
        clients.push(`${socket.authorized ? 'known' : 'unknown'} client, ${spans.length} span`)
        res.writeHead(200, { 'content-type': req.headers['content-type'] }).end()
      })
    })
    await new Promise<void>(resolve => backend.listen(0, '127.0.0.1', resolve))
    afterThisTest(() => {
      backend.closeAllConnections()
      return new Promise(resolve => backend.close(resolve))
    })
    const url = `https://127.0.0.1:${(backend.address() as AddressInfo).port}/v1/traces`

    const send = async (
      tls: TlsOptions,
      make: typeof otlpExporter | typeof zipkinExporter = otlpExporter,
    ) => {
      clients.length = 0
      const failures: string[] = []
      const tracer = createTracer({
        exporter: make({ url, tls }),
        onError: error => failures.push((error as Error).message),
      })
      tracer.startSpan('any').finish()
      await tracer.close()
      return failures.length > 0 ? failures.join() : clients.join()
    }
    const named = { servername: 'collector.test' }
    assert.match(await send({}), /self-signed certificate/)
    assert.match(await send({ ca: server.cert }), /altnames/)
    assert.match(await send({ ca: client.cert, ...named }), /self-signed certificate/)
    assert.equal(await send({ ca: server.cert, ...named }), 'unknown client, 1 span')
    assert.equal(await send({ ca: server.cert, ...named, ...client }), 'known client, 1 span')
    assert.equal(await send({ rejectUnauthorized: false }), 'unknown client, 1 span')
    assert.equal(await send({ ca: server.cert, ...named }, zipkinExporter), 'unknown client, 1 span')
  })
})
