// Each example is started as its reader would start it, and called; the demo runs to its end with each tracer.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startViewer } from 'tracing-viewer'
import { eventually } from '../support/client.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const servers = readdirSync(new URL('../../examples/', import.meta.url)).filter(name => name.endsWith('.js'))

describe('examples', () => {
  for (const name of servers) {
    test(`examples/${name} answers, and its span arrives at a collector`, async () => {
      const viewer = await startViewer({
        ports: { otlp: 0, jaeger: 0, jaegerCompact: false, jaegerBinary: 0, zipkin: false, page: 0 },
      })
      const env = {
        ...process.env,
        PORT: '0',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${viewer.ports.otlp}`,
        OTEL_BSP_SCHEDULE_DELAY: '100',
        JAEGER_ENDPOINT: `http://127.0.0.1:${viewer.ports.jaeger}/api/traces`,
        JAEGER_REPORTER_FLUSH_INTERVAL: '100',
      }
      const example = spawn(process.execPath, [`examples/${name}`], {
        cwd: root,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      try {
        let output = ''
        example.stdout.setEncoding('utf8').on('data', text => {
          output += text
        })
        const port = () => /listening on (?:\S*:)?(\d+)/.exec(output)?.[1]
        await eventually(
          () => port() !== undefined || example.exitCode !== null,
          'the example listens',
          10_000,
        )
        const answer = await fetch(`http://127.0.0.1:${port()}/users/42`)
        assert.equal(answer.status, 200)
        assert.match(await answer.text(), /42/)
        const arrived = () =>
          viewer.traces().some(trace => trace.spans.some(span => span.operation === 'GET /users/:id'))
        await eventually(arrived, 'the span arrives', 10_000)
      } finally {
        const ended = example.exitCode === null ? once(example, 'exit') : undefined
        example.kill()
        await ended
        await viewer.close()
      }
    })
  }
})

describe('the demo', () => {
  for (const tracer of ['ours', 'jaeger', 'mixed']) {
    test(`--once --tracer ${tracer}: three whole traces, status 0`, async () => {
      const { code, output } = await run(['--once', '--tracer', tracer])
      assert.equal(code, 0, output)
      assert.match(output, /All 3 traces are whole/)
      assert.match(output, /gateway/)
    })
  }

  test('a wrong option is refused with status 2', async () => {
    const { code, output } = await run(['--tracer', 'zipkin'])
    assert.equal(code, 2)
    assert.match(output, /ours, jaeger or mixed/)
  })
})

function run(args: string[]): Promise<{ code: number; output: string }> {
  return new Promise(resolve => {
    const file = 'examples/demo/run.js'
    execFile(process.execPath, [file, ...args], { cwd: root, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr })
    })
  })
}
