// One server process: a framework with one variant of tracing. It accounts for its own CPU time.
// node server.cjs '{"framework":"koa","variant":"bare","dist":"../../dist","ports":{...}}'

const { executionAsyncResource } = require('node:async_hooks')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')
const { apps, waiting, release } = require('./apps.cjs')
const { variants } = require('./variants.cjs')

const { framework, variant, ...surroundings } = JSON.parse(process.argv[2])

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

async function main() {
  keepTicksFast()
  // Before the framework is required: instrumentation must be there first.
  const {
    fetch = url => globalThis.fetch(url),
    flush,
    ...hooks
  } = await variants[variant].make(framework, surroundings)
  const port = await apps[framework]({ ...hooks, fetch }, `http://127.0.0.1:${surroundings.ports.next}/`)
  process.on('message', async question => {
    // What waits to be exported belongs to the requests that were served.
    if (question !== 'usage') await flush?.()
    if (question === 'release') release()
    if (question === 'heap') await collect()
    const { user, system } = process.cpuUsage()
    const { heapUsed, external } = process.memoryUsage()
    const peak = process.resourceUsage().maxRSS * 1024
    process.send({ cpu: user + system, heap: heapUsed + external, peak, waiting: waiting.length })
  })
  process.send({ port })
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
