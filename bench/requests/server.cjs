// One server process: a framework with one variant of tracing. It accounts for its own CPU time.
// node server.cjs '{"framework":"koa","variant":"bare","dist":"../../dist","ports":{...}}'

const { apps } = require('./apps.cjs')
const { variants } = require('./variants.cjs')

const { framework, variant, ...surroundings } = JSON.parse(process.argv[2])

async function main() {
  // Before the framework is required: instrumentation must be there first.
  const {
    fetch = url => globalThis.fetch(url),
    flush,
    ...hooks
  } = await variants[variant].make(framework, surroundings)
  const port = await apps[framework]({ ...hooks, fetch }, `http://127.0.0.1:${surroundings.ports.next}/`)
  process.on('message', async question => {
    // What waits to be exported belongs to the requests that were served.
    if (question === 'flush') await flush?.()
    const { user, system } = process.cpuUsage()
    process.send({ cpu: user + system, rss: process.memoryUsage.rss() })
  })
  process.send({ port })
}

process.on('disconnect', () => process.exit())
main().catch(error => {
  console.error(error)
  process.exit(1)
})
