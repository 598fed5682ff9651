import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { joinLifecycle } from '../../src/lifecycle/index.ts'
import { runProgram, source } from '../support/children.ts'

const EVENTS = ['beforeExit', 'exit', 'SIGTERM', 'SIGINT', 'uncaughtException', 'unhandledRejection']
const listeners = () => EVENTS.map(event => process.listenerCount(event))
const after = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
const options = (more = {}) => ({
  closeTimeout: 100,
  closeOnSignals: false,
  onFailure: (error: unknown) => assert.fail(String(error)),
  ...more,
})
const idle = { flush: () => undefined, close: () => undefined }

describe('joining and leaving', () => {
  it('F104: joins with one set of handlers for all, and takes them away with the last tracer', async () => {
    const before = listeners()
    const first = joinLifecycle(idle, options())
    assert.deepEqual(listeners(), plus(before, ['beforeExit']))
    const second = joinLifecycle(idle, options({ closeOnSignals: true }))
    const third = joinLifecycle(idle, options({ closeOnSignals: true }))
    assert.deepEqual(listeners(), plus(before, ['beforeExit', 'SIGTERM', 'SIGINT']))
    await second()
    assert.deepEqual(listeners(), plus(before, ['beforeExit', 'SIGTERM', 'SIGINT']))
    await third()
    assert.deepEqual(listeners(), plus(before, ['beforeExit']))
    await first()
    assert.deepEqual(listeners(), before)
  })

  it('F102: closes once; the same promise every time', async () => {
    let closed = 0
    const close = joinLifecycle(
      {
        flush: () => undefined,
        close: async () => {
          closed++
          await after(5)
        },
      },
      options(),
    )
    assert.equal(close(), close())
    await close()
    await close()
    assert.equal(closed, 1)
  })

  it('F050: close resolves when the deadline has passed', async () => {
    const start = performance.now()
    await joinLifecycle({ ...idle, close: () => new Promise(() => {}) }, options())()
    const took = performance.now() - start
    assert.ok(took >= 95 && took < 1000, `took ${took} ms`)
  })

  for (const [how, close] of [
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ] as const) {
    it(`F041: close resolves and tells the failure when the tracer's ${how}`, async () => {
      const failures: unknown[] = []
      await joinLifecycle(
        { ...idle, close },
        options({ onFailure: (error: unknown) => failures.push(error) }),
      )()
      assert.deepEqual(failures, [new Error('no')])
    })
  }
})

function plus(counts: number[], events: string[]): number[] {
  return counts.map((count, i) => count + (events.includes(EVENTS[i] as string) ? 1 : 0))
}

/** A program with one tracer that prints what happens to it; flushing takes `takes` ms. */
const program = (
  body: string,
  { first = '', takes = 20, closeTimeout = 1000, closeOnSignals = true } = {},
) => `
  import { onExit } from 'signal-exit'
  import { joinLifecycle } from '${source}/lifecycle/index.ts'
  const say = text => process.stdout.write(text + '\\n')
  ${first}
  let buffered = 1
  const send = () => new Promise(resolve => {
    // Unref'ed like a tracer's own sockets: only the deadline may hold the process.
    setTimeout(() => { say('sent ' + buffered); buffered = 0; resolve() }, ${takes}).unref()
  })
  const close = joinLifecycle(
    { flush: ending => { say('flush ' + ending); return buffered === 0 ? undefined : send() }, close: send },
    { closeTimeout: ${closeTimeout}, closeOnSignals: ${closeOnSignals}, onFailure: say },
  )
  const alive = () => setInterval(() => {}, 1000)
  ${body}
`
const lines = (text: string) => text.trim().split('\n')
const signalled = (signal: NodeJS.Signals) => ({
  whenReady: (kill: (s: NodeJS.Signals) => void) => kill(signal),
})

describe('a natural end', () => {
  it('F058: flushes, then the process ends by itself', async () => {
    const ended = await runProgram(program(''))
    assert.deepEqual(lines(ended.stdout), ['flush true', 'sent 1', 'flush true'])
    assert.deepEqual([ended.code, ended.stderr], [0, ''])
  })

  it('F058: waits for a hung backend no longer than the deadline, once', async () => {
    const ended = await runProgram(program(`say('ready')`, { takes: 60_000, closeTimeout: 300 }))
    assert.equal(ended.code, 0)
    assert.ok(ended.ms >= 250 && ended.ms < 1500, `took ${ended.ms} ms`)
  })

  it('flushes again what other work at the end has left, within the same patience', async () => {
    const ended = await runProgram(
      program(`process.once('beforeExit', () => setTimeout(() => { buffered = 2 }, 100))`),
    )
    assert.deepEqual(lines(ended.stdout), ['flush true', 'sent 1', 'flush true', 'sent 2', 'flush true'])
  })

  it('ends when every end leaves something new', async () => {
    const ended = await runProgram(
      program(`process.prependListener('beforeExit', () => { buffered = 1 }); say('ready')`, {
        closeTimeout: 300,
      }),
    )
    assert.equal(ended.code, 0)
    assert.ok(ended.ms >= 250 && ended.ms < 2000, `took ${ended.ms} ms`)
  })

  it('F102: after close, nothing is flushed', async () => {
    const ended = await runProgram(program('await close(); await close()'))
    assert.deepEqual(lines(ended.stdout), ['sent 1'])
    assert.equal(ended.code, 0)
  })

  it('F103: process.exit and an uncaught error end at once', async () => {
    const exited = await runProgram(program('alive(); process.exit(3)'))
    assert.deepEqual([exited.stdout, exited.code], ['', 3])
    const thrown = await runProgram(program(`alive(); setTimeout(() => { throw new Error('boom') })`))
    assert.deepEqual([thrown.stdout, thrown.code], ['', 1])
    assert.match(thrown.stderr, /boom/)
  })
})

describe('a signal', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`F101: ${signal} flushes, then the process dies of that signal`, async () => {
      const ended = await runProgram(program(`alive(); say('ready')`), signalled(signal))
      assert.deepEqual(lines(ended.stdout), ['ready', 'flush true', 'sent 1'])
      assert.deepEqual([ended.code, ended.signal], [null, signal])
    })
  }

  it('F101: a hung backend delays it by the deadline and no more', async () => {
    const ended = await runProgram(
      program(`alive(); say('ready')`, { takes: 60_000, closeTimeout: 300 }),
      signalled('SIGTERM'),
    )
    assert.equal(ended.signal, 'SIGTERM')
    assert.ok(ended.ms >= 250 && ended.ms < 1500, `took ${ended.ms} ms`)
  })

  it("leaves the end to the app's own handler", async () => {
    const ended = await runProgram(
      program(`
        const work = alive()
        process.on('SIGTERM', () => setTimeout(() => { clearInterval(work); process.exitCode = 7; say('app ends') }, 200))
        say('ready')`),
      signalled('SIGTERM'),
    )
    assert.deepEqual(lines(ended.stdout), ['ready', 'flush false', 'sent 1', 'app ends', 'flush true'])
    assert.deepEqual([ended.code, ended.signal], [7, null])
  })

  it('a second signal ends a flush that hangs', async () => {
    const ended = await runProgram(
      program(`alive(); say('ready')`, {
        takes: 60_000,
        closeTimeout: 10_000,
      }),
      {
        whenReady: kill => {
          kill('SIGINT')
          setTimeout(() => kill('SIGINT'), 300)
        },
      },
    )
    assert.equal(ended.signal, 'SIGINT')
    assert.ok(ended.ms < 5000, `took ${ended.ms} ms`)
  })

  it('F104: does nothing of ours unless asked', async () => {
    const ended = await runProgram(
      program(`alive(); say('ready')`, { closeOnSignals: false }),
      signalled('SIGTERM'),
    )
    assert.deepEqual([ended.stdout, ended.signal], ['ready\n', 'SIGTERM'])
  })

  for (const order of ['before', 'after']) {
    it(`neither waits for signal-exit loaded ${order} the tracer, nor is cut short by it`, async () => {
      const load = `onExit((code, signal) => { say('onExit ' + signal) })`
      const ended = await runProgram(
        program(`${order === 'after' ? load : ''}; alive(); say('ready')`, {
          first: order === 'before' ? load : '',
        }),
        signalled('SIGTERM'),
      )
      assert.deepEqual(lines(ended.stdout), ['ready', 'flush true', 'sent 1', 'onExit SIGTERM'])
      assert.equal(ended.signal, 'SIGTERM')
    })
  }

  it('two tracers flush side by side, one that never answers included', async () => {
    const ended = await runProgram(
      program(`
        joinLifecycle({ flush: () => new Promise(() => {}), close: () => undefined },
          { closeTimeout: 300, closeOnSignals: true, onFailure: say })
        alive()
        say('ready')`),
      signalled('SIGTERM'),
    )
    assert.deepEqual(lines(ended.stdout), ['ready', 'flush true', 'sent 1'])
    assert.equal(ended.signal, 'SIGTERM')
    assert.ok(ended.ms < 1500, `took ${ended.ms} ms`)
  })
})

it('F104: importing the lifecycle installs nothing', async () => {
  const ended = await runProgram(`
    const counts = () => JSON.stringify(process.eventNames().map(name => [String(name), process.listenerCount(name)]))
    const before = counts()
    await import('${source}/lifecycle/index.ts')
    process.stdout.write(String(before === counts()))
  `)
  assert.equal(ended.stdout, 'true')
})
