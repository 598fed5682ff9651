// The CommonJS half of the package: dist/cjs, made file by file from the ESM half. Both halves share one state (registries
// on globalThis), so a span made active through `import` is seen through `require`. Test runners and compilers that
// cannot `require` ES modules are why it exists.

import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'

const files = readdirSync('dist', { recursive: true }).filter(file => !file.startsWith('cjs'))
const modules = files.filter(file => file.endsWith('.js')).map(file => `dist/${file}`)

await build({
  entryPoints: modules,
  outdir: 'dist/cjs',
  outbase: 'dist',
  format: 'cjs',
  platform: 'node',
  logLevel: 'warning',
})
for (const file of files) if (file.endsWith('.d.ts')) cpSync(`dist/${file}`, `dist/cjs/${file}`)
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n')
