// F135: options are refused when they are given, loudly and helpfully, and never at request time. F103, F104: what
// importing and dying does.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import { createServerTracing } from '../../../src/core/server/index.ts'
import type { ServerTracingOptions } from '../../../src/core/server/options.ts'
import { tracingMiddleware as expressMiddleware } from '../../../src/express/index.ts'
import { tracingPlugin } from '../../../src/fastify/index.ts'
import { tracingMiddleware as koaMiddleware } from '../../../src/koa/index.ts'
import { recordingTracer } from '../../../src/testing/index.ts'
import { runProgram, source } from '../../support/children.ts'
import { ask } from '../../support/client.ts'
import { plainServer } from '../../support/plain-server.ts'

const framework = { component: 'http', usage: 'made(options)', route: () => undefined, read: () => undefined }
const make = (options: unknown): unknown => createServerTracing(framework, options as never)

type Option = keyof ServerTracingOptions

/** For every option: values of the wrong kind, right ones, and what the error must tell to be of help. */
const OPTIONS: { readonly [K in Option]: { wrong: unknown[]; right: unknown[]; fix: RegExp } } = {
  tracer: {
    wrong: [{}, 'jaeger', () => {}, { startSpan() {} }, [], 0],
    right: [recordingTracer(), { startSpan() {}, inject() {}, extract() {} }],
    fix: /an OpenTracing tracer \(an object with startSpan, inject and extract\)/,
  },
  operationName: {
    wrong: ['', 7, {}, [], true],
    right: ['fixed', () => 'x'],
    fix: /\(\{ method \}\) => method/,
  },
  tags: {
    wrong: ['a', [], 7, new Map(), () => {}, new (class Tags {})()],
    right: [{}, { a: 1 }, Object.create(null)],
    fix: /'service\.tier': 'gold'/,
  },
  ignore: {
    wrong: ['', 'health', 7, {}, ['/ok', 'health'], [null], [undefined], true],
    right: ['/health', '/internal/*', '*', /x/, () => true, [], ['/a', /b/, () => false]],
    fix: /'\/health', '\/internal\/\*'/,
  },
  tracedRequestAttributes: {
    wrong: ['url', [''], [7], {}, [null], new Set(['url']), ['a..b'], ['=x']],
    right: [[], ['url', 'params.id=user.id']],
    fix: /params\.id/,
  },
  decorateSpan: { wrong: ['x', {}, true, []], right: [() => {}], fix: /\(\{ span, phase, request \}\)/ },
  samplingPriority: { wrong: [1, 0, 'x', {}], right: [() => 1], fix: /gives 1, 0 or undefined/ },
  publicEndpoint: {
    wrong: ['yes', 1, 0, {}, []],
    right: [true, false, () => true],
    fix: /true, false or a function/,
  },
  traceResponseHeader: {
    wrong: ['', 'x trace', 'x:trace', 'x\r\ny', 7, true, 'ä'],
    right: ['x-trace-id', 'X-Trace-Id'],
    fix: /'x-trace-id'/,
  },
  isError: { wrong: [500, 'x', true, {}], right: [() => true], fix: /statusCode >= 400/ },
  secretKeys: { wrong: ['iban', [''], [7], {}, [null]], right: [[], ['iban']], fix: /\['iban'\]/ },
  onError: { wrong: ['x', {}, true, console], right: [() => {}], fix: /logger\.warn/ },
} as never

const names = Object.keys(OPTIONS) as Option[]

/** The TypeError that giving `options` throws. */
function refusal(options: unknown): Error {
  try {
    make(options)
  } catch (error) {
    assert.ok(error instanceof TypeError, String(error))
    return error
  }
  throw new Error(`not refused: ${JSON.stringify(options)}`)
}

describe('F135: every option', () => {
  for (const name of names) {
    const { wrong, right, fix } = OPTIONS[name]
    test(`${name}: a wrong value is refused with option, value and fix`, () => {
      for (const value of [...wrong, null]) {
        const { message } = refusal({ [name]: value })
        assert.match(message, fix)
        assert.ok(message.includes(name), message)
        if (!/is no attribute/.test(message)) assert.match(message, /^made\(options\): .* must be .*, not ./s)
        assert.ok(message.length < 400, message)
      }
    })
    test(`${name}: a right value, or undefined, is taken`, () => {
      for (const value of [...right, undefined]) make({ [name]: value })
    })
    test(`${name}: mis-cased, it is refused with the right spelling`, () => {
      for (const wrongName of [
        name.toUpperCase(),
        name.toLowerCase(),
        name[0]?.toUpperCase() + name.slice(1),
      ]) {
        if (wrongName === name) continue
        assert.match(
          refusal({ [wrongName]: OPTIONS[name].right[0] }).message,
          new RegExp(`^made\\(options\\): unknown option '${wrongName}'; did you mean '${name}'\\?$`),
        )
      }
    })
  }

  test('the list above is complete', () => {
    const { message } = refusal({ nonsense: 1 })
    const listed = message.match(/unknown option 'nonsense'; the options are (.*)$/)?.[1]?.split(', ')
    assert.deepEqual(listed?.sort(), [...names].sort())
  })

  test('what is no object of options; the middleware handed over without the call', () => {
    for (const options of [
      null,
      7,
      'x',
      true,
      [],
      () => {},
      new Map(),
      expressMiddleware,
      Object.create({ ignore: [] }),
    ]) {
      assert.match(
        refusal(options).message,
        /^made\(options\) takes an object of options, not .*\. Was the middleware itself handed over\? Write app\.use\(tracingMiddleware\(\)\), with the call\.$/s,
      )
    }
    for (const nothing of [undefined, {}, Object.create(null)]) make(nothing)
  })

  test('keys that every object has are as unknown as others', () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      assert.match(refusal(JSON.parse(`{"${key}": 1}`)).message, /unknown option/)
    }
  })

  test('a value with a secret in it is not shown', () => {
    const { message } = refusal({ tracer: { url: 'https://u:S3CR3T@h/?token=S3CR3T' } })
    assert.equal(message.includes('S3CR3T'), false, message)
  })
})

describe('F135: each adapter refuses at construction', () => {
  test('Express', () => {
    assert.throws(
      () => expressMiddleware({ Ignore: [] } as never),
      /^TypeError: tracingMiddleware\(options\): unknown option 'Ignore'; did you mean 'ignore'\?$/,
    )
    // app.use(tracingMiddleware), without the call, is a call with the request as options.
    const app = express()
    assert.throws(
      () =>
        (expressMiddleware as unknown as (...given: unknown[]) => unknown)(
          app.request,
          app.response,
          () => {},
        ),
      /^TypeError: tracingMiddleware\(options\) takes an object of options, not .*with the call\.$/,
    )
  })

  test('Koa', () => {
    assert.throws(
      () => koaMiddleware({ tags: null } as never),
      /^TypeError: tracingMiddleware\(options\): tags must be/,
    )
    const ctx = new Koa().createContext({ headers: {}, url: '/' } as never, {} as never)
    assert.throws(
      () => (koaMiddleware as unknown as (...given: unknown[]) => unknown)(ctx, () => {}),
      /takes an object of options, not .*with the call\.$/,
    )
  })

  test('Fastify: the plugin’s options when the app is made ready, a route’s when it is added', async () => {
    const app = fastify()
    app.register(tracingPlugin, { sampler: 1 } as never)
    await assert.rejects(
      async () => await app.ready(),
      /^TypeError: tracingPlugin options: unknown option 'sampler'; the options are/,
    )
    const other = fastify()
    await other.register(tracingPlugin)
    assert.throws(
      () => other.get('/', { config: { tracing: { tags: 7 } } } as never, () => 'x'),
      /^TypeError: config\.tracing of a route: tags must be/,
    )
    await Promise.all([app.close(), other.close()])
  })
})

test('F135: options are read once: what is changed afterwards does not count', async () => {
  const tracer = recordingTracer()
  const options = { tracer, tags: { a: 1 } as Record<string, unknown>, ignore: ['/a'] }
  const server = await plainServer(() => 'x', options)
  options.tags.b = 2
  options.ignore.push('/b')
  options.tracer = recordingTracer()
  for (const path of ['/a', '/b']) await ask(server.port, path)
  await server.close()
  assert.equal(tracer.spans.length, 1)
  assert.deepEqual([tracer.spans[0]?.tags.a, tracer.spans[0]?.tags.b], [1, undefined])
})

test('static tags are clean and bounded, whatever they hold', async () => {
  const tracer = recordingTracer()
  const server = await plainServer(() => 'x', {
    tracer,
    tags: { 'a\nb': 'c\r\nd', long: 'x'.repeat(1e5), n: 7 },
  })
  await ask(server.port, '/')
  await server.close()
  const { tags } = tracer.spans[0] as { tags: Record<string, unknown> }
  assert.deepEqual([tags['a b'], tags.n, String(tags.long).length], ['c  d', 7, 1024])
})

describe('F104: importing', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  const doors: string[] = Object.values(manifest.exports as Record<string, { import?: { default: string } }>)
    .map(entry => entry.import?.default.replace('./dist/', '').replace(/\.js$/, '.ts') ?? '')
    .filter(file => file !== '')

  test('every door: installs no handler, starts no work, changes no global, reads no environment', async () => {
    assert.ok(doors.length >= 6)
    const { stdout, stderr, code } = await runProgram(`
      import { existsSync } from 'node:fs'
      // What the doors stand on may do as it likes: it is loaded before.
      await Promise.all(['opentracing', 'express', 'koa', 'fastify', 'fastify-plugin', 'jaeger-client'].map(name => import(name)))
      await globalThis.fetch('data:,') // Node loads its own fetch when it is first used
      const events = () => Object.fromEntries(process.eventNames().map(name => [String(name), process.listenerCount(name)]))
      const globals = () => Reflect.ownKeys(globalThis).map(String).sort()
      const state = () => JSON.stringify({ events: events(), resources: process.getActiveResourcesInfo().filter(name => !/Pipe|TTY|FSReq|ConnectWrap/.test(name)), globals: globals() })
      const later = () => new Promise(resolve => setTimeout(() => resolve(state()), 5))
      const quiet = async () => {
        let before = state()
        for (let i = 0; i < 100; i++) {
          const now = await later()
          if (now === before) break
          before = now
        }
        return before
      }
      const read = []
      process.env = new Proxy(process.env, { get: (env, key) => { read.push(key); return env[key] } })
      const fetch = globalThis.fetch
      const told = {}
      for (const door of ${JSON.stringify(doors)}) {
        const url = '${source}/' + door
        const before = await quiet()
        read.length = 0
        await import(url)
        // What the loader of modules needs for the import comes and goes, and on a busy machine takes its time.
        let after
        for (let i = 0; i < 100 && after !== before; i++) after = await later()
        if (after !== before) told[door] = [before, after]
        if (read.some(key => /TRAC|JAEGER|OTEL/.test(String(key)))) told[door + ' reads'] = read
      }
      if (globalThis.fetch !== fetch) told.fetch = 'replaced'
      console.log(JSON.stringify(told))
    `)
    assert.equal(code, 0, stderr)
    const told = JSON.parse(stdout) as Record<string, [string, string]>
    // The registries that all copies of the package share are the one thing that is added: symbols of ours.
    for (const [door, [before, after]] of Object.entries(told)) {
      const added = (JSON.parse(after).globals as string[]).filter(
        key => !JSON.parse(before).globals.includes(key),
      )
      assert.deepEqual(
        { ...JSON.parse(after), globals: [] },
        { ...JSON.parse(before), globals: [] },
        `${door} changes the process`,
      )
      for (const key of added) assert.match(key, /^Symbol\(tracing-middleware\./, `${door} adds ${key}`)
    }
  })

  test('and using a middleware installs none either; the process ends by itself', async () => {
    const { stdout, stderr, code, ms } = await runProgram(`
      import { recordingTracer } from '${source}/testing/index.ts'
      import { tracedFetch } from '${source}/outbound/fetch/index.ts'
      import { plainServer } from '${source.replace(/src$/, 'test')}/support/plain-server.ts'
      const count = () => process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
      const before = count()
      console.log('ready')
      const server = await plainServer(() => 'x', { tracer: recordingTracer() })
      await (await tracedFetch('http://127.0.0.1:' + server.port)).text()
      await server.close()
      console.log(count() - before)
    `)
    assert.equal(code, 0, stderr)
    assert.equal(stdout.trim().split('\n').at(-1), '0')
    assert.ok(ms < 5000, `ended after ${ms} ms`)
  })
})

describe('F103: a process that dies in a handler dies as it does without us', () => {
  const deaths: Record<string, string> = {
    'process.exit in a handler': 'process.exit(3)',
    'an uncaught exception in a handler': "setImmediate(() => { throw new Error('uncaught') })",
    'an unhandled rejection in a handler': "Promise.reject(new Error('unhandled'))",
    'process.abort by signal': "process.kill(process.pid, 'SIGTERM')",
  }
  for (const [title, death] of Object.entries(deaths)) {
    test(title, async () => {
      const run = (options: string) =>
        runProgram(`
          import { recordingTracer } from '${source}/testing/index.ts'
          import { plainServer } from '${source.replace(/src$/, 'test')}/support/plain-server.ts'
          const server = await plainServer(() => { ${death}; return new Promise(() => {}) }, ${options})
          fetch('http://127.0.0.1:' + server.port).catch(() => {})
        `)
      const [traced, plain] = await Promise.all([run('{ tracer: recordingTracer() }'), run("'untraced'")])
      assert.deepEqual([traced.code, traced.signal], [plain.code, plain.signal])
      assert.ok(traced.code !== 0)
      const line = /^\w*Error: .*$/m
      assert.equal(line.exec(traced.stderr)?.[0], line.exec(plain.stderr)?.[0])
    })
  }
})
