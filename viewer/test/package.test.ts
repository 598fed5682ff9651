// The packed tarball as a user installs it, in a folder without any other package. Needs `npm run build`.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'tracing-viewer-'))
const installed = join(scratch, 'node_modules/tracing-viewer')
let tarball = ''

function exec(command: string, args: string[], cwd = scratch): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
  }
}

describe('the packed tarball', () => {
  before(() => {
    const [packed] = JSON.parse(exec('npm', ['pack', '--json', '--pack-destination', scratch], root))
    tarball = join(scratch, packed.filename)
    writeFileSync(join(scratch, 'package.json'), '{ "private": true }')
    // A file, and no dependency to fetch: the registry is not asked.
    exec('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball])
  })
  after(() => rmSync(scratch, { recursive: true, force: true }))

  test('holds the built package alone, and depends on nothing', () => {
    const files = ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'package.json']
    assert.deepEqual(readdirSync(installed).sort(), files)
    const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    assert.equal(dependencies, undefined)
    assert.match(readFileSync(join(installed, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8'), /Apache License/)
  })

  for (const [name, args, load] of [
    ['import', ['--input-type=module', '-e'], "const { startViewer } = await import('tracing-viewer')"],
    ['require', ['-e'], "const { startViewer } = require('tracing-viewer')"],
  ] as const) {
    test(`serves its page when it is loaded by ${name}`, () => {
      const ports = '{ otlp: 0, jaeger: 0, jaegerCompact: 0, jaegerBinary: 0, zipkin: 0, page: 0 }'
      const script = `${load}
        startViewer({ ports: ${ports} }).then(async viewer => {
          for (const path of ['/', '/page.js', '/page.css']) console.log((await fetch(viewer.url + path)).status)
          await viewer.close()
        })`
      assert.equal(exec('node', [...args, script]), '200\n200\n200\n')
    })
  }

  test('its command runs', () => {
    assert.match(exec('node_modules/.bin/tracing-viewer', ['--help']), /npx tracing-viewer \[options\]/)
  })

  test('publint has nothing to say', () => {
    assert.match(exec('npx', ['publint', '--strict', installed], root), /All good/)
  })

  test('@arethetypeswrong/cli has nothing to say', () => {
    exec('npx', ['attw', tarball, '--format', 'ascii'], root)
  })
})
