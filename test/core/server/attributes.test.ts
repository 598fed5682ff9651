// tracedRequestAttributes: names that the user gives, values that strangers send.

import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseAttributes, pathOf, readAttributes } from '../../../src/core/server/attributes.ts'
import { createIsSecret } from '../../../src/core/text/secret-keys.ts'
import { recordingTracer } from '../../../src/testing/index.ts'
import { runProgram, source } from '../../support/children.ts'
import { ask } from '../../support/client.ts'
import { plainServer } from '../../support/plain-server.ts'

interface Request {
  url?: string
  method?: string
  headers?: object
  [property: string]: unknown
}

/** Reads names from a request; `told` are the places that failed. */
function read(names: string[], request: Request): { tags: Record<string, unknown>; told: string[] } {
  const tags: Record<string, unknown> = {}
  const told: string[] = []
  readAttributes(
    parseAttributes(names),
    {
      req: { method: 'GET', headers: {}, ...request } as IncomingMessage,
      target: request.url ?? '/',
      read: name => request[name],
    },
    createIsSecret(),
    place => told.push(place),
    tags,
  )
  return { tags, told }
}

const value = (name: string, request: Request): unknown => read([`${name}=tag`], request).tags.tag
const body = (content: unknown): unknown => value('body', { body: content })

describe('names', () => {
  test('a path, a renamed one, blanks around, upper case for the first step', () => {
    const parsed = parseAttributes([
      'params.id',
      ' params.id = user.id ',
      'URL',
      'HEADERS.X-Tenant',
      'user.Name',
    ])
    assert.deepEqual(
      parsed.map(({ tag, path, early }) => [tag, path.join('/'), early]),
      [
        ['params.id', 'params/id', false],
        ['user.id', 'params/id', false],
        ['URL', 'url', true],
        ['HEADERS.X-Tenant', 'headers/X-Tenant', true],
        ['user.Name', 'user/Name', false],
      ],
    )
  })

  test('the same tag in either case of the name, with the name as it was written', () => {
    const request = { url: '/a?b=1', headers: { 'x-tenant': 'acme' }, params: { id: '7' } }
    const { tags } = read(
      ['url', 'URL', 'method', 'METHOD', 'path', 'PATH', 'headers.X-TENANT', 'HEADERS.x-tenant', 'PARAMS.id'],
      request,
    )
    assert.deepEqual(tags, {
      url: '/a?b=1',
      URL: '/a?b=1',
      method: 'GET',
      METHOD: 'GET',
      path: '/a',
      PATH: '/a',
      'headers.X-TENANT': 'acme',
      'HEADERS.x-tenant': 'acme',
      'PARAMS.id': '7',
    })
  })

  test('what cannot be read is a TypeError that names the entry', () => {
    for (const entry of ['', ' ', 'a..b', '.a', 'a.', '=tag', 'a=', 'a= ', '.']) {
      assert.throws(
        () => parseAttributes(['ok', entry]),
        (error: Error) => {
          assert.equal(error.name, 'TypeError')
          assert.ok(error.message.includes(JSON.stringify(entry)), error.message)
          assert.match(error.message, /^tracedRequestAttributes: .*params\.id/)
          return true
        },
      )
    }
  })

  test('a tag’s name is clean and bounded', () => {
    const [parsed] = parseAttributes([`a=${'t'.repeat(500)}`])
    assert.equal(parsed?.tag.length, 128)
    assert.equal(parseAttributes(['a=b\nc'])[0]?.tag, 'b c')
  })
})

describe('values', () => {
  test('numbers and booleans as such, text as text, objects as JSON, nothing for what is not there', () => {
    const request = {
      n: 0,
      f: 1.5,
      no: false,
      text: '',
      big: 12345678901234567890n,
      object: { a: [1, 'x', null] },
      list: [1, 2],
      date: new Date(0),
      nothing: null,
      undefined,
      fn: () => 1,
      symbol: Symbol('s'),
    }
    assert.deepEqual(
      read(Object.keys(request).concat('missing', 'n.deeper', 'text.length', 'object.b.c'), request).tags,
      {
        n: 0,
        f: 1.5,
        no: false,
        text: '',
        big: '12345678901234567890',
        object: '{"a":[1,"x",null]}',
        list: '[1,2]',
        date: '"1970-01-01T00:00:00.000Z"',
      },
    )
  })

  test('paths: through arrays, class instances, getters, keys with dots in them', () => {
    class User {
      get id(): number {
        return 7
      }
    }
    const request = {
      user: new User(),
      list: [{ a: 'x' }],
      query: { 'filter.name': 'dotted', 'a.b': { c: 'deep' }, a: { x: 1 } },
      headers: { 'x.dotted': 'h' },
    }
    assert.equal(value('user.id', request), 7)
    assert.equal(value('list.0.a', request), 'x')
    assert.equal(value('query.filter.name', request), 'dotted')
    assert.equal(value('headers.x.dotted', request), 'h')
    assert.equal(value('query.a.y', request), undefined)
  })

  test('F019, F063: a getter or Proxy that throws costs its own tag, and is reported by its name', () => {
    const no = (): never => {
      throw new Error('no')
    }
    const { tags, told } = read(['user.id', 'proxy.a', 'body', 'headers.b', 'n'], {
      user: Object.defineProperty({}, 'id', { get: no }),
      proxy: new Proxy({}, { get: no }),
      body: { toJSON: no },
      headers: new Proxy({}, { get: no }),
      n: 1,
    })
    assert.deepEqual(tags, { n: 1 })
    assert.deepEqual(
      told,
      ['user.id', 'proxy.a', 'body', 'headers.b'].map(name => `tracedRequestAttributes: ${name}`),
    )
    assert.equal(value('headers.a', { headers: Object.assign(Object.create(null), { a: 'x' }) }), 'x')
  })

  test('control characters go, length is bounded, no half of a pair', () => {
    assert.equal(value('a', { a: 'x\r\ny\u0000z' }), 'x  y z')
    const long = String(value('a', { a: 'x'.repeat(5000) }))
    assert.equal(long.length, 1024)
    assert.ok(long.endsWith('…'))
    assert.equal(String(value('a', { a: `${'x'.repeat(1022)}😀y` })), `${'x'.repeat(1022)}…`)
    assert.equal(String(value('a', { a: `https://h/${'x'.repeat(5000)}` })).length, 1024)
    assert.equal(String(value('method', { method: 'X\n'.repeat(1000) })).length, 1024)
  })

  test('secrets are redacted wherever they hide, and given when they are asked for by their own name', () => {
    const request = {
      url: '/cb?code=hush&page=1',
      originalUrl: '/cb?code=hush&page=1',
      querystring: 'code=hush&page=1',
      rawHeaders: ['Accept', 'x', 'Cookie', 'hush', 'X-Api-Key', 'hush'],
      headers: {
        cookie: 'hush',
        'x-api-key': 'hush',
        referer: 'https://u:hush@h/',
        ':path': '/x',
        accept: 'a',
      },
      query: { token: 'hush', next: 'https://h/?sig=hush' },
    }
    const { tags } = read(
      [
        'url',
        'originalUrl',
        'querystring',
        'rawHeaders',
        'headers',
        'headers.referer',
        'query',
        'query.next',
      ],
      request,
    )
    assert.equal(JSON.stringify(tags).includes('hush'), false, JSON.stringify(tags))
    assert.equal(tags.originalUrl, '/cb?code=REDACTED&page=1')
    assert.equal(
      tags.headers,
      '{"cookie":"REDACTED","x-api-key":"REDACTED","referer":"https://REDACTED:REDACTED@h/","accept":"a"}',
    )
    assert.equal(tags.rawHeaders, '["Accept","x","Cookie","REDACTED","X-Api-Key","REDACTED"]')
    assert.deepEqual(read(['headers.cookie', 'query.token'], request).tags, {
      'headers.cookie': 'hush',
      'query.token': 'hush',
    })
  })
})

describe('JSON of what strangers send', () => {
  test('as JSON.stringify has it, when nothing is secret and it is short', () => {
    const harmless = fc.stringMatching(/^[a-z]{1,4}$/)
    const json = fc.letrec(tie => ({
      value: fc.oneof(
        { depthSize: 'small', maxDepth: 4 },
        harmless,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.date({ noInvalidDate: true }),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(
          harmless.map(name => `k${name}x`),
          tie('value'),
          { maxKeys: 3 },
        ),
      ),
    })).value
    fc.assert(
      fc.property(json, content => {
        fc.pre(typeof content === 'object' && content !== null)
        const wanted = JSON.stringify(content)
        fc.pre(wanted.length <= 1024)
        assert.equal(body(content), wanted)
      }),
    )
  })

  test('anything at all: a clean text within the limit, or nothing; never a throw', () => {
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withTypedArray: true,
          withSparseArray: true,
          withNullPrototype: true,
        }),
        content => {
          const { tags, told } = read(['body'], { body: content })
          assert.deepEqual(told, [])
          const tag = tags.body
          if (typeof tag !== 'string') assert.ok(['number', 'boolean', 'undefined'].includes(typeof tag))
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
          else assert.ok(tag.length <= 1024 && !/[\u0000-\u001f\u007f]/.test(tag))
        },
      ),
      { numRuns: 500 },
    )
  })

  test('cycles, depth, bytes, BigInt, symbols, functions, sparse arrays, invalid dates', () => {
    const cycle: Record<string, unknown> = { a: 1 }
    cycle.self = cycle
    assert.match(String(body(cycle)), /^\{"a":1,"self":\{"a":1,.*"…"\}+$/)
    const wide: Record<string, unknown> = {}
    for (let i = 0; i < 10; i++) wide[`k${i}x`] = wide
    assert.ok(String(body(wide)).length <= 1024)
    assert.equal(body({ bytes: Buffer.from('secret'), big: 1n }), '{"bytes":"[6 bytes]","big":1}')
    assert.equal(body(Buffer.alloc(10)), '"[10 bytes]"')
    assert.equal(body({ f() {}, s: Symbol('x'), u: undefined, n: Number.NaN }), '{"n":null}')
    assert.equal(body({ d: new Date(Number.NaN) }), '{"d":null}')
    assert.equal(body(Object.assign(new Array(2), { 1: 1 })), '[null,1]')
    const proto = JSON.parse('{"__proto__":{"polluted":1},"a":1}')
    assert.equal(body(proto), '{"__proto__":{"polluted":1},"a":1}')
    assert.equal(({} as { polluted?: unknown }).polluted, undefined)
    const selfMade = { toJSON: () => selfMade }
    assert.equal(body(selfMade), '"…"')
  })

  test('a body of 10 MB costs less than 5 ms', () => {
    const text = 'x=1 '.repeat(2.5e6)
    const bodies: Record<string, unknown> = {
      'one text': text,
      'a text in a field': { a: { text } },
      'a text without blanks': 'x'.repeat(1e7),
      'many texts': { lines: Array.from({ length: 1e5 }, (_, i) => `line ${i} ${'x'.repeat(90)}`) },
      'many objects': Array.from({ length: 3e5 }, (_, id) => ({ id, name: `user ${id}` })),
      'a long key': { ['k'.repeat(1e7)]: 1 },
      bytes: Buffer.alloc(1e7),
      'bytes in a field': { file: new Uint8Array(1e7) },
    }
    for (const [name, content] of Object.entries(bodies)) {
      let best = Number.POSITIVE_INFINITY
      for (let round = 0; round < 5; round++) {
        const start = performance.now()
        assert.ok(String(body(content)).length <= 1024)
        best = Math.min(best, performance.now() - start)
      }
      assert.ok(best < 5, `${name} took ${best.toFixed(1)} ms`)
    }
  })
})

test('pathOf: without query, without origin, and whatever a client sends', () => {
  const paths: [target: string, wanted: string][] = [
    ['/a/b?c=d', '/a/b'],
    ['/', '/'],
    ['*', '*'],
    ['http://h:1/a?b', '/a'],
    ['http://h', '/'],
    ['//h/a', '//h/a'],
    ['h:443', 'h:443'],
    ['', ''],
  ]
  for (const [target, wanted] of paths) assert.equal(pathOf(target), wanted)
})

describe('the environment variable TRACED_REQUEST_ATTRIBUTES', () => {
  interface Seen {
    tags: Record<string, unknown>
    warnings: string[]
    told: [place: string, message: string][]
  }

  async function run(variable: string, options: string): Promise<Seen> {
    const { stdout, stderr, code } = await runProgram(
      `
      import { recordingTracer } from '${source}/testing/index.ts'
      import { plainServer } from '${source.replace(/src$/, 'test')}/support/plain-server.ts'
      const seen = { warnings: [], told: [] }
      process.on('warning', warning => seen.warnings.push(warning.name + ': ' + warning.message))
      const tracer = recordingTracer()
      const server = await plainServer(req => Object.assign(req, { user: { id: 7 } }) && 'x', { tracer, ...${options} })
      await (await fetch('http://127.0.0.1:' + server.port + '/a?b=1', { headers: { 'x-tenant': 'acme' } })).text()
      await server.close()
      const { URL: url, user, tenant, method } = tracer.spans[0].tags
      console.log(JSON.stringify({ ...seen, tags: { url, user, tenant, method } }))
    `,
      { env: { TRACED_REQUEST_ATTRIBUTES: variable } },
    )
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as Seen
  }

  test('a comma list, with blanks and empty entries', async () => {
    const { tags, warnings } = await run(' URL, headers.x-tenant=tenant,, user.id=user ,', '{}')
    assert.deepEqual(tags, { url: '/a?b=1', tenant: 'acme', user: 7 })
    assert.deepEqual(warnings, [])
  })

  test('the option wins', async () => {
    const { tags } = await run('URL,user.id=user', "{ tracedRequestAttributes: ['method'] }")
    assert.deepEqual(tags, { method: 'GET' })
    assert.deepEqual((await run('URL', '{ tracedRequestAttributes: [] }')).tags, {})
  })

  test('a bad entry is reported, and the service starts', async () => {
    const { tags, warnings } = await run('URL,a..b', '{}')
    assert.deepEqual(tags, {})
    assert.equal(warnings.length, 1)
    assert.match(
      String(warnings[0]),
      /^TracingWarning: TRACED_REQUEST_ATTRIBUTES: .*"a\.\.b".*none of its attributes is used \(told once\)$/,
    )
    const told = await run('a..b', '{ onError: (error, place) => seen.told.push([place, error.message]) }')
    assert.equal(told.told[0]?.[0], 'TRACED_REQUEST_ATTRIBUTES')
    assert.deepEqual(told.warnings, [])
  })
})

test('on a real request: early ones before the sampler, late ones at the end', async () => {
  const tracer = recordingTracer()
  let atStart: Record<string, unknown> = {}
  const server = await plainServer(req => Object.assign(req, { user: { id: 7 } }) && 'x', {
    tracer,
    tracedRequestAttributes: ['headers.x-tenant', 'user.id', 'late'],
    decorateSpan: ({ phase }) => {
      if (phase === 'start') atStart = { ...tracer.spans[0]?.tags }
    },
  })
  await ask(server.port, '/', { headers: { 'x-tenant': 'acme' } })
  await server.close()
  assert.equal(atStart['headers.x-tenant'], 'acme')
  assert.equal('user.id' in atStart, false)
  assert.equal(tracer.spans[0]?.tags['user.id'], 7)
})
