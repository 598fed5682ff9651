// Has this change made requests dearer? This checkout against another commit, both alive together and asked in turns.
// node bench/check.js --help

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listed, readOptions } from './command.js'
import { FRAMEWORKS, openWorld, prepare, ROUTES, rotate, runRound, spread, variants } from './rounds.js'
import { number, over, table, withRange } from './tables.js'

const HELP = `npm run bench:check -- [options]
  --against HEAD~1       a commit to build in a temporary folder, or a folder that is built (the one above dist/)
  --frameworks express,koa,fastify
  --variants unsampled,sampled   see npm run bench -- --help
  --routes /hello,/users/:id
  --rounds 5             how many rounds, each with fresh processes
  --seconds 2            how long each route of each side is measured in each round
  --threshold 1.05       exit status 1 when the median of a framework's rounds is above it, and every round above 1`

const given = readOptions(HELP, {
  against: 'HEAD~1',
  frameworks: FRAMEWORKS.join(','),
  variants: 'unsampled,sampled',
  routes: ROUTES.slice(0, 2).join(','),
  rounds: '5',
  seconds: '2',
  threshold: '1.05',
})

const root = fileURLToPath(new URL('..', import.meta.url))

const here = prepare()
const other = existsSync(join(given.against, 'dist'))
  ? { folder: resolve(given.against) }
  : build(given.against)
try {
  await compare(here, join(other.folder, 'dist'))
} finally {
  other.remove?.()
}

/** Another commit, built with the compiler and the dependencies of this checkout. */
function build(commit) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-check-'))
  const git = (...args) => execFileSync('git', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const remove = () => {
    git('worktree', 'remove', '--force', folder)
    rmSync(folder, { recursive: true, force: true })
  }
  git('worktree', 'add', '--quiet', '--detach', '--force', folder, commit)
  try {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    execFileSync('npm', ['run', 'build'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  } catch (error) {
    remove()
    throw error
  }
  return { folder, remove }
}

async function compare(here, there) {
  const frameworks = listed(given.frameworks, FRAMEWORKS, '--frameworks')
  const routes = listed(given.routes, ROUTES, '--routes')
  const seconds = Number(given.seconds)
  const wanted = listed(given.variants, Object.keys(variants), '--variants')
  const world = await openWorld()
  const samples = []
  for (let round = 0; round < Number(given.rounds); round++) {
    for (const framework of frameworks) {
      const jobs = [
        { side: 'bare', framework, variant: 'bare', dist: here },
        ...wanted.flatMap(variant => [
          { side: 'here', framework, variant, dist: here },
          { side: 'there', framework, variant, dist: there },
        ]),
      ]
      for (const sample of await runRound(world, rotate(jobs, round), { routes, seconds })) {
        samples.push({ round, ...sample })
      }
    }
    console.error(`round ${round + 1} of ${given.rounds}`)
  }
  await world.close()
  report(samples, frameworks, wanted)
}

function report(samples, frameworks, wanted) {
  const cpuOf = (framework, side, variant) => {
    const rounds = []
    for (const sample of samples) {
      if (sample.framework !== framework || sample.side !== side || sample.variant !== variant) continue
      rounds[sample.round] = (rounds[sample.round] ?? 0) + sample.cpu
    }
    return rounds
  }
  const rows = []
  for (const framework of frameworks) {
    for (const variant of wanted) {
      const here = cpuOf(framework, 'here', variant)
      const there = cpuOf(framework, 'there', variant)
      const bare = cpuOf(framework, 'bare', 'bare')
      const change = spread(over(here, there))
      const dearer = change.median > Number(given.threshold) && change.min > 1
      if (dearer) process.exitCode = 1
      const beside = [spread(over(here, bare)), spread(over(there, bare))].map(seen => withRange(seen))
      rows.push([framework, variant, withRange(change), ...beside, dearer ? '**dearer**' : 'ok'])
    }
  }
  const errors = samples.reduce((sum, sample) => sum + sample.errors, 0)
  if (errors > 0) process.exitCode = 1
  console.log(table(['', 'variant', `here / ${given.against}`, 'here x bare', 'there x bare', ''], rows))
  console.log(
    `\n${errors} errors; dearer: above ${number(Number(given.threshold), 2)} in the median and above 1 in every round.`,
  )
}
