// The README: its examples run, and its links lead to files.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const readme = new URL('../README.md', import.meta.url)
const text = readFileSync(readme, 'utf8')

const outputs = [
  /^traces are shown at http:\/\/127\.0\.0\.1:\d+\n$/,
  /^trace (ab){16} · 12 ms · 1 span · 1 service\nunknown_service {2}hello/,
]
const examples = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code as string)

test('every example has an expected output', () => {
  assert.equal(examples.length, outputs.length)
})

for (const [i, code] of examples.entries()) {
  test(`example ${i + 1} runs`, async t => {
    const folder = await mkdtemp(join(tmpdir(), 'tracing-viewer-'))
    t.after(() => rm(folder, { recursive: true }))
    const index = new URL('../src/index.ts', import.meta.url).href
    const file = join(folder, 'example.mjs')
    // The first example uses the standard ports, which other programs may use: its warnings are not looked at.
    await writeFile(file, code.replace("'tracing-viewer'", JSON.stringify(index)))
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file])
    assert.match(stdout, outputs[i] as RegExp)
  })
}

test('its links lead to files', () => {
  const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target]) => target as string)
  assert.ok(targets.length > 0)
  for (const target of targets) assert.ok(existsSync(new URL(target, readme)), target)
})
