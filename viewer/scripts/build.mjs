// Builds what tsc does not: the page, and the modules of src/ with the one package that they use, so that a user of
// tracing-viewer installs nothing else.
//
//   node scripts/build.mjs          after tsc, which writes the type declarations
//   node scripts/build.mjs --page   the page alone

import { chmod, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
// The only package that is bundled.
const BUNDLED = 'node_modules/@bufbuild/protobuf/'

const shared = {
  absWorkingDir: root,
  bundle: true,
  legalComments: 'inline',
  logLevel: 'warning',
}

async function buildPage() {
  await build({
    ...shared,
    entryPoints: ['page/main.ts'],
    outfile: 'dist/page/page.js',
    format: 'esm',
    target: 'es2022',
    minify: true,
    charset: 'utf8',
    tsconfig: 'page/tsconfig.json',
  })
  await build({
    ...shared,
    entryPoints: ['page/page.css'],
    outfile: 'dist/page/page.css',
    minify: true,
    target: 'chrome123',
  })
  await cp(join(root, 'page/index.html'), join(dist, 'page/index.html'))
}

async function buildModules() {
  const node = { ...shared, platform: 'node', target: 'node20', metafile: true }
  const esm = await build({
    ...node,
    entryPoints: ['src/index.ts', 'src/cli.ts'],
    outdir: 'dist',
    format: 'esm',
    // The command shares its modules with the library.
    splitting: true,
    chunkNames: 'shared-[hash]',
  })
  await chmod(join(dist, 'cli.js'), 0o755)
  await build({
    ...node,
    entryPoints: ['src/index.ts'],
    outfile: 'dist/index.cjs',
    format: 'cjs',
    define: { 'import.meta.url': 'moduleUrl' },
    banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href" },
  })
  await writeNotices(Object.keys(esm.metafile.inputs).filter(input => input.includes('node_modules/')))
}

/** A `.d.ts` file describes CommonJS only in a package that is CommonJS. */
async function copyTypes() {
  await mkdir(join(dist, 'cjs'))
  for (const file of await readdir(dist)) {
    if (file.endsWith('.d.ts')) await cp(join(dist, file), join(dist, 'cjs', file))
  }
  await writeFile(join(dist, 'cjs/package.json'), '{ "type": "commonjs" }\n')
}

/** The licences of the bundled files ask that their notices are distributed with them. */
async function writeNotices(inputs) {
  const heads = new Set()
  let folder = ''
  for (const input of inputs) {
    const end = input.indexOf(BUNDLED) + BUNDLED.length
    if (end < BUNDLED.length) throw new Error(`${input} is bundled without its licence`)
    folder = join(root, input.slice(0, end))
    heads.add((await readFile(join(root, input), 'utf8')).match(/^(?:\/\/.*\n)+/)?.[0] ?? '')
  }
  const { version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const notices = [...heads].filter(head => head !== '').map(head => head.replace(/^\/\/ ?/gm, ''))
  // The package refers to the Apache License 2.0 without including it; TypeScript includes its text.
  const typescript = dirname(fileURLToPath(import.meta.resolve('typescript/package.json')))
  const apache = await readFile(join(typescript, 'LICENSE'), 'utf8')
  await writeFile(
    join(dist, 'THIRD-PARTY-NOTICES.txt'),
    `This package contains parts of @bufbuild/protobuf ${version}, ${license}.\n\n${notices.join('\n\n')}\n\n${apache}`,
  )
}

if (!process.argv.includes('--page')) {
  await buildModules()
  await copyTypes()
}
await buildPage()
