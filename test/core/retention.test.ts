// What is left of requests that have ended, in a process that can collect garbage: spans, requests, responses.

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { runProgram, source } from '../support/children.ts'

/** What handlers do with objects that outlive their request: source text, run 20 times each. */
const handlers = {
  'a long timer': 'kept.push(setTimeout(() => {}, 60_000))',
  'an interval': 'kept.push(setInterval(() => {}, 60_000))',
  'a pooled object': "kept.push(new AsyncResource('pooled'))",
  'a pooled object made in withSpan':
    "withSpan('a', () => withSpan('b', () => { kept.push(new AsyncResource('pooled')) }))",
  'a pooled object made in withSpan that waits':
    "await withSpan('a', async () => { await sleep(1); kept.push(new AsyncResource('pooled')); await sleep(1) })",
  'a promise that never settles': 'kept.push((async () => { await new Promise(() => {}) })())',
  'a listener on a shared emitter': "bus.on('news', () => {})",
  'a bound listener': "bus.on('news', bindSpan(() => {}))",
  'a listener bound to the active span by name': "bus.on('news', bindSpan(() => {}, activeSpan()))",
  'a connection that is kept alive': 'await (await fetch(echo)).text()',
  'an error that is kept':
    "try { withSpan('fails', () => { throw new Error() }) } catch (error) { kept.push(error) }",
  'the span itself, to see that the test can fail': 'kept.push(activeSpan())',
}

interface Left {
  made: number
  span: number
  req: number
  res: number
}

const program = `
  import { AsyncResource } from 'node:async_hooks'
  import { EventEmitter } from 'node:events'
  import { setTimeout as sleep } from 'node:timers/promises'
  import { setFlagsFromString } from 'node:v8'
  import { runInNewContext } from 'node:vm'
  import opentracing from 'opentracing'
  import { activeSpan, bindSpan, withSpan } from '${source}/index.ts'
  import { recordingTracer } from '${source}/testing/index.ts'
  import { plainServer } from '${source.replace(/src$/, 'test')}/support/plain-server.ts'

  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc')
  const tracer = recordingTracer()
  opentracing.initGlobalTracer(tracer)
  let refs
  const { startSpan } = tracer
  tracer.startSpan = function (...args) {
    const span = startSpan.apply(this, args)
    refs.span.push(new WeakRef(span))
    return span
  }
  const kept = []
  const bus = new EventEmitter().setMaxListeners(0)
  const echoServer = await plainServer(() => 'x', 'untraced')
  const echo = 'http://127.0.0.1:' + echoServer.port
  const left = {}
  for (const [title, handler] of Object.entries({
    ${Object.entries(handlers)
      .map(([title, handler]) => `${JSON.stringify(title)}: async () => { ${handler} }`)
      .join(',\n')}
  })) {
    refs = { span: [], req: [], res: [] }
    const server = await plainServer(async (req, res) => {
      refs.req.push(new WeakRef(req))
      refs.res.push(new WeakRef(res))
      await handler()
      return 'x'
    }, { tracer })
    for (let i = 0; i < 20; i++) await (await fetch('http://127.0.0.1:' + server.port)).text()
    await server.close()
    tracer.clear()
    for (let i = 0; i < 6; i++) { await sleep(2); gc() }
    const alive = name => refs[name].filter(ref => ref.deref() !== undefined).length
    left[title] = { made: refs.span.length, span: alive('span'), req: alive('req'), res: alive('res') }
  }
  console.log(JSON.stringify(left))
  process.exit(kept.length > 0 ? 0 : 1)
`

describe('F096: a finished request keeps no span, request or response alive, whatever it leaves behind', () => {
  let left: Record<string, Left>
  before(async () => {
    const { stdout, stderr, code } = await runProgram(program)
    assert.equal(code, 0, stderr)
    left = JSON.parse(stdout)
  })
  for (const title of Object.keys(handlers)) {
    test(title, () => {
      const { made, ...alive } = left[title] as Left
      assert.ok(made >= 20, `${made} spans were made`)
      assert.deepEqual(alive, { span: title.startsWith('the span itself') ? 20 : 0, req: 0, res: 0 })
    })
  }
})
