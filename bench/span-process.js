// One case in a process of its own: node span-process.js CASE time|bytes SPANS DIST, the result as JSON.

import { PerformanceObserver } from 'node:perf_hooks'
import { cases } from './span-cases.js'

const [name, what, spans, dist] = process.argv.slice(2)
const BATCH = 512

const { make, finished } = await cases[name](dist)

/** Whole batches, with a turn of the event loop after each, in which a batch that is due gets encoded. */
async function run(count) {
  for (let done = 0; done < count; done += BATCH) {
    for (let i = 0; i < BATCH; i++) make(done + i)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
  }
}

await run(100_000)
const before = finished?.()
global.gc()

if (what === 'time') {
  const count = Number(spans)
  const start = process.cpuUsage()
  await run(count)
  const { user, system } = process.cpuUsage(start)
  report({ ns: ((user + system) * 1000) / count }, count)
} else {
  const count = Number(spans) / 10
  let collections = 0
  const observer = new PerformanceObserver(list => {
    collections += list.getEntries().length
  })
  observer.observe({ entryTypes: ['gc'] })
  const start = process.memoryUsage()
  await run(count)
  const end = process.memoryUsage()
  await new Promise(resolve => setTimeout(resolve, 10))
  if (collections > 0) throw new Error('something was collected: fewer spans, or a larger young generation')
  const bytes = end.heapUsed - start.heapUsed + end.arrayBuffers - start.arrayBuffers
  report({ bytes: bytes / count }, count)
}

function report(result, count) {
  const whole = Math.ceil(count / BATCH) * BATCH
  // A case that loses spans, or encodes nothing, is not fast.
  if (finished && finished() - before < whole - BATCH)
    throw new Error(`only ${finished() - before} of ${whole} spans were encoded`)
  console.log(JSON.stringify(result))
  process.exit(0)
}
