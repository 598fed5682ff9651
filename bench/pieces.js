// What does each piece cost? CPU time and allocated bytes per operation, beside a peer's same operation.
// node bench/pieces.js --help

import { measureAlone } from './alone.js'
import { readOptions } from './command.js'
import { publish } from './machine.js'
import { groups } from './pieces-cases.js'
import { prepare, rotate, spread } from './rounds.js'
import { table, withRange } from './tables.js'

const HELP = `node bench/pieces.js [options]
  --rounds 5             how many rounds, each with a fresh process for each case
  --operations 400000    operations measured for time in each process
  --only TEXT            groups whose name holds the text
  --docs                 puts the tables into docs/performance.md
groups: ${Object.keys(groups).join('; ')}`

const given = readOptions(HELP, {
  rounds: '5',
  operations: '400000',
  only: '',
  docs: false,
})

await main()

async function main() {
  const dist = prepare()
  const tables = []
  for (const [group, { without, cases }] of Object.entries(groups)) {
    if (!group.includes(given.only)) continue
    tables.push(groupTable(group, without, measureGroup(group, Object.keys(cases), dist)))
    console.log(`${tables.at(-1)}\n`)
  }
  if (given.docs) await publish('pieces', tables.join('\n\n'))
}

function measureGroup(group, names, dist) {
  const samples = new Map(names.map(name => [name, []]))
  for (let round = 0; round < Number(given.rounds); round++) {
    for (const name of rotate(names, round)) {
      samples
        .get(name)
        .push({ ...measure(group, name, 'time', dist), ...measure(group, name, 'bytes', dist) })
    }
  }
  return samples
}

/** With `without`, what that case costs in the same round is taken off the others. */
function groupTable(group, without, samples) {
  const rows = [...samples].map(([name, rounds]) => {
    const base = key => (round, i) =>
      round[key] - (without === undefined || name === without ? 0 : samples.get(without)[i][key])
    const ns = spread(rounds.map(base('time')))
    const bytes = spread(rounds.map(base('bytes')))
    return [name, withRange(ns, 0), bytes.median.toFixed(0)]
  })
  const unit = without === undefined ? 'ns' : `ns, above ${without}`
  return table([group, unit, 'bytes'], rows)
}

function measure(group, name, what, dist) {
  return measureAlone('./pieces-process.js', what, [group, name, what, given.operations, dist])
}
