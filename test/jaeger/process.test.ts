// The end of a process that has a jaeger-client tracer.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runProgram, source } from '../support/children.ts'
import { freePort, over, start, startCollector, until } from '../support/jaeger-backends.ts'

describe('the process', () => {
  const program = (options: string, body: string, spans = 1000) => `
    import { initJaegerTracer } from '${source}/jaeger/index.ts'
    const tracer = initJaegerTracer({
      serviceName: 'child', sampler: { type: 'const', param: 1 }, ${options}
    })
    const say = text => process.stdout.write(text + '\\n')
    for (let i = 0; i < ${spans}; i++) tracer.startSpan('span ' + i).finish()
    ${body}
  `
  const serving = `setInterval(() => {}, 1000); for (let i = 0; i < 10; i++) tracer.startSpan('in flight'); say('ready')`

  for (const transport of ['udp', 'http'] as const) {
    it(`F058: a natural end sends what waits over ${transport}, and nothing of ours holds the process`, async () => {
      const { backend, reporter } = await over[transport]()
      const ended = await runProgram(
        program(`reporter: ${JSON.stringify({ ...reporter, flushIntervalMs: 60_000 })}`, `say('ready')`),
      )
      assert.deepEqual([ended.code, ended.stderr], [0, ''])
      assert.ok(ended.ms < 2000, `took ${ended.ms} ms`)
      await until(() => backend.spans().length === 1000)
    })

    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      it(`F101: ${signal} with 1,000 spans queued sends each once over ${transport}, then takes its course`, async () => {
        const { backend, reporter } = await over[transport]()
        const ended = await runProgram(
          program(
            `closeOnSignals: true, reporter: ${JSON.stringify({ ...reporter, flushIntervalMs: 60_000 })}`,
            serving,
          ),
          { whenReady: kill => kill(signal) },
        )
        assert.deepEqual([ended.code, ended.signal, ended.stderr], [null, signal, ''])
        await until(() => backend.spans().length === 1000)
        assert.equal(new Set(backend.spans().map(span => span.name)).size, 1000)
      })
    }
  }

  it("F101: the app's own SIGTERM handler closes the tracer and ends with status 0", async () => {
    const { backend, reporter } = await over.http()
    const ended = await runProgram(
      program(
        `closeOnSignals: true, reporter: ${JSON.stringify({ ...reporter, flushIntervalMs: 60_000 })}`,
        `process.on('SIGTERM', async () => { await tracer.close(); process.exit() }); ${serving}`,
      ),
      { whenReady: kill => kill('SIGTERM') },
    )
    assert.deepEqual([ended.code, ended.signal], [0, null])
    assert.equal(backend.spans().length, 1000)
  })

  it('F104: without closeOnSignals a signal ends the process at once', async () => {
    const { backend, reporter } = await over.udp()
    const ended = await runProgram(
      program(`reporter: ${JSON.stringify({ ...reporter, flushIntervalMs: 60_000 })}`, serving, 10),
      { whenReady: kill => kill('SIGTERM') },
    )
    assert.deepEqual([ended.signal, backend.spans()], ['SIGTERM', []])
  })

  it('F050, F058: a collector that hangs delays neither a natural end nor a signal beyond the deadline', async () => {
    const collector = await startCollector(() => {})
    const options = `closeOnSignals: true, closeTimeout: 300, onError() {}, reporter: { collectorEndpoint: '${collector.endpoint}' }`
    const natural = await runProgram(program(options, `say('ready')`))
    assert.equal(natural.code, 0)
    assert.ok(natural.ms >= 250 && natural.ms < 1500, `took ${natural.ms} ms`)
    const killed = await runProgram(program(options, serving), { whenReady: kill => kill('SIGTERM') })
    assert.equal(killed.signal, 'SIGTERM')
    assert.ok(killed.ms >= 250 && killed.ms < 1500, `took ${killed.ms} ms`)
  })

  it('F058: neither the remote sampler nor its hanging server holds the process', async () => {
    const server = await startCollector(() => {})
    const { backend, reporter } = await over.udp()
    const ended = await runProgram(
      program(
        `reporter: ${JSON.stringify(reporter)}, sampler: { type: 'remote', param: 1, hostPort: '127.0.0.1:${server.port}', refreshIntervalMs: 20 }`,
        `say('ready'); setTimeout(() => {}, 100)`,
      ),
    )
    assert.equal(ended.code, 0)
    assert.ok(ended.ms < 1500, `took ${ended.ms} ms`)
    await until(() => backend.spans().length === 1000)
    assert.equal(server.requests.length, 1)
  })

  it('F048, F058: a collector and a sampler that refuse do not hold it either; it warns once of each', async () => {
    const port = await freePort()
    const ended = await runProgram(
      program(
        `reporter: { collectorEndpoint: 'http://127.0.0.1:${port}/' }, sampler: { type: 'remote', param: 1, hostPort: '127.0.0.1:${port}' }`,
        `say('ready')`,
      ),
    )
    assert.equal(ended.code, 0)
    assert.ok(ended.ms < 1500, `took ${ended.ms} ms`)
    assert.equal(ended.stderr.match(/TracingWarning/g)?.length, 2)
  })

  it('F102: closes once; spans and flushes after that are harmless', async () => {
    const { backend, reporter } = await over.http()
    const tracer = start({ reporter })
    const late = tracer.startSpan('late')
    tracer.startSpan('sent').finish()
    let called = 0
    const closing = tracer.close(() => called++)
    assert.equal(tracer.close(), closing)
    await closing
    await Promise.resolve()
    late.finish()
    tracer.startSpan('later').finish()
    await tracer.close()
    assert.deepEqual([called, backend.spans().map(span => span.name)], [1, ['sent']])
  })

  it('F104: importing it installs no handler and holds nothing', async () => {
    const ended = await runProgram(`
      const events = ['beforeExit', 'exit', 'SIGTERM', 'SIGINT', 'uncaughtException', 'unhandledRejection', 'warning']
      const counts = () => events.map(event => process.listenerCount(event)).join()
      const before = counts()
      await import('${source}/jaeger/index.ts')
      process.stdout.write(String(before === counts()))
    `)
    assert.deepEqual([ended.stdout, ended.code], ['true', 0])
  })
})
