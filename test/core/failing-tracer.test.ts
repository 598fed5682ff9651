// A tracer that misbehaves, and callbacks that do: the app's answers stay what they are, and it is told once.

import assert from 'node:assert/strict'
import http, { type IncomingMessage } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import opentracing from 'opentracing'
import { activeSpan, bindSpan } from '../../src/core/scope.ts'
import type { ServerTracingOptions } from '../../src/core/server/options.ts'
import { createReport, messageOf } from '../../src/core/settings/report.ts'
import { withSpan } from '../../src/core/with-span.ts'
import { createTracedFetch } from '../../src/outbound/fetch/index.ts'
import { recordingTracer } from '../../src/testing/index.ts'
import { hosts } from '../hosts/index.ts'
import type { SampleApp } from '../hosts/sample.ts'
import { runProgram, source } from '../support/children.ts'
import { ask, eventually, raw } from '../support/client.ts'
import { FAULTS, type Fault, faultyTracer, type TracerMethod } from '../support/faulty-tracer.ts'
import { type Handle, plainServer } from '../support/plain-server.ts'

const unhandled: unknown[] = []
const onUnhandled = (reason: unknown): void => {
  unhandled.push(reason)
}
before(() => {
  process.on('unhandledRejection', onUnhandled)
})
after(() => {
  process.off('unhandledRejection', onUnhandled)
})

const REQUESTS = 100
const caller =
  'uber-trace-id: 0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1\r\nuberctx-plan: gold\r\n'

/** What the client gets, to the byte, but for the time of day. */
async function bytes(port: number, path: string): Promise<string> {
  const text = await raw(port, `GET ${path} HTTP/1.1\r\nHost: x\r\n${caller}Connection: close\r\n\r\n`)
  return text.replace(/^date: .*$/im, 'date: now')
}

interface Told {
  error: unknown
  place: string
}

/** Sends 100 requests to a traced app, compares each with the untraced one, and gives what was reported. */
async function compare(
  start: (
    options: ServerTracingOptions<never> | 'untraced',
  ) => Promise<{ port: number; close(): Promise<void> }>,
  options: ServerTracingOptions<never>,
  paths: readonly string[],
): Promise<Told[]> {
  const told: Told[] = []
  const traced = await start({
    ...options,
    onError: (error: unknown, place: string) => told.push({ error, place }),
  } as never)
  const plain = await start('untraced')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 10 })
  try {
    const wanted = new Map<string, string>()
    const answers = new Map<string, string>()
    for (const path of paths) {
      wanted.set(path, await bytes(plain.port, path))
      answers.set(path, (await ask(plain.port, path, { agent })).body)
      assert.equal(await bytes(traced.port, path), wanted.get(path), `the first answer to ${path}`)
    }
    const more = Array.from({ length: REQUESTS }, async (_, i) => {
      const path = paths[i % paths.length] as string
      const { body } = await ask(traced.port, path, { agent })
      assert.equal(body, answers.get(path), `answer ${i}, to ${path}`)
    })
    await Promise.all(more)
    for (const path of paths)
      assert.equal(await bytes(traced.port, path), wanted.get(path), 'the last answers')
    await sleep(5)
  } finally {
    agent.destroy()
    await Promise.all([traced.close(), plain.close()])
  }
  assert.deepEqual(unhandled.splice(0), [], 'no rejection is left unhandled')
  return told
}

function handlerOf(paths: Record<string, (req: IncomingMessage) => unknown>): Handle {
  return (req, res) => {
    const handle = paths[req.url ?? '']
    if (handle !== undefined) return handle(req)
    res.statusCode = 404
    return 'not found'
  }
}

interface Row {
  id: string
  title: string
  methods: TracerMethod[]
  /** How many places of ours call it, in a server. */
  places: number
}

const row = (id: string, title: string, methods: TracerMethod[], places: number): Row => ({
  id,
  title,
  methods,
  places,
})

const rows: Row[] = [
  row('F032', 'extract', ['extract'], 1),
  row('F033', 'startSpan', ['startSpan'], 1),
  row('F034', 'inject (a server never calls it)', ['inject'], 0),
  row('F035', 'setTag and addTags', ['setTag', 'addTags'], 1),
  row('F036', 'log', ['log', 'logEvent'], 1),
  row('F037', 'finish', ['finish'], 1),
  row('F038', 'context', ['context'], 1),
  row('F039', 'setOperationName', ['setOperationName'], 1),
  row('F040', 'the baggage methods', ['setBaggageItem', 'getBaggageItem'], 0),
]

const app = handlerOf({
  '/ok': async () => {
    await sleep(1)
    return JSON.stringify({ ok: true, has: 'a body' })
  },
  '/boom': () => {
    throw new Error('of the app')
  },
})

/** What is thrown or rejects is told once; null is taken for what a no-op tracer gives. */
function assertTold(told: Told[], { methods, places }: Row, fault: Fault): void {
  const wanted = fault === 'gives null' ? 0 : places
  assert.equal(told.length, wanted, `reports: ${JSON.stringify(told.map(({ place }) => place))}`)
  for (const { error } of told) assert.equal((error as Error).message, `${methods[0]} is broken`)
}

describe('a tracer that misbehaves, node:http alone', () => {
  for (const row of rows) {
    for (const fault of FAULTS) {
      test(`${row.id}: ${row.title} ${fault}${fault === 'gives null' ? ' (F042)' : fault === 'rejects' ? ' (F043)' : ''}`, async () => {
        const tracer = faultyTracer(row.methods, fault)
        // Only a name that changes is set.
        const options = { tracer, operationName: () => 'named at the end' }
        const told = await compare(given => plainServer(app, given as never), options as never, [
          '/ok',
          '/boom',
        ])
        assertTold(told, row, fault)
        if (row.places > 0) assert.ok(tracer.faults >= REQUESTS / 2, `only ${tracer.faults} faults`)
      })
    }
  }
})

describe('a tracer that misbehaves, in the frameworks', () => {
  const sample: SampleApp = {
    routes: [
      { path: '/ok', handle: () => ({ ok: true }) },
      {
        path: '/boom',
        handle: () => {
          throw new Error('of the app')
        },
      },
    ],
    onError: error => ({ status: 500, body: (error as Error).message }),
  }
  for (const host of hosts.filter(({ name }) => !/4|2/.test(name))) {
    for (const row of rows.filter(({ id }) => ['F032', 'F033', 'F037'].includes(id))) {
      for (const fault of FAULTS) {
        test(`${host.name}: ${row.id}: ${row.title} ${fault}`, async () => {
          const tracer = faultyTracer(row.methods, fault)
          const told = await compare(
            options =>
              options === 'untraced'
                ? host.start({ ...sample, tracing: 'none' }, {})
                : host.start(sample, options),
            { tracer } as never,
            ['/ok', '/boom'],
          )
          assertTold(told, row, fault)
        })
      }
    }
  }
})

describe('a tracer that misbehaves, around work and calls', () => {
  const everyMethod: TracerMethod[][] = [...rows.map(({ methods }) => methods), ['tracer']]
  for (const methods of everyMethod) {
    for (const fault of FAULTS) {
      test(`F033-F040: withSpan and bindSpan go on when ${methods[0]} ${fault}`, async () => {
        const tracer = faultyTracer(methods, fault)
        const healthy = recordingTracer()
        const work = (): Promise<unknown> =>
          withSpan('outer', async span => {
            const bound = bindSpan((a: number) => a + 1, span)
            const inner = withSpan('inner', () => bound(1))
            await assert.rejects(
              withSpan('fails', async () => {
                throw new Error('of the app')
              }),
              /of the app/,
            )
            return [inner, await withSpan('later', () => sleep(1, 'slept'))]
          })
        opentracing.initGlobalTracer(tracer)
        try {
          for (let i = 0; i < 3; i++) assert.deepEqual(await work(), [2, 'slept'])
        } finally {
          opentracing.initGlobalTracer(healthy)
        }
        await work()
        opentracing.initGlobalTracer(new opentracing.Tracer())
        await sleep(2)
        assert.deepEqual(unhandled.splice(0), [])
        assert.equal(healthy.finishedSpans.length, 4, 'later work is traced')
        assert.equal(activeSpan(), undefined)
      })
    }
  }

  for (const fault of FAULTS) {
    test(`F034: an outgoing call goes on when inject ${fault}; told once over ${REQUESTS} calls`, async () => {
      const upstream = await plainServer(() => 'upstream', 'untraced')
      const told: string[] = []
      const tracer = faultyTracer(['inject'], fault)
      const fetch = createTracedFetch({ tracer, onError: (_error, place) => told.push(place) })
      const url = `http://127.0.0.1:${upstream.port}/`
      const calls = Array.from({ length: REQUESTS }, async () => (await fetch(url)).text())
      assert.deepEqual([...new Set(await Promise.all(calls))], ['upstream'])
      await upstream.close()
      assert.deepEqual(unhandled.splice(0), [])
      assert.deepEqual(told, fault === 'gives null' ? [] : ['inject'])
      assert.equal(tracer.finishedSpans.length, REQUESTS)
    })
  }
})

interface Warned {
  warnings: string[]
  unhandled: string[]
  bodies: string[]
}

test('F032-F043: by default a failure is one process warning of the type TracingWarning', async () => {
  const { stdout, stderr, code } = await runProgram(`
    import { faultyTracer } from '${source.replace(/src$/, 'test')}/support/faulty-tracer.ts'
    import { plainServer } from '${source.replace(/src$/, 'test')}/support/plain-server.ts'
    import { withSpan } from '${source}/index.ts'
    const seen = { warnings: [], unhandled: [], bodies: [] }
    process.on('warning', warning => seen.warnings.push(warning.name + ' ' + warning.code + ' ' + warning.message))
    process.on('unhandledRejection', error => seen.unhandled.push(String(error)))
    for (const method of ['extract', 'finish']) {
      const tracer = faultyTracer([method], 'throws')
      const server = await plainServer(() => withSpan('work', () => 'x'), { tracer })
      for (let i = 0; i < 100; i++) seen.bodies.push(await (await fetch('http://127.0.0.1:' + server.port)).text())
      await server.close()
    }
    console.log(JSON.stringify(seen))
  `)
  assert.equal(code, 0, stderr)
  const seen = JSON.parse(stdout) as Warned
  assert.deepEqual([...new Set(seen.bodies)], ['x'])
  assert.deepEqual(seen.unhandled, [])
  const text = (place: string): string =>
    `TracingWarning TRACING_MIDDLEWARE ${place}: ${place} is broken (told once)`
  // One of the server, one of withSpan.
  assert.deepEqual(seen.warnings.sort(), [text('extract'), text('finish'), text('finish')])
})

test('F044: calls that a tracer makes while it is called are bounded in depth and number', async () => {
  const upstream = await plainServer(() => 'upstream', 'untraced')
  const url = `http://127.0.0.1:${upstream.port}/`
  const tracer = recordingTracer()
  const fetch = createTracedFetch({ tracer })
  const calls: Promise<unknown>[] = []
  const { startSpan } = tracer
  tracer.startSpan = function (...args) {
    const span = startSpan.apply(this, args)
    const plain = Object.getPrototypeOf(span)
    const prototype = Object.create(plain)
    for (const method of ['setTag', 'addTags', 'log', 'finish']) {
      prototype[method] = function (...given: unknown[]) {
        assert.ok(calls.length < 1000, 'endless')
        calls.push(fetch(url).then(response => response.text()))
        return plain[method].apply(this, given)
      }
    }
    return Object.setPrototypeOf(span, prototype)
  }
  const handle: Handle = async () => {
    activeSpan()?.setTag('mine', 1)
    return (await fetch(url)).text()
  }
  const server = await plainServer(handle, { tracer })
  assert.equal((await ask(server.port, '/')).body, 'upstream')
  await eventually(() => tracer.spans.every(span => span.finishCount > 0), 'all spans finished')
  await Promise.all(calls)
  await Promise.all([server.close(), upstream.close()])
  const clients = tracer.spans.filter(span => span.tags['span.kind'] === 'client')
  // The handler's own call, and the one that the tracer makes when the app itself sets a tag.
  assert.equal(clients.length, 2)
  for (const span of tracer.spans) assert.equal(span.finishCount, 1)
})

test('F045: a tracer that is installed later takes the new requests; those in flight end on the old one', async () => {
  const first = recordingTracer()
  const second = recordingTracer()
  const waiting: (() => void)[] = []
  const server = await plainServer(req => {
    if (req.url === '/now') return 'now'
    return new Promise(resolve => {
      waiting.push(() => resolve('waited'))
    })
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 200 })
  const send = (path: string): Promise<string>[] =>
    Array.from({ length: REQUESTS }, async () => (await ask(server.port, path, { agent })).body)
  try {
    assert.deepEqual([...new Set(await Promise.all(send('/now')))], ['now'], 'before any tracer')
    opentracing.initGlobalTracer(first)
    const early = send('/wait')
    await eventually(() => waiting.length === REQUESTS, 'all are in flight')
    opentracing.initGlobalTracer(second)
    assert.deepEqual([...new Set(await Promise.all(send('/now')))], ['now'])
    for (const go of waiting) go()
    assert.deepEqual([...new Set(await Promise.all(early))], ['waited'])
    await eventually(() => first.finishedSpans.length === REQUESTS, 'the old tracer gets its spans back')
    await eventually(() => second.finishedSpans.length === REQUESTS, 'the new tracer has the new ones')
  } finally {
    opentracing.initGlobalTracer(new opentracing.Tracer())
    agent.destroy()
    await server.close()
  }
  assert.ok([first, second].every(({ spans }) => spans.length === REQUESTS))
  assert.ok([...first.spans, ...second.spans].every(span => span.finishCount === 1))
})

describe('F046: callbacks of the user that fail', () => {
  const names = [
    'operationName',
    'ignore',
    'samplingPriority',
    'publicEndpoint',
    'isError',
    'decorateSpan',
  ] as const
  const request = { headers: { 'uber-trace-id': '0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1' } }

  /** What a request gives: what was told, and the span. */
  async function run(options: object, count = 3) {
    const tracer = recordingTracer()
    const told: Told[] = []
    const server = await plainServer(() => 'x', {
      tracer,
      onError: (error, place) => told.push({ error, place }),
      ...options,
    })
    for (let i = 0; i < count; i++) {
      const { status, body } = await ask(server.port, '/path', request)
      assert.deepEqual([status, body], [200, 'x'])
    }
    await eventually(() => tracer.finishedSpans.length === count, 'the spans end')
    await sleep(2)
    await server.close()
    assert.deepEqual(unhandled.splice(0), [])
    return { told, spans: tracer.spans }
  }

  function assertDefaults(spans: Awaited<ReturnType<typeof run>>['spans']): void {
    for (const span of spans) {
      assert.equal(span.operationName, 'GET')
      assert.equal(span.parentId, 'b7ad6b7169203331', 'not public')
      assert.equal('sampling.priority' in span.tags || 'error' in span.tags, false)
      assert.equal(span.tags['http.status_code'], 200)
    }
  }

  for (const name of names) {
    const error = new Error(`${name} is broken`)
    test(`${name} throws: the default is used, told once`, async () => {
      const { told, spans } = await run({
        [name]: () => {
          throw error
        },
      })
      assert.deepEqual(told, [{ error, place: name }])
      assertDefaults(spans)
    })
    test(`${name} rejects: the default is used, told once, nothing unhandled`, async () => {
      const { told, spans } = await run({
        [name]: async () => {
          throw error
        },
      })
      assert.deepEqual(told, [{ error, place: name }])
      assertDefaults(spans)
    })
    test(`${name} gives nonsense: the default is used`, async () => {
      // Empty text is no name, 0 and 1 are decisions: those are left out where they mean something.
      const nonsense = [null, Number.NaN, Number.POSITIVE_INFINITY, {}, [], Symbol('x'), 1n, () => 'x', '']
      for (const value of nonsense) assertDefaults((await run({ [name]: () => value }, 1)).spans)
    })
  }

  test('ignore: one predicate that throws does not keep the others from being asked', async () => {
    const tracer = recordingTracer()
    const broken = () => {
      throw new Error('broken')
    }
    const server = await plainServer(() => 'x', { tracer, ignore: [broken, () => true], onError: () => {} })
    await ask(server.port, '/')
    await server.close()
    assert.equal(tracer.spans.length, 0)
  })

  test('a failing getter behind a traced attribute costs that tag, told once', async () => {
    const user = {
      get id() {
        throw new Error('no user')
      },
      name: 'ann',
    }
    const tracer = recordingTracer()
    const told: string[] = []
    const server = await plainServer(req => Object.assign(req, { user }) && 'x', {
      tracer,
      tracedRequestAttributes: ['user.id', 'user.name'],
      onError: (_error, place) => told.push(place),
    })
    await ask(server.port, '/')
    await ask(server.port, '/')
    await server.close()
    assert.deepEqual(told, ['tracedRequestAttributes: user.id'])
    for (const { tags } of tracer.spans)
      assert.deepEqual([tags['user.id'], tags['user.name']], [undefined, 'ann'])
  })

  for (const how of ['throws', 'rejects'] as const) {
    test(`onError ${how}: the request goes on, and a process warning says so`, async () => {
      const warnings: Error[] = []
      const listen = (warning: Error): void => {
        warnings.push(warning)
      }
      process.on('warning', listen)
      const { spans } = await run({
        decorateSpan: () => {
          throw new Error('of decorateSpan')
        },
        onError: () => {
          if (how === 'rejects') return Promise.reject(new Error('of onError'))
          throw new Error('of onError')
        },
      })
      process.off('warning', listen)
      assertDefaults(spans)
      assert.deepEqual(
        warnings.map(({ name, message }) => `${name}: ${message}`),
        ['TracingWarning: onError: of onError'],
      )
    })
  }
})

describe('F047: names from the app', () => {
  const bad: [title: string, name: unknown, wanted: string | RegExp][] = [
    ['line breaks', 'a\r\nb', 'a  b'],
    ['100 KB', 'n'.repeat(100_000), /^n{255}…$/],
    ['a cut in the middle of a pair', `${'n'.repeat(254)}😀x`, /^n{254}…$/],
    ['empty', '', 'unnamed'],
    ['a number', 7, 'unnamed'],
    ['a symbol', Symbol('s'), 'unnamed'],
  ]
  function assertName(got: string | undefined, wanted: string | RegExp): void {
    const isWanted = typeof wanted === 'string' ? got === wanted : wanted.test(String(got))
    assert.ok(isWanted, `${JSON.stringify(got?.slice(0, 300))} is not ${wanted}`)
  }
  for (const [title, name, wanted] of bad) {
    test(`withSpan: ${title}`, () => {
      const tracer = recordingTracer()
      opentracing.initGlobalTracer(tracer)
      withSpan(name as string, () => {})
      opentracing.initGlobalTracer(new opentracing.Tracer())
      assertName(tracer.spans[0]?.operationName, wanted)
    })
  }
  for (const [title, name, wanted] of bad) {
    test(`a server span: ${title}`, async () => {
      const expected = wanted === 'unnamed' ? 'GET' : wanted
      const tracer = recordingTracer()
      const byFunction = await plainServer(() => 'x', { tracer, operationName: () => name as string })
      await ask(byFunction.port, '/')
      await byFunction.close()
      if (typeof name === 'string' && name !== '') {
        const fixed = await plainServer(() => 'x', { tracer, operationName: name })
        await ask(fixed.port, '/')
        await fixed.close()
        const own = await plainServer(() => activeSpan()?.setOperationName(name) && 'x', { tracer })
        await ask(own.port, '/')
        await own.close()
      }
      for (const { operationName } of tracer.spans) {
        assertName(operationName, expected)
      }
    })
  }
})

describe('reports', () => {
  test('each place is told once, also when it fails differently', () => {
    const told: unknown[] = []
    const report = createReport((error, place) => told.push([place, error]))
    for (let i = 0; i < 5; i++) {
      report('a', i)
      report('b', i)
    }
    assert.deepEqual(told, [
      ['a', 0],
      ['b', 0],
    ])
  })

  test('messages of anything thrown: readable, bounded, without secrets or control characters (F063, F109)', () => {
    assert.equal(messageOf(new Error('plain')), 'plain')
    assert.equal(messageOf('text'), 'text')
    assert.equal(messageOf(undefined), 'undefined')
    assert.equal(messageOf(Symbol('s')), 'Symbol(s)')
    assert.equal(messageOf(Object.create(null)), 'an error that cannot be read')
    assert.equal(messageOf(Object.assign(new Error(), { message: Symbol('m') })), 'Symbol(m)')
    assert.equal(messageOf(new Error('a\nb')), 'a b')
    assert.equal(
      messageOf(new Error('GET http://u:p@h/?token=t')),
      'GET http://REDACTED:REDACTED@h/?token=REDACTED',
    )
    assert.equal(messageOf(new Error('x'.repeat(1e6))).length, 1024)
    const hostile = new Proxy(new Error('x'), {
      get() {
        throw new Error('no')
      },
      getPrototypeOf() {
        throw new Error('no')
      },
    })
    assert.equal(messageOf(hostile), 'an error that cannot be read')
  })
})
