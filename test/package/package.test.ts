// The tarball that `npm pack` makes in a fresh clone, as users have it: in a CommonJS, an ESM and strict TypeScript
// projects, with and without the frameworks, and under the eyes of publint and @arethetypeswrong/cli.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const scratch = mkdtempSync(path.join(tmpdir(), 'tracing-middleware-'))
const clone = path.join(scratch, 'clone')
const unpacked = path.join(scratch, 'package')
/** What git ignores or keeps for itself: a fresh clone has none of it. */
const notInAClone = ['.git', 'node_modules', 'dist', '.docs']

function exec(command: string, args: string[], cwd: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
  }
}

/** This checkout as `git clone` and `npm ci` leave it: nothing is built yet. */
function cloneCheckout(): void {
  cpSync(root, clone, { recursive: true, filter: file => !notInAClone.includes(path.basename(file)) })
  symlinkSync(path.join(root, 'node_modules'), path.join(clone, 'node_modules'))
}

/** A project that has installed the tarball and these packages, and nothing else. */
function project(name: string, packages: Record<string, string>, files: string[] = []): string {
  const folder = path.join(scratch, name)
  const modules = path.join(folder, 'node_modules')
  mkdirSync(modules, { recursive: true })
  cpSync(unpacked, path.join(modules, 'tracing-middleware'), { recursive: true })
  for (const [as, from] of Object.entries({
    opentracing: 'opentracing',
    'fastify-plugin': 'fastify-plugin',
    ...packages,
  })) {
    const link = path.join(modules, as)
    mkdirSync(path.dirname(link), { recursive: true })
    symlinkSync(path.join(root, 'node_modules', from), link)
  }
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }')
  for (const file of files) cpSync(path.join(root, 'test/package', file), path.join(folder, file))
  return folder
}

const everything = {
  express: 'express',
  koa: 'koa',
  fastify: 'fastify',
  'jaeger-client': 'jaeger-client',
  '@opentelemetry/api': '@opentelemetry/api',
}
const types = { '@types': '@types', undici: 'undici' }

describe('the packed tarball', () => {
  before(() => {
    // Not in this checkout: packing builds, and other tests use its dist meanwhile.
    cloneCheckout()
    exec('npm', ['pack', '--pack-destination', scratch], clone)
    exec('tar', ['-xzf', tarball()], scratch)
  })
  after(() => rmSync(scratch, { recursive: true, force: true }))

  test('holds what users need and nothing else', () => {
    const { exports, dependencies } = JSON.parse(readFileSync(path.join(unpacked, 'package.json'), 'utf8'))
    for (const entry of Object.values(exports as Record<string, unknown>)) {
      for (const file of JSON.stringify(entry).match(/\.\/[^"]+/g) ?? []) {
        assert.ok(existsSync(path.join(unpacked, file)), file)
      }
    }
    for (const document of ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE']) {
      assert.deepEqual(
        readFileSync(path.join(unpacked, document)),
        readFileSync(path.join(root, document)),
        document,
      )
    }
    assert.deepEqual(Object.keys(dependencies).sort(), ['fastify-plugin', 'opentracing'])
    for (const absent of ['src', 'test', 'examples', 'bench', 'node_modules']) {
      assert.equal(existsSync(path.join(unpacked, absent)), false, absent)
    }
  })

  test('serves in an ESM project, and shares its state with require (F094)', () => {
    assert.match(exec('node', ['serve.mjs'], project('esm', everything, ['serve.mjs'])), /served/)
  })

  test('serves in a CommonJS project, and shares its state with import (F094, F132)', () => {
    assert.match(exec('node', ['serve.cjs'], project('cjs', everything, ['serve.cjs'])), /served/)
  })

  test('serves with fastify-plugin 5 too', () => {
    const folder = project('fastify-plugin-5', { ...everything, 'fastify-plugin': 'fastify-plugin5' }, [
      'serve.cjs',
    ])
    assert.match(exec('node', ['-p', "require('fastify-plugin/package.json').version"], folder), /^5\./)
    assert.match(exec('node', ['serve.cjs'], folder), /served/)
  })

  test('every entry loads by import and by require, and installs no handler (F104)', () => {
    const folder = project('entries', everything)
    const entries = [
      '',
      '/express',
      '/koa',
      '/fastify',
      '/fetch',
      '/jaeger',
      '/opentelemetry',
      '/tracer',
      '/testing',
    ]
    const quiet = 'process.eventNames().filter(name => !before.includes(name)).join()'
    for (const entry of entries) {
      const name = `tracing-middleware${entry}`
      const required = `const before = process.eventNames(); require('${name}'); console.log(${quiet})`
      assert.equal(exec('node', ['-e', required], folder).trim(), '', `require('${name}')`)
      const imported = `const before = process.eventNames(); await import('${name}'); console.log(${quiet})`
      assert.equal(
        exec('node', ['--input-type=module', '-e', imported], folder).trim(),
        '',
        `import('${name}')`,
      )
    }
  })

  test('a Koa user never loads Fastify, and needs none of the others (F133)', () => {
    const folder = project('koa-alone', { koa: 'koa' })
    const script = `
      for (const entry of ['', '/koa', '/fetch', '/tracer', '/testing']) require('tracing-middleware' + entry)
      const loaded = Object.keys(require.cache).filter(file => /node_modules.(express|fastify|fastify-plugin|jaeger-client)./.test(file))
      console.log(JSON.stringify(loaded))
      try { require('tracing-middleware/jaeger').initJaegerTracer({ serviceName: 'x' }) } catch (error) { console.log(error.message) }
    `
    const [loaded, message] = exec('node', ['-e', script], folder).trim().split('\n')
    assert.equal(loaded, '[]')
    assert.match(String(message), /jaeger-client/)
  })

  const modes: [name: string, compiler: string, options: Record<string, unknown>, file: string][] = [
    ['nodenext, ES modules, TypeScript 7', 'typescript', { module: 'nodenext' }, 'use.mts'],
    ['nodenext, CommonJS, TypeScript 7', 'typescript', { module: 'nodenext' }, 'use.cts'],
    ['bundler, TypeScript 7', 'typescript', { module: 'esnext', moduleResolution: 'bundler' }, 'use.mts'],
    ['nodenext, ES modules, TypeScript 5', 'typescript5', { module: 'nodenext' }, 'use.mts'],
    ['node16, CommonJS, TypeScript 5', 'typescript5', { module: 'node16' }, 'use.cts'],
  ]
  modes.forEach(([name, compiler, options, file], i) => {
    test(`compiles in a strict TypeScript project: ${name} (F134)`, () => {
      const folder = project(`types-${i}`, { ...everything, ...types }, [file])
      const compilerOptions = {
        target: 'es2022',
        lib: ['es2023'],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        noEmit: true,
        // The frameworks' own declarations are not ours to check; ours are, below.
        skipLibCheck: true,
        types: ['node'],
        ...options,
      }
      writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }))
      const bin = path.join(root, 'node_modules', compiler, compiler === 'typescript' ? 'bin/tsc' : 'bin/tsc')
      exec('node', [bin, '-p', 'tsconfig.json'], folder)
    })
  })

  test('publint has nothing to say', () => {
    assert.match(exec('npx', ['publint', '--strict', unpacked], root), /All good/)
  })

  test('@arethetypeswrong/cli has nothing to say', () => {
    exec('npx', ['attw', path.join(scratch, tarball()), '--format', 'ascii'], root)
  })
})

function tarball(): string {
  const { name, version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  return `${name}-${version}.tgz`
}
