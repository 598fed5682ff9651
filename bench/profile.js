// Where does the time go? The same server processes as in requests.js, sampled by V8's profiler: microseconds per request,
// by whose code it is, and the functions of ours that take most. node bench/profile.js --help

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listed, readOptions } from './command.js'
import { FRAMEWORKS, openServer, openWorld, prepare, variants } from './rounds.js'
import { number, table } from './tables.js'

const HELP = `node bench/profile.js [options]
  --frameworks ${FRAMEWORKS.join(',')}
  --variants bare,smallest,hollow,unsampled,sampled   of ${Object.keys(variants).join(',')}
  --route /hello
  --requests 150000      how many are sampled
  --functions 12         how many of our functions are listed
A profiler slows down what it looks at, some of it more than the rest: compare the columns, not with requests.js.`

const given = readOptions(HELP, {
  frameworks: FRAMEWORKS.join(','),
  variants: 'bare,smallest,hollow,unsampled,sampled',
  route: '/hello',
  requests: '150000',
  functions: '12',
})

await main()

async function main() {
  const dist = prepare()
  const names = listed(given.variants, Object.keys(variants), '--variants')
  for (const framework of listed(given.frameworks, FRAMEWORKS, '--frameworks')) {
    const profiles = []
    for (const variant of names) profiles.push(await profile({ framework, variant, dist }))
    console.log(`${table([framework, ...names], rowsOf(profiles))}\n`)
    const ours = largest(profiles.at(-1).functions)
    console.log(`${table([`ours in ${names.at(-1)}`, 'us per request'], ours)}\n`)
  }
}

/** Microseconds per request: by owner, and for each of our functions. */
async function profile(job) {
  const folder = await mkdtemp(join(tmpdir(), 'tracing-middleware-profile-'))
  const world = await openWorld()
  try {
    const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=250']
    const server = await openServer(world, job, [given.route], { flags })
    const before = await server.cpu()
    const { requests } = await server.request(given.route, { requests: Number(given.requests) })
    const { cpu } = await server.flush()
    await server.close()
    const [file] = await readdir(folder)
    return summed(JSON.parse(await readFile(join(folder, file), 'utf8')), (cpu - before) / requests)
  } finally {
    await world.close()
    await rm(folder, { recursive: true })
  }
}

/** The samples' shares of what a request costs. */
function summed({ nodes, samples, timeDeltas, startTime, endTime }, perRequest) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  // The start of the process and its warm-up are left out: what counts is the last part, in which V8 has compiled it all.
  const from = startTime + (endTime - startTime) / 3
  const owners = new Map()
  const functions = new Map()
  const add = (map, key, time) => map.set(key, (map.get(key) ?? 0) + time)
  let now = startTime
  let busy = 0
  samples.forEach((id, i) => {
    now += timeDeltas[i]
    const frame = frames.get(id)
    if (frame.functionName === '(idle)' || now < from) return
    busy += timeDeltas[i]
    const owner = ownerOf(frame)
    add(owners, owner, timeDeltas[i])
    if (owner.startsWith('ours')) add(functions, `${owner.slice(6)}: ${frame.functionName}`, timeDeltas[i])
  })
  const shares = map => new Map([...map].map(([key, time]) => [key, (time / busy) * perRequest]))
  return { owners: shares(owners), functions: shares(functions) }
}

function ownerOf({ url, functionName }) {
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (url === '' || functionName === '(program)') return "native code: V8, sockets, the kernel's part"
  if (url.startsWith('node:')) return "Node's JavaScript"
  const ours = /\/dist\/(?:cjs\/)?([a-z]+)\//.exec(url)
  if (ours && !url.includes('node_modules')) return `ours: ${ours[1]}`
  return url.includes('node_modules') ? 'packages' : "the app's own"
}

function rowsOf(profiles) {
  const owners = [...new Set(profiles.flatMap(({ owners }) => [...owners.keys()]))].sort()
  const rows = owners.map(owner => [owner, ...profiles.map(each => number(each.owners.get(owner) ?? 0, 2))])
  const sums = profiles.map(({ owners }) =>
    number(
      [...owners.values()].reduce((a, b) => a + b, 0),
      2,
    ),
  )
  return [...rows, ['all', ...sums]]
}

function largest(functions) {
  return [...functions]
    .sort(([, a], [, b]) => b - a)
    .slice(0, Number(given.functions))
    .map(([name, time]) => [name, number(time, 2)])
}
