// What does one traced call cost? Processes that call another service and do nothing else, beside one with a plain fetch.
// node bench/fetch.js --help

import { createRequire } from 'node:module'
import { listed, readOptions } from './command.js'
import { describeMachine, publish } from './machine.js'
import { CALLS, measureRoute, openCaller, openWorld, pinned, prepare, rotate, spread } from './rounds.js'
import { number, table, withRange } from './tables.js'

const { callers } = createRequire(import.meta.url)('./requests/callers.cjs')
const BARE = 'bare'
const PEER = 'opentelemetry'
const NAMES = Object.keys(callers).filter(name => name !== BARE)

const HELP = `npm run bench:fetch -- [options]
  --rounds 10            how many rounds, each with fresh processes
  --seconds 2            how long each variant is measured in each round
  --warm-up 20000        how many calls are made before
  --variants ${NAMES.join(',')}
  --docs                 puts the table into docs/performance.md`

const given = readOptions(HELP, {
  rounds: '10',
  seconds: '2',
  'warm-up': '20000',
  variants: NAMES.join(','),
  docs: false,
})

await main()

async function main() {
  const dist = prepare()
  const rounds = Number(given.rounds)
  const seconds = Number(given.seconds)
  const names = listed(given.variants, NAMES, '--variants')
  const samples = new Map(names.map(name => [name, []]))
  const world = await openWorld()
  await world.load.ask({ awake: true })
  for (let round = 0; round < rounds; round++) {
    const bare = await openCaller(world, { variant: BARE, dist }, Number(given['warm-up']))
    for (const variant of rotate(names, round)) {
      const caller = await openCaller(world, { variant, dist }, Number(given['warm-up']))
      const [, sample] = await measureRoute([bare, caller], CALLS, seconds)
      samples.get(variant).push(sample)
      await caller.close()
    }
    await bare.close()
    console.error(`round ${round + 1} of ${rounds}`)
  }
  await world.close()

  const text = `${describeMachine({ pinned, rounds, seconds })}\n\n${tableOf(samples)}`
  console.log(text)
  if (given.docs) await publish('fetch', text)
  process.exitCode = [...samples.values()].flat().some(sample => sample.errors > 0) ? 1 : 0
}

function tableOf(samples) {
  const added = variant => samples.get(variant)?.map(({ cpu, bareCpu }) => cpu - bareCpu)
  const rows = [...samples].map(([variant, seen]) => {
    const of = value => spread(seen.map(value))
    const share = added(PEER) && spread(added(variant).map((more, i) => more / added(PEER)[i]))
    return [
      callers[variant].label,
      withRange(of(({ cpu, bareCpu }) => cpu / bareCpu)),
      withRange(spread(added(variant)), 1),
      share === undefined ? '' : withRange(share),
      number(of(({ spans }) => spans).median),
      number(of(({ calls, tracedCalls }) => tracedCalls / calls).median),
      seen.reduce((sum, { errors }) => sum + errors, 0),
    ]
  })
  return table(['one call', 'x bare', '+ us', "of OpenTelemetry's", 'spans', 'with a header', 'errors'], rows)
}
