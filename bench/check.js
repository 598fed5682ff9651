// Has this change made requests dearer? This checkout against another commit, asked in turns. Both in one server process:
// from one process to the next, the same code differs by more than most changes do. Or each in its own: what a build does to
// all code of its process is not seen otherwise. node bench/check.js --help

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listed, readOptions } from './command.js'
import {
  FRAMEWORKS,
  median,
  openProcess,
  openWorld,
  prepare,
  ROUTES,
  rotate,
  spread,
  variants,
} from './rounds.js'
import { number, table, withRange } from './tables.js'

// Two peers in one process would trace each other's requests.
const OURS = Object.keys(variants).filter(name => variants[name].label.startsWith('ours'))
// Milliseconds.
const TURN = 200
const WARM_UP_TURNS = 10

const HELP = `npm run bench:check -- [options]
  --against HEAD~1       a commit to build in a temporary folder, or a folder that is built (the one above dist/)
  --frameworks ${FRAMEWORKS}
  --variants unsampled,sampled   of ${OURS}
  --routes /hello,/users/:id
  --rounds 5             how many rounds, each with fresh processes
  --seconds 5            how long each route of each side is measured in each round
  --apart                each build in a process of its own: more rounds are needed
  --threshold 1.03       exit status 1 when the median of a framework's rounds is above it, and every round above 1`

const given = readOptions(HELP, {
  against: 'HEAD~1',
  frameworks: FRAMEWORKS.join(','),
  variants: 'unsampled,sampled',
  routes: ROUTES.slice(0, 2).join(','),
  rounds: '5',
  seconds: '5',
  apart: false,
  threshold: '1.03',
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
  const wanted = listed(given.variants, OURS, '--variants')
  const cases = frameworks.flatMap(framework =>
    wanted.map(variant => ({ framework, variant, rounds: [], errors: 0 })),
  )
  const world = await openWorld()
  for (let round = 0; round < Number(given.rounds); round++) {
    for (const each of cases) await measure(world, each, [here, there], routes, round)
    console.error(`round ${round + 1} of ${given.rounds}`)
  }
  await world.close()
  report(cases)
}

/** Which of the builds is opened and asked first takes turns too. */
async function measure(world, each, builds, routes, round) {
  const { framework, variant, rounds } = each
  const order = rotate([0, 1], round)
  const jobs = order.map(i => ({ variant, dist: builds[i] }))
  const { sides, close } = await open(world, framework, jobs)
  const ask = async (side, path) => {
    const { request, cpu } = sides[order.indexOf(side)]
    const before = await cpu()
    const { requests, errors } = await request(path, { milliseconds: TURN })
    each.errors += errors
    return ((await cpu()) - before) / requests
  }
  const turns = Math.max(1, Math.round((Number(given.seconds) * 1000) / TURN))
  const used = { here: 0, there: 0, more: 0 }
  for (const path of routes) {
    const seen = [[], []]
    for (let turn = -WARM_UP_TURNS; turn < turns; turn++) {
      for (const side of rotate([0, 1], turn + WARM_UP_TURNS)) {
        const cpu = await ask(side, path)
        if (turn >= 0) seen[side].push(cpu)
      }
    }
    const [here, there] = seen
    used.here += median(here) / routes.length
    used.there += median(there) / routes.length
    used.more += median(here.map((cpu, i) => cpu - there[i])) / routes.length
  }
  rounds.push(used)
  await close()
}

/** One process with both builds, or two: how each is asked, and what its process has used. */
async function open(world, framework, jobs) {
  const processes = []
  for (const some of given.apart ? jobs.map(job => [job]) : [jobs]) {
    processes.push(await openProcess(world, framework, some))
  }
  const sides = processes.flatMap(({ requests, cpu }) => requests.map(request => ({ request, cpu })))
  const close = async () => {
    for (const each of processes) await each.close()
  }
  return { sides, close }
}

function report(cases) {
  const rows = cases.map(({ framework, variant, rounds }) => {
    const change = spread(rounds.map(({ there, more }) => 1 + more / there))
    const isDearer = change.median > Number(given.threshold) && change.min > 1
    if (isDearer) process.exitCode = 1
    const of = name => spread(rounds.map(used => used[name]))
    const cells = [withRange(change, 3), withRange(of('more')), number(of('there').median)]
    return [framework, variant, ...cells, isDearer ? '**dearer**' : 'ok']
  })
  const errors = cases.reduce((sum, each) => sum + each.errors, 0)
  if (errors > 0) process.exitCode = 1
  console.log(table(['', 'variant', `here / ${given.against}`, '+ us', `us in ${given.against}`, ''], rows))
  console.log(
    `\n${errors} errors; dearer: above ${number(Number(given.threshold), 2)} in the median and above 1 in every round.`,
  )
}
