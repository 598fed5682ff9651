// The CommonJS half of the package: dist/cjs, made file by file from the ESM half. Both halves share one state (registries
// on globalThis), so a span made active through `import` is seen through `require`. Test runners and compilers that
// cannot `require` ES modules are why it exists.

import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'

const files = readdirSync('dist', { recursive: true }).filter(file => !file.startsWith('cjs'))
// The viewer's page is served, not loaded, and there is one copy of it; its command is run, never required.
const modules = files
  .filter(file => file.endsWith('.js') && !/^viewer[\\/](page[\\/]|cli\.js$)/.test(file))
  .map(file => `dist/${file}`)

const shared = { outdir: 'dist/cjs', outbase: 'dist', format: 'cjs', platform: 'node', logLevel: 'warning' }
const usesItsUrl = file => readFileSync(file, 'utf8').includes('import.meta.url')
const [own, plain] = [modules.filter(usesItsUrl), modules.filter(file => !usesItsUrl(file))]
await build({ ...shared, entryPoints: plain })
// What lies beside a module lies in the ESM half: dist/cjs/viewer/x.js stands for dist/viewer/x.js.
await build({
  ...shared,
  entryPoints: own,
  define: { 'import.meta.url': 'esmUrl' },
  banner: {
    js: "const esmUrl = require('node:url').pathToFileURL(__filename.replace(/cjs.(?=[^\\\\/]+.[^\\\\/]+$)/, '')).href",
  },
})
for (const file of files) if (file.endsWith('.d.ts')) cpSync(`dist/${file}`, `dist/cjs/${file}`)
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n')
