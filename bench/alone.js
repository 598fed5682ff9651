// One case in a process of its own, so that no case compiles, or fills the heap, for another.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * @param file beside this one, which prints its result as JSON
 * @param what `time`, or `bytes`: then the young generation is so large that nothing is ever collected, and what is used
 *   is what was allocated
 */
export function measureAlone(file, what, args) {
  const flags = what === 'bytes' ? ['--min-semi-space-size=512', '--max-semi-space-size=512'] : []
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = spawnSync(process.execPath, ['--expose-gc', ...flags, path, ...args], {
    encoding: 'utf8',
    env: { ...process.env, NODE_ENV: 'production' },
  })
  if (child.status !== 0) throw new Error(`${args.join(', ')}: ${child.stderr}`)
  return JSON.parse(child.stdout)
}
