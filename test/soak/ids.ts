// A hundred million ids of our tracer: none is zero, none comes again. Looked for among all of them: the 65,536 that came
// first; and by sampling: every hundredth against every other. Every bit is set as often as not.
//
//   node --import tsx test/soak/ids.ts [--ids 100000000]

import { parseArgs } from 'node:util'
import type { LeanSpanContext } from '../../src/tracer/context.ts'
import { createTracer, neverSampler } from '../../src/tracer/index.ts'

const { values } = parseArgs({ options: { ids: { type: 'string', default: '100000000' } } })
const ids = Number(values.ids)
if (!Number.isInteger(ids) || ids < 1000) throw new Error('--ids: a whole number from 1000')

const FIRST = 65_536
const SAMPLED = 100

const tracer = createTracer({ serviceName: 'ids', exporter: { export() {} }, sampler: neverSampler() })
const first = new Map<number, number>()
const sample = new BigInt64Array(Math.floor(ids / SAMPLED))
const ones = new Float64Array(64)
let zeros = 0
let repeats = 0
const start = performance.now()

for (let i = 0; i < ids; i++) {
  const { high, low } = tracer.startSpan('any').context() as LeanSpanContext
  if ((high | low) === 0) zeros++
  if (i < FIRST) first.set(high, low)
  else if (first.get(high) === low) repeats++
  if (i % SAMPLED !== 0) continue
  sample[i / SAMPLED] = (BigInt(high) << 32n) | BigInt(low >>> 0)
  for (let bit = 0; bit < 32; bit++) {
    ones[bit] = (ones[bit] as number) + ((low >>> bit) & 1)
    ones[bit + 32] = (ones[bit + 32] as number) + ((high >>> bit) & 1)
  }
}

sample.sort()
for (let i = 1; i < sample.length; i++) if (sample[i] === sample[i - 1]) repeats++
const half = sample.length / 2
const worst = Math.max(...ones.map(count => Math.abs(count - half))) / Math.sqrt(sample.length / 4)

console.log(
  `${ids} ids in ${Math.round((performance.now() - start) / 1000)} s: ${zeros} zeros, ${repeats} repeats, ` +
    `the least balanced bit ${worst.toFixed(1)} standard deviations off`,
)
await tracer.close()
if (zeros > 0 || repeats > 0 || worst > 6) process.exitCode = 1
