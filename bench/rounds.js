// Rounds of whole requests. In each round every job has a fresh server process, and is measured beside a bare one: the two
// take turns so short that whatever else the machine does meets both alike. Only the server that is asked works; each
// accounts for its own CPU time.

import { fork, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

const here = path => fileURLToPath(new URL(path, import.meta.url))
export const { variants } = createRequire(import.meta.url)('./requests/variants.cjs')

export const FRAMEWORKS = ['express', 'koa', 'fastify']
// How often each is asked before anything is measured: what V8 compiles it compiles by count, not by time. On Koa and Node 24,
// what tracing adds was twice as much between 30,000 and 100,000 requests as later on.
const WARM_UP = { '/hello': 100_000, '/users/:id': 100_000, '/chain': 20_000 }
export const ROUTES = Object.keys(WARM_UP)
const CONNECTIONS = 32
/** What a process without a server is asked for, in the place of a route. */
export const CALLS = 'calls'
// Milliseconds.
const TURN = 150
// A server that has waited for seconds is slow at first, on Express by half and for a second. Two servers that take short
// turns keep each other awake.
const UNCOUNTED_TURNS = 6

/** Installs the peers when they are missing, pinned by bench/package-lock.json; gives the folder of the package as users get it. */
export function prepare() {
  installPeers()
  const dist = process.env.BENCH_DIST ?? here('../dist')
  if (!existsSync(`${dist}/tracer/index.js`))
    throw new Error(`${dist} is not there: run "npm run build" first`)
  return dist
}

function installPeers() {
  if (existsSync(here('node_modules/.package-lock.json'))) return
  console.error('installing the peers in bench/node_modules ...')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here('.'), stdio: 'inherit' })
  if (status !== 0) throw new Error('npm ci in bench/ failed')
}

/** Server and clients must not share a core; without `taskset`, or with one core, the operating system decides. */
export const pinned = availableParallelism() > 1 && spawnSync('taskset', ['-c', '1', 'true']).status === 0
const SERVERS = 0
const OTHERS = 1

function start(core, path, { args = [], flags = [], under = [] } = {}) {
  const command = [...under, process.execPath, ...flags]
  const pin = pinned
    ? { execPath: 'taskset', execArgv: ['-c', String(core), ...command] }
    : { execPath: command[0], execArgv: command.slice(1) }
  const child = fork(path, args, { ...pin, env: { ...process.env, NODE_ENV: 'production' } })
  const answer = () =>
    new Promise((resolve, reject) => {
      const exited = code => reject(new Error(`${path} ${args} ended with ${code}`))
      child.once('exit', exited)
      child.once('message', message => {
        child.off('exit', exited)
        resolve(message)
      })
    })
  let last = Promise.resolve()
  // One question after the other: the answers bear no names.
  const ask = question => {
    last = last.then(() => {
      const answered = answer()
      child.send(question)
      return answered
    })
    return last
  }
  const end = () =>
    new Promise(resolve => {
      child.once('exit', resolve)
      child.disconnect()
    })
  return { pid: child.pid, answer, ask, end }
}

/** The clients, the service that they are sent on to, and the collectors: for all rounds of a run. */
export async function openWorld() {
  const load = start(OTHERS, here('requests/load.js'))
  const backends = start(OTHERS, here('requests/backends.js'))
  return { load, backends, close: () => Promise.all([load.end(), backends.end()]) }
}

/**
 * One round.
 *
 * @param jobs of { framework, variant, dist }, all of one framework; the bare one is what the others are measured beside
 * @param options { routes, seconds }: each job is asked each route for so long, in turns with the bare server
 * @returns for each job and route a sample of it, and one of the bare server beside it
 */
export async function runRound(world, jobs, { routes, seconds }) {
  const [{ framework, dist }] = jobs
  const bare = await openServer(world, { framework, variant: 'bare', dist }, routes)
  const samples = []
  let server
  try {
    for (const job of jobs) {
      if (job.variant === 'bare') continue
      server = await openServer(world, job, routes)
      for (const path of routes) samples.push(...(await measureRoute([bare, server], path, seconds)))
      await server.close()
      server = undefined
    }
    return samples
  } finally {
    await server?.close()
    await bare.close()
  }
}

/**
 * A server process with one variant, warmed up on `routes`.
 *
 * @param job { framework, variant, dist }
 * @param how it runs, all optional: `flags` for its Node, `under` which command, `warmUp` other than usual
 */
export async function openServer(world, job, routes, { warmUp, ...how } = {}) {
  const { requests, ...server } = await openProcess(world, job.framework, [job], how)
  const [request] = requests
  for (const path of routes) await request(path, { requests: warmUp ?? WARM_UP[path] })
  return { job, request, ...server }
}

/**
 * A server process with an app for each job.
 *
 * @param jobs of { variant, dist }
 * @returns `requests`, a function for each job that has its app asked; what else it can be told
 */
export async function openProcess(world, framework, jobs, how) {
  const doors = await openDoors(world)
  const surroundings = {
    framework,
    jobs: jobs.map(({ variant, dist }) => ({ variant, dist })),
    ports: doors.ports,
  }
  const server = start(SERVERS, here('requests/server.cjs'), { args: [JSON.stringify(surroundings)], ...how })
  const { ports } = await server.answer()
  const requests = jobs.map(({ variant }, i) => {
    const { header = 'traceparent', sampled = true } = variants[variant]
    const client = { port: ports[i], header, sampled, connections: CONNECTIONS }
    return (path, until) => world.load.ask({ ...client, path, ...until })
  })
  return { requests, ...handlesOf(server, doors) }
}

/** Collectors and a service to call, for one process that is measured. */
async function openDoors({ load, backends }) {
  const collectors = await backends.ask({ open: true })
  const next = await load.ask({ open: true })
  return {
    ports: { ...collectors.ports, ...next.ports },
    counts: async () => ({
      ...(await backends.ask({ counts: collectors.id })),
      ...(await load.ask({ counts: next.id })),
    }),
    close: async () => {
      await backends.ask({ close: collectors.id })
      await load.ask({ close: next.id })
    },
  }
}

/** What every process that is measured can be told. */
function handlesOf(measured, doors) {
  return {
    pid: measured.pid,
    ask: question => measured.ask(question),
    cpu: async () => (await measured.ask('usage')).cpu,
    /** Has it export everything that waits, and says what it has used until then and what has arrived. */
    flush: async () => ({
      ...(await measured.ask('flush')),
      ...(await doors.counts()),
    }),
    close: async () => {
      await measured.end()
      await doors.close()
    },
  }
}

/**
 * A process that makes calls, warmed up, with the same handles as a server: what it is asked for are calls to the next
 * service. It tells no latencies, and `world.load` must never sleep.
 *
 * @param job { variant, dist }, the variant one of requests/callers.cjs
 */
export async function openCaller(world, job, warmUp) {
  const doors = await openDoors(world)
  const surroundings = { ...job, ports: doors.ports }
  const caller = start(SERVERS, here('requests/caller.cjs'), { args: [JSON.stringify(surroundings)] })
  await caller.answer()
  const request = (_path, until) => caller.ask({ connections: CONNECTIONS, ...until })
  await request(CALLS, { requests: warmUp })
  return { job, request, ...handlesOf(caller, doors) }
}

/**
 * What a server adds to another, measured in turns.
 *
 * @returns a sample of each: see accountOf
 */
export async function measureRoute(servers, path, seconds) {
  // One turn of each server: what each has served, in the order of the servers.
  const askAll = async turn => {
    const served = []
    for (const i of rotate([...servers.keys()], turn)) {
      const answers = await servers[i].request(path, { milliseconds: TURN })
      served[i] = { ...answers, cpu: await servers[i].cpu() }
    }
    return served
  }
  const flushAll = () => Promise.all(servers.map(server => server.flush()))
  // These also warm up again: what the route before has brought into the same functions, V8 answers by compiling them anew.
  for (let turn = 0; turn < UNCOUNTED_TURNS; turn++) await askAll(turn)
  const before = await flushAll()
  const count = Math.max(1, Math.round((seconds * 1000) / TURN))
  const turns = []
  for (let turn = 0; turn < count; turn++) turns.push(await askAll(turn))
  const after = await flushAll()
  const [bare, beside] = servers.map((_, i) =>
    accountOf(
      turns.map(served => served[i]),
      before[i],
      after[i],
    ),
  )
  // Turn by turn, and the median of that: a turn in which the machine had other things to do, or V8 compiled, is no measure.
  const more = median(beside.used.map((cpu, i) => cpu - bare.used[i])) + beside.rest - bare.rest
  const bareCpu = median(bare.used) + bare.rest
  return [
    { ...servers[0].job, path, ...bare.served, cpu: bareCpu, bareCpu },
    { ...servers[1].job, path, ...beside.served, cpu: bareCpu + more, bareCpu },
  ]
}

function accountOf(turns, before, after) {
  const sum = name => turns.reduce((all, turn) => all + turn[name], 0)
  const requests = sum('requests')
  const perRequest = name => (after[name] - before[name]) / requests
  // From the end of one turn to the end of the next: what goes on in the background is counted too.
  const used = turns.map((turn, i) => (turn.cpu - (turns[i - 1] ?? before).cpu) / turn.requests)
  const rest = (after.cpu - turns[turns.length - 1].cpu) / requests
  const served = {
    requests,
    perSecond: requests / (sum('milliseconds') / 1000),
    p50: median(turns.map(turn => turn.p50)),
    p99: median(turns.map(turn => turn.p99)),
    errors: sum('errors') + after.errors - before.errors,
    firstError: turns.find(turn => turn.firstError)?.firstError,
    spans: perRequest('spans'),
    calls: perRequest('calls'),
    tracedCalls: perRequest('tracedCalls'),
    peak: after.peak,
  }
  return { used, rest, served }
}

/** The order of a turn or round: forwards, backwards, then the same from the next one on: nothing always follows the same one. */
export function rotate(jobs, round) {
  const shift = (round >> 1) % jobs.length
  const rotated = [...jobs.slice(shift), ...jobs.slice(0, shift)]
  return round % 2 === 0 ? rotated : rotated.reverse()
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Median and the whole range that was seen. */
export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}
