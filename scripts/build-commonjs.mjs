// The CommonJS half of the package: dist/cjs, made file by file from the ESM half. Both halves share one state (a registry
// on globalThis), so a span made active through `import` is seen through `require`. Test runners and compilers that
// cannot `require` ES modules are why it exists.

import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'

const files = readdirSync('dist', { recursive: true }).filter(file => !file.startsWith('cjs'))
const isDeclaration = file => file.endsWith('.d.ts')

await build({
  entryPoints: files.filter(file => file.endsWith('.js') && !isServedFile(file)).map(file => `dist/${file}`),
  outdir: 'dist/cjs',
  outbase: 'dist',
  format: 'cjs',
  platform: 'node',
  target: 'node20.19',
  logLevel: 'warning',
})
for (const file of files.filter(isDeclaration)) cpSync(`dist/${file}`, `dist/cjs/${file}`)
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n')

/** The viewer's page is read as a file, not loaded as a module; and its collector is ESM alone. */
function isServedFile(file) {
  return file.startsWith('viewer')
}
