// What does one span cost? Start (child of a parent), eight tags, finish, and its share of the encoded batch, in CPU time
// and allocated bytes, beside the peers; and what does a trace header cost? node bench/span.js --help

import { measureAlone } from './alone.js'
import { readOptions } from './command.js'
import { prepare, rotate, spread } from './rounds.js'
import { cases } from './span-cases.js'
import { table, withRange } from './tables.js'

const HELP = `node bench/span.js [options]
  --rounds 7        how many rounds, each with a fresh process for each case
  --spans 300000    spans measured for time in each process (a tenth of them for bytes)
  --cases ${Object.keys(cases).join(',')}`

/** What we hold ourselves to: a case of ours, a peer's, and the most that ours may cost of it. */
const TARGETS = [
  ['ours: OTLP protobuf', 'OpenTelemetry: OTLP protobuf', 1 / 5],
  ['ours: OTLP protobuf', 'jaeger-client: thrift', 1 / 12],
  ['ours: not sampled', 'OpenTelemetry: no processor', 1 / 6],
  ['ours: traceparent in and out', 'OpenTelemetry: traceparent in and out', 1 / 2],
]

const given = readOptions(HELP, {
  rounds: '7',
  spans: '300000',
  cases: Object.keys(cases).join(','),
})

main()

function main() {
  const dist = prepare()
  const rounds = Number(given.rounds)
  const names = given.cases.split(',').map(name => name.trim())
  const samples = new Map(names.map(name => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of rotate(names, round)) {
      samples.get(name).push({ ...measure(name, dist, 'time'), ...measure(name, dist, 'bytes') })
    }
    console.error(`round ${round + 1} of ${rounds}`)
  }
  const rows = names.map(name => {
    const of = key => spread(samples.get(name).map(sample => sample[key]))
    return [name, withRange(of('ns'), 0), of('bytes').median.toFixed(0)]
  })
  console.log(`${table(['one span, or one header', 'ns of CPU', 'bytes allocated'], rows)}\n`)
  const verdicts = TARGETS.filter(([ours, peer]) => samples.has(ours) && samples.has(peer)).map(
    ([ours, peer, target]) => {
      const cells = ['ns', 'bytes'].map(key => {
        // The ratio is formed within each round: what else the machine did then met both.
        const ratio = spread(
          samples.get(ours).map((sample, round) => sample[key] / samples.get(peer)[round][key]),
        ).median
        return `1/${(1 / ratio).toFixed(1)} of 1/${(1 / target).toFixed(0)}: ${ratio <= target ? 'met' : '**missed**'}`
      })
      return [`${ours}, as a share of ${peer}`, ...cells]
    },
  )
  console.log(table(['target', 'ns of CPU', 'bytes allocated'], verdicts))
}

function measure(name, dist, what) {
  return measureAlone('./span-process.js', what, [name, what, given.spans, dist])
}
