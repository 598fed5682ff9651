// The command.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { toJaegerTrace } from '../src/jaeger-json.ts'
import { span } from './support/spans.ts'
import { eventually } from './support/viewer.ts'

interface Run {
  readonly child: ChildProcess
  text(): string
  /** Waits for this output. */
  output(pattern: RegExp): Promise<RegExpExecArray>
  /** The status that it ends with. */
  status: Promise<number | null>
}

function run(...args: string[]): Run {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('../src/cli.ts', import.meta.url)), ...args],
    { stdio: 'pipe' },
  )
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (text += data))
  const status = new Promise<number | null>(resolve => child.once('close', resolve))
  return {
    child,
    text: () => text,
    output: pattern => eventually(() => pattern.exec(text) ?? undefined, `${pattern} in the output`),
    status,
  }
}

test('it starts, opens a file, draws its trace, ends on a signal', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'tracing-viewer-'))
  t.after(() => rm(folder, { recursive: true }))
  const saved = span('1', undefined, 0, 1200)
  const file = join(folder, 'saved.json')
  await writeFile(file, JSON.stringify(toJaegerTrace(saved.traceId, [saved])))
  const command = run('--terminal', '--any-port', file, 'no-such-file.json')
  t.after(() => command.child.kill('SIGKILL'))
  const [, url] = await command.output(/Traces are shown at (http:\/\/127\.0\.0\.1:\d+)\n/)
  await command.output(
    /Spans are received on OTLP \d+, Jaeger HTTP \d+, Jaeger UDP \d+, Jaeger UDP \d+, Zipkin \d+/,
  )
  await command.output(/! no-such-file\.json: ENOENT/)
  await command.output(new RegExp(`trace ${saved.traceId} · 1\\.2 ms · 1 span · 1 service\n`))
  assert.equal((await fetch(`${url}/api/traces/${saved.traceId}`)).status, 200)
  command.child.kill('SIGTERM')
  assert.equal(await command.status, 0)
})

test('--help prints the help', async () => {
  const help = run('--help')
  assert.equal(await help.status, 0)
  assert.match(help.text(), /^Shows traces on this machine/)
})

test('an unknown option: status 2, with the help', async () => {
  const wrong = run('--nope')
  assert.equal(await wrong.status, 2)
  assert.match(wrong.text(), /'--nope'.*Shows traces on this machine/s)
})

test('an invalid port: status 1, with the reason', async () => {
  const wrong = run('--port', 'x')
  assert.equal(await wrong.status, 1)
  assert.match(wrong.text(), /ports\.page must be a port from 0 to 65535, not NaN/)
})
