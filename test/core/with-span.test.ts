// withSpan, traced and the decorator: what they do to the span, and what they leave of the function's own behaviour.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import opentracing, { type Span } from 'opentracing'
import { NOOP_SPAN } from '../../src/core/noop.ts'
import { activeSpan, bindSpan, currentScope } from '../../src/core/scope.ts'
import { traced } from '../../src/core/traced.ts'
import { type WithSpanOptions, withSpan } from '../../src/core/with-span.ts'
import { type RecordedSpan, type RecordingTracer, recordingTracer } from '../../src/testing/index.ts'
import { runProgram, source } from '../support/children.ts'

let tracer: RecordingTracer
beforeEach(() => {
  tracer = recordingTracer()
  opentracing.initGlobalTracer(tracer)
})
afterEach(() => {
  opentracing.initGlobalTracer(new opentracing.Tracer())
  assert.equal(activeSpan(), undefined, 'no span is left active')
  for (const span of tracer.spans) {
    assert.equal(span.finishCount, 1, `${span.operationName} was finished once`)
  }
})

const only = (): RecordedSpan => {
  assert.equal(tracer.spans.length, 1)
  return tracer.spans[0] as RecordedSpan
}
const byName = (name: string): RecordedSpan => {
  const found = tracer.spans.find(({ operationName }) => operationName === name)
  assert.ok(found, `a span ${name}`)
  return found
}

describe('withSpan', () => {
  test('a function that returns: its value, a span around it, handed over and active', () => {
    const value = { any: 'value' }
    const got = withSpan('sync', span => {
      assert.equal(activeSpan(), span)
      assert.equal((span as RecordedSpan).finishTime, undefined)
      return value
    })
    assert.equal(got, value)
    assert.equal(only().operationName, 'sync')
    assert.deepEqual(only().tags, {})
  })

  test('an async function: the span ends when its promise settles', async () => {
    const promise = withSpan('async', async span => {
      await sleep(20)
      assert.equal(activeSpan(), span)
      return 7
    })
    assert.equal(only().finishTime, undefined)
    assert.ok(promise instanceof Promise)
    assert.equal(await promise, 7)
    const { startTime, finishTime } = only()
    assert.ok((finishTime as number) - startTime >= 15)
  })

  for (const thrown of [new Error('boom'), 'text', undefined, null, { message: 'an object' }]) {
    test(`what is thrown is thrown on, the very same, and logged: ${String(thrown)}`, async () => {
      const sync = (): void => {
        throw thrown
      }
      let got: unknown[] = []
      try {
        withSpan('sync', sync)
      } catch (error) {
        got = [error]
      }
      assert.deepEqual(got, [thrown])
      assert.equal(got[0], thrown)
      got = []
      await withSpan('async', async () => {
        await sleep(1)
        sync()
      }).catch(error => {
        got = [error]
      })
      assert.equal(got.length, 1)
      assert.equal(got[0], thrown)
      for (const span of tracer.spans) {
        assert.equal(span.tags.error, true)
        assert.equal(span.logs[0]?.fields.event, 'error')
        if (thrown instanceof Error) assert.equal(span.logs[0]?.fields['error.object'], thrown)
      }
    })
  }

  test('children: of the active span; siblings that run at once have the same parent', async () => {
    await withSpan('parent', async () => {
      await Promise.all([withSpan('a', () => sleep(2)), withSpan('b', () => sleep(1))])
      withSpan('c', () => withSpan('d', () => {}))
    })
    const parent = byName('parent')
    for (const name of ['a', 'b', 'c']) assert.equal(byName(name).parentId, parent.spanId)
    assert.equal(byName('d').parentId, byName('c').spanId)
  })

  test('options: tags before the sampler, startTime, childOf a span or a context', () => {
    const root = tracer.startSpan('root')
    let seenAtStart: unknown
    const { startSpan } = tracer
    tracer.startSpan = function (name, fields) {
      seenAtStart = fields?.tags
      return startSpan.call(this, name, fields)
    }
    withSpan('of a span', { tags: { a: 1 }, startTime: 1234.5, childOf: root }, () => {})
    assert.deepEqual(seenAtStart, { a: 1 })
    withSpan('of a context', { childOf: root.context() }, () => {})
    root.finish()
    assert.equal(byName('of a span').startTime, 1234.5)
    assert.deepEqual(byName('of a span').tags, { a: 1 })
    for (const name of ['of a span', 'of a context']) {
      assert.equal(byName(name).parentId, (root as RecordedSpan).spanId)
    }
  })

  test('childOf: null starts a new trace inside another; its children are its own', () => {
    withSpan('outer', () => withSpan('new', { childOf: null }, () => withSpan('child', () => {})))
    assert.deepEqual(byName('new').references, [])
    assert.notEqual(byName('new').traceId, byName('outer').traceId)
    assert.equal(byName('child').parentId, byName('new').spanId)
  })

  test('followsFrom: caused by, not part of; alone or beside a parent', () => {
    const cause = tracer.startSpan('cause') as RecordedSpan
    withSpan('outer', () => {
      withSpan('after', { followsFrom: cause }, () => {})
      withSpan('both', { childOf: activeSpan() as Span, followsFrom: cause.context() }, () => {})
    })
    cause.finish()
    const from = { type: 'follows_from', traceId: cause.traceId, spanId: cause.spanId }
    assert.deepEqual(byName('after').references, [from])
    assert.deepEqual(
      byName('both').references.map(({ type }) => type),
      ['child_of', 'follows_from'],
    )
  })

  test('fire and forget: work that goes on after its parent has ended follows from it by itself', async () => {
    let late: Promise<unknown> | undefined
    withSpan('parent', () => {
      late = sleep(5).then(() => withSpan('late', () => {}))
    })
    await late
    const { traceId, spanId } = byName('parent')
    assert.deepEqual(byName('late').references, [{ type: 'follows_from', traceId, spanId }])
  })

  test('an inner span that outlives its parent falls back to the next one that lives', async () => {
    await withSpan('outer', async outer => {
      let seen: unknown
      await withSpan('short', () => {
        const later = sleep(5).then(() => {
          seen = activeSpan()
        })
        return { later }
      }).later
      assert.equal(seen, outer)
    })
  })

  test('no tracer installed: fn is called with a span that does nothing, and nothing is active', async () => {
    opentracing.initGlobalTracer(new opentracing.Tracer())
    const result = withSpan('quiet', { tags: { a: 1 } }, span => {
      assert.equal(span, NOOP_SPAN)
      span.setTag('b', 2).log({ event: 'x' })
      assert.equal(activeSpan(), undefined)
      return 'value'
    })
    assert.equal(result, 'value')
    assert.equal(await withSpan('quiet', async () => 'later'), 'later')
    assert.throws(
      () =>
        withSpan('quiet', () => {
          throw new RangeError('on')
        }),
      RangeError,
    )
  })

  test('a tracer that is installed later is used from then on', () => {
    const later = recordingTracer()
    withSpan('one', () => {})
    opentracing.initGlobalTracer(later)
    withSpan('two', () => {})
    assert.deepEqual(
      [tracer, later].map(({ spans }) => spans.map(({ operationName }) => operationName)),
      [['one'], ['two']],
    )
  })

  test('a span of another copy of opentracing is taken by its shape', () => {
    const foreign = { context: () => root.context() } as Span
    const root = tracer.startSpan('root')
    withSpan('child', { childOf: foreign }, () => {})
    root.finish()
    assert.equal(byName('child').parentId, (root as RecordedSpan).spanId)
  })

  test('misuse: without a function a TypeError; null as options is none', () => {
    for (const bad of [undefined, null, 'text', 7, {}]) {
      assert.throws(
        () => withSpan('x', bad as never),
        /^TypeError: withSpan\(name, options\?, fn\): fn must be a function$/,
      )
      assert.throws(() => withSpan('x', {}, bad as never), /^TypeError: withSpan\(name, options\?, fn\)/)
    }
    assert.equal(tracer.spans.length, 0)
    assert.equal(
      withSpan('x', null as unknown as WithSpanOptions, () => 'done'),
      'done',
    )
  })
})

describe('what comes back', () => {
  class OwnPromise<T> extends Promise<T> {
    extra = 'kept'
  }

  test('a subclass of Promise keeps its identity and its extras; the span ends when it settles', async () => {
    const own = new OwnPromise<string>(resolve => setTimeout(resolve, 5, 'x'))
    const got = withSpan('own', () => own)
    assert.equal(got, own)
    assert.equal(only().finishTime, undefined)
    assert.equal(await got, 'x')
    assert.notEqual(only().finishTime, undefined)
    const bad = OwnPromise.reject(new Error('bad'))
    await assert.rejects(withSpan('bad', () => bad))
    assert.equal(byName('bad').tags.error, true)
  })

  test('a lazy thenable (a query builder) keeps its identity, and its query runs once, inside the span', async () => {
    let runs = 0
    const seen: unknown[] = []
    class Query {
      text = 'select'
      where(): this {
        this.text += ' where'
        return this
      }
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
      then<T>(onValue: (rows: string) => T, onError?: (error: unknown) => T): Promise<T> {
        runs++
        seen.push((activeSpan() as RecordedSpan | undefined)?.operationName)
        const answer = this.text.includes('fails') ? Promise.reject(new Error('fails')) : sleep(5, this.text)
        return answer.then(onValue, onError)
      }
    }
    const query = new Query()
    const got = withSpan('query', () => query)
    assert.equal(got, query)
    assert.equal(runs, 0, 'we do not run it')
    const rows = await got.where()
    assert.equal(rows, 'select where')
    assert.equal(runs, 1)
    assert.deepEqual(seen, ['query'])
    const { startTime, finishTime } = only()
    assert.ok((finishTime as number) - startTime >= 4)
    assert.deepEqual(Object.keys(got), ['text'], 'nothing that can be listed is added')

    const failing = withSpan('failing', () => Object.assign(new Query(), { text: 'fails' }))
    await assert.rejects(async () => await failing, /^Error: fails$/)
    assert.equal(byName('failing').tags.error, true)
  })

  test('a thenable that cannot be listened to (frozen; a getter that throws) ends its span at once', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
    const frozen = Object.freeze({ then: (resolve: (value: string) => void) => resolve('x') })
    assert.equal(await withSpan('frozen', () => frozen), 'x')
    const hostile = {
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
      get then() {
        throw new Error('no')
      },
    }
    assert.equal(
      withSpan('hostile', () => hostile),
      hostile,
    )
    assert.equal(tracer.finishedSpans.length, 2)
  })

  test('a promise of another realm is waited for', async () => {
    const { runInNewContext } = await import('node:vm')
    const foreign = runInNewContext('new Promise(resolve => { resolve(5) })') as Promise<number>
    assert.equal(await withSpan('foreign', () => foreign), 5)
    assert.notEqual(only().finishTime, undefined)
  })

  test('a function, a generator, a stream or an emitter is a value like any other', () => {
    const fn = (): void => {}
    assert.equal(
      withSpan('fn', () => fn),
      fn,
    )
    function* numbers() {
      yield 1
    }
    assert.deepEqual([...withSpan('generator', numbers)], [1])
  })

  test('a rejection that nobody handles is as unhandled as without us, and one that is handled is handled', async () => {
    const { stdout, stderr } = await runProgram(
      `
      import opentracing from 'opentracing'
      import { withSpan } from '${source}/index.ts'
      import { recordingTracer } from '${source}/testing/index.ts'
      if (process.env.TRACED) opentracing.initGlobalTracer(recordingTracer())
      const told = []
      process.on('unhandledRejection', (reason, promise) => told.push('unhandled ' + reason.message + (promise === forgotten)))
      process.on('rejectionHandled', () => told.push('handled late'))
      const fail = async name => { await 1; throw new Error(name) }
      const forgotten = withSpan('a', () => fail('forgotten'))
      withSpan('b', () => fail('handled')).catch(() => told.push('caught'))
      const late = withSpan('c', () => fail('late'))
      setTimeout(() => late.catch(() => {}), 10)
      setTimeout(() => console.log(JSON.stringify(told)), 30)
    `,
      { env: { TRACED: '1' } },
    )
    assert.deepEqual(JSON.parse(stdout || `"${stderr}"`), [
      'caught',
      'unhandled forgottentrue',
      'unhandled latefalse',
      'handled late',
    ])
  })
})

describe('detached loops', () => {
  const chainLength = (): number => {
    let length = 0
    for (let scope = currentScope(); scope !== undefined; scope = scope.parent) length++
    return length
  }

  for (const overlaps of [false, true]) {
    test(`a timer that starts its successor inside withSpan, 10,000 times${overlaps ? ', before it ends itself' : ''}: no chain of scopes grows`, async () => {
      let longest = 0
      let rounds = 0
      await new Promise<void>(resolve => {
        const tick = (): unknown =>
          withSpan('tick', () => {
            longest = Math.max(longest, chainLength())
            if (++rounds === 10_000) return resolve()
            setImmediate(tick)
            // Ends after the next one has begun.
            return overlaps ? new Promise<void>(end => setImmediate(end)) : undefined
          })
        tick()
      })
      await sleep(1)
      assert.equal(rounds, 10_000)
      assert.ok(longest <= 3, `the longest chain has ${longest} scopes`)
      assert.equal(tracer.finishedSpans.length, 10_000)
    })
  }

  test('a loop inside a request that lives falls back to the request, not to its predecessors', async () => {
    await withSpan('request', async request => {
      for (let i = 0; i < 100; i++) {
        await new Promise<void>(resolve =>
          withSpan('round', () => {
            setImmediate(() => {
              assert.equal(activeSpan(), request)
              resolve()
            })
          }),
        )
      }
    })
    const request = byName('request')
    const rounds = tracer.spans.filter(({ operationName }) => operationName === 'round')
    assert.ok(rounds.every(({ parentId }) => parentId === request.spanId))
  })
})

describe('traced', () => {
  test('a function with a span around each call: this, arguments, result, errors, name, length, properties', () => {
    const thrown = new Error('mine')
    const plain = Object.assign(
      function add(this: { base: number }, a: number, b?: number): number {
        assert.equal((activeSpan() as RecordedSpan).operationName, 'adding')
        if (b === undefined) throw thrown
        return this.base + a + b
      },
      { extra: 'kept' },
    )
    const wrapped = traced('adding', plain)
    assert.equal(wrapped.call({ base: 1 }, 2, 3), 6)
    assert.throws(
      () => wrapped.call({ base: 1 }, 2),
      error => error === thrown,
    )
    assert.deepEqual([wrapped.name, wrapped.length, wrapped.extra], ['add', 2, 'kept'])
    assert.equal(tracer.finishedSpans.length, 2)
  })

  test('types are kept', async () => {
    const load = traced(
      'load',
      async (id: string, count?: number): Promise<number> => id.length + (count ?? 0),
    )
    const promise: Promise<number> = load('abc')
    assert.equal(await promise, 3)
    const generic = traced('generic', <T>(value: T): T[] => [value])
    const texts: string[] = generic('x')
    const numbers: number[] = generic(1)
    assert.deepEqual([texts, numbers], [['x'], [1]])
    // @ts-expect-error the arguments are those of the function
    await load('x', 'y')
    // @ts-expect-error so is the result
    const wrong: string = generic(1)
    assert.ok(wrong)
    const value: number = withSpan('value', span => (span ? 1 : 2))
    const later: Promise<string> = withSpan('later', { tags: {} }, async () => 'x')
    assert.deepEqual([value, await later], [1, 'x'])
    const bound: (a: number) => string = bindSpan((a: number) => String(a))
    assert.equal(bound(1), '1')
  })

  test('as a decorator: by the method’s name or a given one; static, private, symbol-named, inherited', async () => {
    const symbol = Symbol('by symbol')
    class Orders {
      readonly prefix: string
      constructor(prefix: string) {
        this.prefix = prefix
      }

      @traced()
      async place(id: string, count = 1): Promise<string> {
        await sleep(1)
        return `${this.prefix}${id}${count}`
      }

      @traced('cancel order')
      cancel(): string {
        return this.#hidden()
      }

      @traced()
      static make(): Orders {
        return new Orders('made ')
      }

      @traced()
      [symbol](): number {
        return 1
      }

      @traced()
      #hidden(): string {
        return `${this.prefix}hidden`
      }
    }
    class Special extends Orders {
      override async place(id: string): Promise<string> {
        return `special ${await super.place(id)}`
      }
    }
    const orders = new Orders('o')
    const placed: Promise<string> = orders.place('1')
    assert.equal(await placed, 'o11')
    assert.equal(orders.cancel(), 'ohidden')
    assert.equal(Orders.make().prefix, 'made ')
    assert.equal(orders[symbol](), 1)
    assert.equal(await new Special('s').place('2'), 'special s21')
    assert.deepEqual([orders.place.name, orders.place.length], ['place', 1])
    assert.deepEqual(
      tracer.spans.map(({ operationName }) => operationName),
      ['place', 'cancel order', '#hidden', 'make', 'Symbol(by symbol)', 'place'],
    )
    assert.equal(byName('#hidden').parentId, byName('cancel order').spanId)
  })

  test('misuse: TypeErrors that say how it is meant', () => {
    assert.throws(
      () => traced((() => {}) as never),
      /^TypeError: traced\(name, fn\): name must be a string, not function; use/,
    )
    assert.throws(
      () => traced('x', 'y' as never),
      /^TypeError: traced\('x', fn\): fn must be a function, not string/,
    )
    const onField = /^TypeError: @traced\(\) stands on methods alone/
    assert.throws(() => traced()(undefined as never, { kind: 'field' } as never), onField)
    assert.throws(() => traced()((() => {}) as never, { kind: 'getter' } as never), onField)
    assert.throws(
      () => traced()((() => {}) as never, undefined as never),
      onField,
      'a decorator of the old kind',
    )
  })
})
