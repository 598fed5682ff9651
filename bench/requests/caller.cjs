// One process that calls another service with one variant of tracing, and no server in it. It accounts for its own CPU time.
// node caller.cjs '{"variant":"sampled","dist":"../../dist","ports":{...}}'

const { callers } = require('./callers.cjs')

const { variant, dist, ports } = JSON.parse(process.argv[2])

async function main() {
  const {
    inside = run => run(),
    fetch = url => globalThis.fetch(url),
    flush,
  } = await callers[variant].make({ dist, ports })
  const url = `http://127.0.0.1:${ports.next}/`

  /** For `milliseconds` or `requests`; each connection's calls are made in a span of their own. */
  async function call({ connections, milliseconds = Infinity, requests: count = Infinity }) {
    const end = performance.now() + milliseconds
    const errors = []
    let left = count
    let requests = 0
    const oneAfterTheOther = async () => {
      while (performance.now() < end && left-- > 0) {
        requests++
        try {
          const answer = await fetch(url)
          const { hello } = await answer.json()
          if (hello !== 'world') throw new Error(`it says hello to ${hello}`)
        } catch (error) {
          errors.push(String(error))
        }
      }
    }
    await Promise.all(Array.from({ length: connections }, () => inside(oneAfterTheOther)))
    return { requests, errors: errors.length, firstError: errors[0] }
  }

  process.on('message', async question => {
    if (question === 'flush') await flush?.()
    const served = typeof question === 'object' ? await call(question) : {}
    const { user, system } = process.cpuUsage()
    process.send({ ...served, cpu: user + system })
  })
  process.send('ready')
}

process.on('disconnect', () => process.exit())
main().catch(error => {
  console.error(error)
  process.exit(1)
})
