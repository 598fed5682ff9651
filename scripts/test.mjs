// Runs the test files below test/, or those whose path has all of the words given: node scripts/test.mjs koa fetch

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const words = process.argv.slice(2)
const files = readdirSync('test', { recursive: true })
  .filter(file => file.endsWith('.test.ts') && words.every(word => file.includes(word)))
  .map(file => join('test', file))
  .sort()
if (files.length === 0) {
  console.error(`no test file has ${words.join(' and ')} in its path`)
  process.exit(1)
}
const { status } = spawnSync(process.execPath, ['--import', 'tsx', '--test', ...files], { stdio: 'inherit' })
process.exit(status ?? 1)
