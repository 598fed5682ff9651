// How many instructions does a request take, and how many lines of code and data does it fetch? Counted by Valgrind, which
// runs the server on a processor of its own making, where no other work of the machine disturbs it. What the kernel does is
// not counted; garbage collection and V8's compiling are. node bench/instructions.js --help

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listed, readOptions } from './command.js'
import { FRAMEWORKS, openServer, openWorld, prepare, variants } from './rounds.js'
import { number, table } from './tables.js'

const HELP = `npm run bench:instructions -- [options]      needs Valgrind
  --frameworks ${FRAMEWORKS.join(',')}
  --variants bare,smallest,unsampled,sampled,smallest-otlp   of ${Object.keys(variants).join(',')}
  --route /hello
  --warm-up 20000        requests before any is counted: some minutes for each variant; with fewer, V8 still compiles
  --requests 2000        so many are counted`

const given = readOptions(HELP, {
  frameworks: FRAMEWORKS.join(','),
  variants: 'bare,smallest,unsampled,sampled,smallest-otlp',
  route: '/hello',
  'warm-up': '20000',
  requests: '2000',
})

// The caches of the first level that most processors have had for years, and a second level of 1 MB.
const CACHES = ['--I1=32768,8,64', '--D1=32768,8,64', '--LL=1048576,8,64']
// Here a request takes some hundred times as long: V8 has to compile after fewer of them.
const EAGER =
  Number.parseInt(process.versions.node, 10) < 24
    ? ['--interrupt-budget=20000']
    : ['--invocation-count-for-turbofan=1000', '--invocation-count-for-maglev=200']

await main()

async function main() {
  if (spawnSync('valgrind', ['--version']).status !== 0)
    throw new Error('valgrind is not there: it is a package of your system')
  const dist = prepare()
  const names = [...new Set(['bare', ...listed(given.variants, Object.keys(variants), '--variants')])]
  for (const framework of listed(given.frameworks, FRAMEWORKS, '--frameworks')) {
    const rows = []
    let bare
    for (const variant of names) {
      const counts = await count({ framework, variant, dist })
      bare ??= counts
      rows.push([variants[variant].label, ...cells(counts, bare)])
      console.error(`${framework}, ${rows.at(-1).join(', ')}`)
    }
    const head = [framework, 'instructions', 'code fetched, lines', 'data fetched, lines']
    console.log(`${table(head, rows)}\n`)
  }
}

function cells(counts, bare) {
  return counts.map((value, i) =>
    counts === bare ? number(value, 0) : `${number(value, 0)} (+${number(value - bare[i], 0)})`,
  )
}

/** Per request: instructions, misses of the first cache for code, and of that for data. */
async function count(job) {
  const folder = await mkdtemp(join(tmpdir(), 'tracing-middleware-instructions-'))
  const world = await openWorld()
  try {
    const file = join(folder, 'counts')
    const under = ['valgrind', '--tool=callgrind', '--quiet', '--smc-check=all-non-file', '--cache-sim=yes']
    const server = await openServer(world, job, [given.route], {
      // One thread collects garbage: here threads take turns, and waiting for each other they count too.
      flags: ['--single-threaded-gc', ...EAGER],
      under: [...under, ...CACHES, `--callgrind-out-file=${file}`],
      warmUp: Number(given['warm-up']),
    })
    const dump = () => execFileSync('callgrind_control', ['--dump', String(server.pid)], { stdio: 'ignore' })
    dump()
    await server.request(given.route, { requests: Number(given.requests) })
    await server.flush()
    dump()
    await server.close()
    const dumps = (await readdir(folder)).filter(name => /\.2$/.test(name))
    return perRequest(await readFile(join(folder, dumps[0]), 'latin1'))
  } finally {
    await world.close()
    await rm(folder, { recursive: true })
  }
}

function perRequest(dump) {
  const [, events] = /^events: (.*)$/m.exec(dump)
  const [, sums] = /^(?:summary|totals): (.*)$/m.exec(dump)
  const values = sums.split(' ').map(Number)
  const of = name => values[events.split(' ').indexOf(name)] / Number(given.requests)
  return [of('Ir'), of('I1mr'), of('D1mr') + of('D1mw')]
}
