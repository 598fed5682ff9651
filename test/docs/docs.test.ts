// Every example in README.md and docs/ is run against the built package, as its reader would: a program of its own. One
// that serves or waits is ended once it has shown that it starts. Two comments in front of a block change how it is run:
//   <!-- option of tracingMiddleware -->   the block is an argument: every adapter takes it
//   <!-- not run: reason -->               the block is no program; the reason is for the reader of the source

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)
// Inside the checkout, so that the package's own name resolves to it.
const scratch = new URL('.docs/', root)
const preload = new URL('test/docs/preload.mjs', root)

interface Block {
  name: string
  language: string
  code: string
  remark: string
}

function blocksOf(file: string): Block[] {
  const text = readFileSync(new URL(file, root), 'utf8')
  const fences = /(?:<!-- ([^\n]*?) -->\n)?```(js|ts)\n(.*?)```/gs
  return [...text.matchAll(fences)].map(({ 1: remark = '', 2: language = '', 3: code = '', index }) => ({
    name: `${file}:${text.slice(0, index).split('\n').length}`,
    language,
    code,
    remark,
  }))
}

const files = ['README.md', ...readdirSync(new URL('docs/', root)).map(name => `docs/${name}`)]
const blocks = files.filter(name => name.endsWith('.md')).flatMap(blocksOf)

function program({ code, remark }: Block): string {
  if (remark !== 'option of tracingMiddleware') return code
  return `
    import { tracingMiddleware as express } from 'tracing-middleware/express'
    import { tracingMiddleware as koa } from 'tracing-middleware/koa'
    import { tracingPlugin } from 'tracing-middleware/fastify'
    import Fastify from 'fastify'
    const options = ${code}
    express(options)
    koa(options)
    await Fastify().register(tracingPlugin, options).ready()
  `
}

function run(file: URL): Promise<{ code: number; output: string }> {
  const args = ['--import', 'tsx', '--import', preload.href, fileURLToPath(file)]
  const env = { ...process.env, OTEL_SDK_DISABLED: undefined, DOCS_ENTRY: file.href }
  return new Promise(resolve => {
    execFile(
      process.execPath,
      args,
      { cwd: fileURLToPath(root), env, timeout: 30_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ code, output: stdout + stderr })
      },
    )
  })
}

describe('examples in the documentation run', { concurrency: 2 }, () => {
  before(() => mkdirSync(scratch, { recursive: true }))
  after(() => rmSync(scratch, { recursive: true, force: true }))
  blocks.forEach((block, i) => {
    const reason = /^not run: (.+)$/.exec(block.remark)?.[1]
    test(block.name, { skip: reason ?? false }, async () => {
      const file = new URL(`example-${i}.${block.language === 'ts' ? 'mts' : 'mjs'}`, scratch)
      writeFileSync(file, program(block))
      const { code, output } = await run(file)
      assert.equal(code, 0, output)
    })
  })
})

test('the documentation has examples, and links that lead somewhere', () => {
  assert.ok(blocks.length > 20)
  for (const file of files.filter(name => name.endsWith('.md'))) {
    const text = readFileSync(new URL(file, root), 'utf8')
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      assert.doesNotThrow(
        () => readFileSync(new URL(target as string, new URL(file, root))),
        `${file} links to ${target}`,
      )
    }
  }
})
