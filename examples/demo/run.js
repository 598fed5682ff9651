// `npm run demo`: three services in three frameworks, three real requests, and the trace of each.
//
//   --once              ends after the traffic, with status 1 if a trace is not whole
//   --tracer ours       our own tracer, OTLP over HTTP (the default)
//   --tracer jaeger     jaeger-client, thrift over HTTP
//   --tracer mixed      jaeger-client in orders, ours in the others

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { drawTrace, startViewer } from 'tracing-viewer'
import { missingFrom, stories } from './stories.js'

const { values: options } = parseArgs({
  options: { once: { type: 'boolean', default: false }, tracer: { type: 'string', default: 'ours' } },
})
if (!['ours', 'jaeger', 'mixed'].includes(options.tracer)) {
  console.error(`--tracer must be ours, jaeger or mixed, not '${options.tracer}'`)
  process.exit(2)
}

// The standard ports, so that other services can send there too; free ports with --once, or when a standard port is in
// use.
const free = { otlp: 0, jaeger: 0, jaegerCompact: 0, jaegerBinary: 0, zipkin: 0, page: 0 }
let viewer = await startViewer(options.once ? { ports: free } : {})
if (viewer.problems.length > 0) {
  await viewer.close()
  viewer = await startViewer({ ports: free })
}
const collectors = {
  DEMO_OTLP: `http://127.0.0.1:${viewer.ports.otlp}/v1/traces`,
  DEMO_JAEGER: `http://127.0.0.1:${viewer.ports.jaeger}/api/traces`,
}

const services = []
async function start(name, env = {}) {
  const tracer = options.tracer === 'mixed' ? (name === 'orders' ? 'jaeger' : 'ours') : options.tracer
  const file = fileURLToPath(new URL(`${name}.js`, import.meta.url))
  const service = fork(file, { env: { ...process.env, ...collectors, DEMO_TRACER: tracer, ...env } })
  services.push(service)
  const [message] = await Promise.race([
    once(service, 'message'),
    once(service, 'exit').then(([code]) => {
      throw new Error(`the ${name} service ended with status ${code} before it listened`)
    }),
  ])
  return `http://127.0.0.1:${message.port}`
}

async function stop() {
  for (const service of services) if (service.connected) service.disconnect()
  await viewer.close()
}

try {
  const STOCK = await start('stock')
  const ORDERS = await start('orders', { STOCK })
  const gateway = await start('gateway', { ORDERS })

  let broken = 0
  for (const story of stories) {
    const known = new Set(viewer.traces().map(trace => trace.traceId))
    const outcome = await story.ask(gateway)
    const trace = await newTrace(known, story)
    console.log(`\n${story.title}\n  ${outcome}\n`)
    if (trace === undefined) console.log('  no trace arrived')
    else console.log(drawTrace(trace.spans, { colour: process.stdout.isTTY }).replace(/^/gm, '  '))
    const missing = trace === undefined ? ['the trace'] : missingFrom(trace.spans, story)
    for (const what of missing) console.log(`  ✗ missing: ${what}`)
    broken += missing.length > 0 ? 1 : 0
  }
  console.log(
    broken === 0
      ? `\nAll ${stories.length} traces are whole.`
      : `\n${broken} of ${stories.length} traces are not whole.`,
  )

  if (options.once) {
    process.exitCode = broken === 0 ? 0 : 1
    await stop()
  } else {
    console.log(`\nLook at them: ${viewer.url}   (Ctrl-C ends the demo)`)
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
  }
} catch (error) {
  console.error(error)
  process.exitCode = 1
  await stop()
}

/** The new trace of the story, when it is complete or ten seconds have passed. */
async function newTrace(known, story) {
  const end = Date.now() + 10_000
  for (;;) {
    const trace = viewer.traces().find(({ traceId }) => !known.has(traceId))
    if ((trace && missingFrom(trace.spans, story).length === 0) || Date.now() > end) return trace
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
