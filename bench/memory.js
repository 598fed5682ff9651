// What does tracing keep? The heap after many requests, after many that were aborted, and for each request in flight,
// always after a garbage collection. node bench/memory.js --help

import { listed, readOptions } from './command.js'
import { publish } from './machine.js'
import { FRAMEWORKS, openServer, openWorld, prepare, variants } from './rounds.js'
import { table } from './tables.js'

const DEFAULT_VARIANTS =
  'bare,none,unsampled,sampled,jaeger,opentelemetry-bridge,smallest,smallest-jaeger,opentelemetry,dd-trace'

const HELP = `node bench/memory.js [options]
  --requests 200000      answered requests
  --aborted 2000         requests whose client hangs up, each on a connection of its own: slow
  --flying 1000          requests in flight
  --framework fastify    ${FRAMEWORKS.join(', ')}
  --variants ${DEFAULT_VARIANTS}
  --docs                 puts the table into docs/performance.md`

const given = readOptions(HELP, {
  requests: '200000',
  aborted: '2000',
  flying: '1000',
  framework: 'fastify',
  variants: DEFAULT_VARIANTS,
  docs: false,
})

await main()

async function main() {
  const dist = prepare()
  const requests = Number(given.requests)
  const aborted = Number(given.aborted)
  const flying = Number(given.flying)
  const names = listed(given.variants, Object.keys(variants), '--variants')
  const world = await openWorld()
  const rows = []
  for (const variant of names) {
    const job = { framework: given.framework, variant, dist }
    const seen = await measure(world, job, { requests, aborted, flying })
    rows.push([
      variants[variant].label,
      megabytes(seen.warm),
      signed((seen.served - seen.warm) / 1024),
      signed((seen.left - seen.served) / aborted),
      ((seen.inFlight - seen.left) / flying).toFixed(0),
      megabytes(seen.peak),
    ])
    console.error(`${variant} done`)
  }
  await world.close()
  const head = [
    given.framework,
    'heap, MB',
    `after ${requests} more requests, KB`,
    'for each aborted request, bytes',
    `for each of ${flying} requests in flight, bytes`,
    'peak of resident memory, MB',
  ]
  const result = table(head, rows)
  console.log(result)
  if (given.docs) await publish('memory', result)
}

async function measure(world, job, { requests, aborted, flying }) {
  const server = await openServer(world, job, ['/users/:id'])
  const heap = async () => (await server.ask('heap')).heap
  await server.request('/users/:id', { requests: 20_000 })
  // Aborts warm up too: what is made once for the first of them is no leak.
  await abort(server, 2_000)
  const warm = await heap()
  await server.request('/users/:id', { requests })
  const served = await heap()
  await abort(server, aborted)
  const left = await heap()
  const answered = server.request('/wait', { connections: flying, requests: flying })
  while ((await server.ask('usage')).waiting < flying) await new Promise(resolve => setTimeout(resolve, 20))
  const { heap: inFlight, peak } = await server.ask('heap')
  await server.ask('release')
  const { errors, firstError } = await answered
  if (errors > 0) throw new Error(`${job.variant}: ${errors} errors, first ${firstError}`)
  await server.close()
  return { warm, served, left, inFlight, peak }
}

async function abort(server, requests) {
  await server.request('/wait', { requests, leave: true })
  await server.ask('release')
}

function megabytes(bytes) {
  return (bytes / 2 ** 20).toFixed(1)
}

function signed(value) {
  return `${value < 0 ? '' : '+'}${value.toFixed(0)}`
}
