// What does tracing cost a service? Whole requests over loopback, CPU time per request, beside the bare framework and the
// peers. node bench/requests.js --help

import { writeFile } from 'node:fs/promises'
import { listed, readOptions } from './command.js'
import { describeMachine, publish } from './machine.js'
import { FRAMEWORKS, openWorld, pinned, prepare, ROUTES, rotate, runRound, variants } from './rounds.js'
import { requestTables } from './tables.js'

const HELP = `npm run bench -- [options]
  --rounds 7             how many rounds, each with fresh processes
  --seconds 1.5          how long each route of each variant is measured in each round
  --frameworks ${FRAMEWORKS.join(',')}
  --variants ${Object.keys(variants).join(',')}
  --routes ${ROUTES.join(',')}
  --json FILE            also writes every sample there
  --docs                 puts the tables into docs/performance.md
Five minutes: --frameworks fastify --variants bare,control,none,sampled --rounds 3 --seconds 1`

const given = readOptions(HELP, {
  rounds: '7',
  seconds: '1.5',
  frameworks: FRAMEWORKS.join(','),
  variants: Object.keys(variants).join(','),
  routes: ROUTES.join(','),
  json: undefined,
  docs: false,
})

await main()

async function main() {
  const dist = prepare()
  const rounds = Number(given.rounds)
  const seconds = Number(given.seconds)
  const routes = listed(given.routes, ROUTES, '--routes')
  const frameworks = listed(given.frameworks, FRAMEWORKS, '--frameworks')
  // Ratios need something to divide by.
  const names = [...new Set(['bare', ...listed(given.variants, Object.keys(variants), '--variants')])]
  if (names.length === 1) throw new TypeError('--variants: name one to measure beside bare, such as control')
  const world = await openWorld()
  const samples = []
  const start = Date.now()
  for (let round = 0; round < rounds; round++) {
    for (const framework of rotate(frameworks, round)) {
      const jobs = names
        .filter(variant => variants[variant].frameworks?.includes(framework) ?? true)
        .map(variant => ({ framework, variant, dist }))
      for (const sample of await runRound(world, rotate(jobs, round), { routes, seconds })) {
        samples.push({ round, ...sample, dist: undefined })
      }
      console.error(
        `round ${round + 1} of ${rounds}, ${framework}: ${Math.round((Date.now() - start) / 1000)} s`,
      )
    }
  }
  await world.close()

  const machine = describeMachine({ pinned, rounds, seconds })
  const tables = `${machine}\n\n${requestTables(samples, { frameworks, names, routes })}`
  console.log(tables)
  if (given.json) await writeFile(given.json, JSON.stringify({ machine, samples }, undefined, 1))
  if (given.docs) await publish('requests', tables)
  process.exitCode = samples.some(sample => sample.errors > 0) ? 1 : 0
}
