// Builds what tsc does not: the viewer's page, into three files, and the decoder from the registry, which is put into the
// file that uses it, so that who installs the package installs nothing for the viewer.
//
//   node scripts/build-viewer.mjs          after tsc
//   node scripts/build-viewer.mjs --page   the page alone

import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'src/viewer/page')
const viewer = join(root, 'dist/viewer')
const page = join(viewer, 'page')

const shared = {
  bundle: true,
  format: 'esm',
  legalComments: 'inline',
  logLevel: 'warning',
  absWorkingDir: root,
}

async function buildPage() {
  await mkdir(page, { recursive: true })
  await build({
    ...shared,
    entryPoints: [join(source, 'main.ts')],
    outfile: join(page, 'page.js'),
    target: 'es2022',
    minify: true,
    charset: 'utf8',
    tsconfig: join(source, 'tsconfig.json'),
  })
  await build({
    ...shared,
    entryPoints: [join(source, 'page.css')],
    outfile: join(page, 'page.css'),
    minify: true,
    target: 'chrome123',
  })
  await cp(join(source, 'index.html'), join(page, 'index.html'))
}

async function bundleDecoder() {
  const file = join(viewer, 'otlp-protobuf.js')
  const { metafile } = await build({
    ...shared,
    entryPoints: [file],
    outfile: file,
    allowOverwrite: true,
    platform: 'node',
    target: 'node20',
    metafile: true,
    // Only the package is taken in: our own files stay files.
    plugins: [
      {
        name: 'ours-stay',
        setup({ onResolve }) {
          onResolve({ filter: /^\.\.?\// }, ({ importer, path }) =>
            importer === file ? { path, external: true } : undefined,
          )
        },
      },
    ],
  })
  await writeNotices(Object.keys(metafile.inputs).filter(input => input.includes('node_modules/')))
}

/** The licences of what was taken in, as they ask for it. */
async function writeNotices(inputs) {
  const { version, license } = JSON.parse(
    await readFile(join(root, 'node_modules/@bufbuild/protobuf/package.json'), 'utf8'),
  )
  const heads = new Set()
  for (const input of inputs) {
    if (!input.includes('node_modules/@bufbuild/protobuf/'))
      throw new Error(`${input} is bundled without its licence`)
    heads.add((await readFile(join(root, input), 'utf8')).match(/^(?:\/\/.*\n)+/)?.[0] ?? '')
  }
  const notices = [...heads].filter(head => head !== '').map(head => head.replace(/^\/\/ ?/gm, ''))
  // TypeScript's licence is the same Apache License 2.0, word for word, that the package refers to.
  const apache = await readFile(join(root, 'node_modules/typescript/LICENSE'), 'utf8')
  await writeFile(
    join(viewer, 'THIRD-PARTY-NOTICES.txt'),
    `otlp-protobuf.js contains parts of @bufbuild/protobuf ${version}, ${license}.\n\n${notices.join('\n\n')}\n\n${apache}`,
  )
}

if (!process.argv.includes('--page')) await bundleDecoder()
await buildPage()
