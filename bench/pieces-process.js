// One case in a process of its own: node pieces-process.js GROUP CASE time|bytes OPERATIONS DIST, the result as JSON.

import { PerformanceObserver } from 'node:perf_hooks'
import { groups } from './pieces-cases.js'

const [group, name, what, operations, dist] = process.argv.slice(2)
const TURN = 256
const PIECES = 8

const { run, without, isAsync } = await groups[group].cases[name](dist)
let last

/** In turns of the event loop, as the requests of a server come. */
async function repeat(operation, count) {
  for (let done = 0; done < count; done += TURN) {
    if (isAsync) for (let i = 0; i < TURN; i++) last = await operation(done + i)
    else for (let i = 0; i < TURN; i++) last = operation(done + i)
    await new Promise(setImmediate)
  }
}

/** CPU nanoseconds per operation. The machine has other things to do as well: of several pieces, a quiet one. */
async function time(operation) {
  const count = Math.ceil(Number(operations) / PIECES / TURN) * TURN
  const pieces = []
  for (let piece = 0; piece < PIECES; piece++) {
    const start = process.cpuUsage()
    await repeat(operation, count)
    const { user, system } = process.cpuUsage(start)
    pieces.push(((user + system) * 1000) / count)
  }
  return pieces.sort((a, b) => a - b)[2]
}

async function bytes(operation) {
  const count = 64 * TURN
  const start = process.memoryUsage().heapUsed
  await repeat(operation, count)
  return (process.memoryUsage().heapUsed - start) / count
}

let collections = 0
const observer = new PerformanceObserver(list => {
  collections += list.getEntries().length
})

const measure = { time, bytes }[what]
for (const operation of [run, without]) if (operation) await repeat(operation, 60_000)
global.gc()
await new Promise(setImmediate)
observer.observe({ entryTypes: ['gc'] })
const result = (await measure(run)) - (without ? await measure(without) : 0)
await new Promise(resolve => setTimeout(resolve, 10))
if (what === 'bytes' && collections > 0)
  throw new Error('something was collected: fewer operations, or a larger young generation')
if (last === undefined) throw new Error('it gave nothing')
console.log(JSON.stringify({ [what]: result }))
process.exit(0)
