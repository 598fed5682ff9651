// One server process: a framework with one variant of tracing, or several side by side. It accounts for its own CPU time.
// node server.cjs '{"framework":"koa","jobs":[{"variant":"bare","dist":"../../dist"}],"ports":{...}}'

const { executionAsyncResource } = require('node:async_hooks')
const { dirname, sep } = require('node:path')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')

const BENCH = dirname(__dirname) + sep
const { framework, jobs, ports } = JSON.parse(process.argv[2])

/**
 * Node 20 makes the object of each process.nextTick with a literal whose speed hangs on a thread: V8 forgets its shape once
 * it has collected garbage some times while no tick was waiting, and from then on each tick of the process takes 250 ns
 * more. Whether that befalls a process is chance; one tick that is kept rules it out for all variants.
 */
function keepTicksFast() {
  process.nextTick(() => {
    keepTicksFast.tick = executionAsyncResource()
  })
}

/** An app has modules of its own, its framework among them: none meets what another has done to Express' prototypes. */
async function openApp({ variant, dist }) {
  for (const path of Object.keys(require.cache)) {
    if (path !== __filename && path.startsWith(BENCH)) delete require.cache[path]
  }
  const { variants } = require('./variants.cjs')
  const { apps, waiting, release } = require('./apps.cjs')
  // Before the framework is required: instrumentation must be there first.
  const {
    fetch = url => globalThis.fetch(url),
    flush,
    ...hooks
  } = await variants[variant].make(framework, { dist, ports })
  const port = await apps[framework]({ ...hooks, fetch }, `http://127.0.0.1:${ports.next}/`)
  return { port, flush, waiting, release }
}

async function main() {
  keepTicksFast()
  const opened = []
  for (const job of jobs) opened.push(await openApp(job))
  process.on('message', async question => {
    // What waits to be exported belongs to the requests that were served.
    if (question !== 'usage') for (const { flush } of opened) await flush?.()
    if (question === 'release') for (const { release } of opened) release()
    if (question === 'heap') await collect()
    const { user, system } = process.cpuUsage()
    const { heapUsed, external } = process.memoryUsage()
    const peak = process.resourceUsage().maxRSS * 1024
    process.send({
      cpu: user + system,
      heap: heapUsed + external,
      peak,
      waiting: opened.flatMap(app => app.waiting).length,
    })
  })
  process.send({ ports: opened.map(({ port }) => port) })
}

/** Twice, since what a finalizer lets go of is only found the next time. */
async function collect() {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc')
  for (let i = 0; i < 2; i++) {
    gc()
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

process.on('disconnect', () => process.exit())
main().catch(error => {
  console.error(error)
  process.exit(1)
})
