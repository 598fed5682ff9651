// One process that calls another service with one variant of tracing, and no server in it. It accounts for its own CPU time.
// node caller.cjs '{"variant":"sampled","dist":"../../dist","ports":{...}}'

const { callers } = require('./callers.cjs')

const { variant, dist, ports } = JSON.parse(process.argv[2])
const CONNECTIONS = 32

async function main() {
  const {
    inside = run => run(),
    fetch = url => globalThis.fetch(url),
    flush,
  } = await callers[variant].make({ dist, ports })
  const url = `http://127.0.0.1:${ports.next}/`

  /** For `milliseconds` or `requests`; each connection's calls are made in a span of their own. */
  async function call({ milliseconds = Infinity, requests: count = Infinity }) {
    const start = performance.now()
    const latencies = []
    const errors = []
    let left = count
    const oneAfterTheOther = async () => {
      for (let asked = performance.now(); asked < start + milliseconds && left-- > 0; ) {
        try {
          const answer = await fetch(url)
          const { hello } = await answer.json()
          if (hello !== 'world') throw new Error(`it says hello to ${hello}`)
        } catch (error) {
          errors.push(String(error))
        }
        const answered = performance.now()
        latencies.push(answered - asked)
        asked = answered
      }
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, () => inside(oneAfterTheOther)))
    latencies.sort((a, b) => a - b)
    return {
      requests: latencies.length,
      errors: errors.length,
      firstError: errors[0],
      milliseconds: performance.now() - start,
      p50: latencies[Math.floor(latencies.length * 0.5)],
      p99: latencies[Math.floor(latencies.length * 0.99)],
    }
  }

  process.on('message', async question => {
    if (question === 'flush') await flush?.()
    const served = typeof question === 'object' ? await call(question) : {}
    const { user, system } = process.cpuUsage()
    process.send({ ...served, cpu: user + system, peak: process.resourceUsage().maxRSS * 1024 })
  })
  process.send('ready')
}

process.on('disconnect', () => process.exit())
main().catch(error => {
  console.error(error)
  process.exit(1)
})
