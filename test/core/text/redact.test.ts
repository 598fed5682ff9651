// What must never leave the process, whatever stands around it; and what must not be taken for a secret.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { failureFields } from '../../../src/core/conventions/error-fields.ts'
import {
  cleanLines,
  cleanText,
  MAX_URL_LENGTH,
  MAX_VALUE_LENGTH,
  redactText,
  redactUrl,
} from '../../../src/core/text/redact.ts'
import { createIsSecret, REDACTED } from '../../../src/core/text/secret-keys.ts'
import { createTracedFetch } from '../../../src/outbound/fetch/index.ts'
import { recordingTracer } from '../../../src/testing/index.ts'
import semconv from '../../cases/semconv.json' with { type: 'json' }
import { ask, eventually, raw } from '../../support/client.ts'
import { plainServer } from '../../support/plain-server.ts'

/** The keys that the project promises to redact (docs/privacy.md). */
const KEYS = (
  'token access_token refresh_token id_token csrf_token api_key apikey apiKey api-key password passwd passphrase secret ' +
  'client_secret signature sig X-Amz-Signature X-Amz-Credential X-Amz-Security-Token AWSAccessKeyId X-Goog-Signature ' +
  'code code_verifier state session session_id jsessionid PHPSESSID.sid credential credentials auth auth_key oauth_nonce ' +
  'nonce authorization cookie key jwt otp pin pass pwd sid hmac bearer assertion SAMLResponse private_key access_key ' +
  'signing_key subscription-key x-api-key xsrf cvv'
).split(' ')

const HARMLESS = (
  'author authority zip_code zipcode country_code currencyCode estate states monkey keyboard keyword keys primary_key ' +
  'design sign passenger compass bypass encode barcode statement page q id sort limit offset utm_source name user email ' +
  'origin spin opinion hotpot side aside insider obsess posit authenticated oath cook cache_key'
).split(' ')

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
const half = /\p{Surrogate}/u
/** A value that is found again wherever it goes, and that no delimiter ends. */
const secretValue = fc.stringMatching(/^[A-Za-z0-9._~-]{6,24}$/).map(text => `S3CR3T${text}`)
const key = fc.constantFrom(...KEYS)
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.stringMatching(/^[a-z0-9%=&;?#/:@.,"'{}[\]<> \\+-]{0,40}$/),
)
/** What may stand in a query between two ampersands. */
const otherPair = anyText.map(text => text.replace(/[&#]/g, ''))

function percentEncoded(text: string): string {
  return [...text].map(c => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`).join('')
}

describe('keys', () => {
  const isSecret = createIsSecret()

  test('F106: every listed key is a secret, in any case, encoded, nested or decorated', () => {
    for (const name of KEYS) {
      const forms = [
        name,
        name.toUpperCase(),
        `user[${name}]`,
        `${name}[]`,
        `[${name}]`,
        ` ${name}`,
        `${name}\u0000`,
      ]
      for (const form of forms) assert.ok(isSecret(form), form)
      assert.equal(redactUrl(`/?${percentEncoded(name)}=v`), `/?${percentEncoded(name)}=${REDACTED}`)
    }
    for (const name of [
      'userToken',
      'UserApiKey',
      'x_auth',
      'XAuth',
      'connect.sid',
      'my-jwt',
      'stripe-signature',
      'dbPassword2',
    ]) {
      assert.ok(isSecret(name), name)
    }
  })

  test('harmless names are none: words that hold a listed one by chance', () => {
    assert.deepEqual(HARMLESS.filter(isSecret), [])
    const query = HARMLESS.map(name => `${name}=v`).join('&')
    assert.equal(redactUrl(`https://h/p?${query}`), `https://h/p?${query}`)
  })

  test('decided: names with token, session, secret, cookie … anywhere count, tokenize and sessions too', () => {
    for (const name of ['tokenize', 'max_tokens', 'sessions', 'secretary', 'cookie_consent']) {
      assert.ok(isSecret(name), `${name}: docs/privacy.md says so`)
    }
  })

  test('secretKeys: compared as a whole, by letters and digits in any case and script', () => {
    const mine = createIsSecret(['iban', 'Tax-Id', 'пароль', '***'])
    for (const name of ['IBAN', 'i_ban', 'taxid', 'TAX_ID', 'ПАРОЛЬ', 'user[iban]'])
      assert.ok(mine(name), name)
    for (const name of ['ibans', 'имя', '', '_', '日本']) assert.equal(mine(name), false, name)
  })

  test('what is remembered about keys that clients choose does not change the answer', () => {
    const mine = createIsSecret()
    for (let i = 0; i < 5000; i++) assert.equal(mine(`k${i}`), false)
    assert.ok(mine('token') && mine('token') && mine(`token${'x'.repeat(1e5)}`))
  })

  test('F106: the redaction list of the semantic conventions', () => {
    const statement = JSON.stringify(semconv).match(/query values of these keys[^:]*: ([^;]*);/)?.[1]
    const keys = String(statement).split(', ')
    assert.ok(keys.includes('X-Goog-Signature'))
    assert.deepEqual(
      keys.filter(name => !isSecret(name)),
      [],
    )
  })
})

describe('redactUrl', () => {
  test('any text: no throw, no control characters, within the limit', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          fc.string({ unit: 'binary', maxLength: 5000 }),
          fc.webUrl({ withQueryParameters: true, withFragments: true }),
        ),
        text => {
          const safe = redactUrl(text)
          assert.equal(control.test(safe), false)
          assert.ok(safe.length <= MAX_URL_LENGTH)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('F106: the value of a listed key never survives, whatever stands around the pair', () => {
    const url = fc.record({
      before: fc.constantFrom(
        '',
        'http://h',
        'https://h:8080/a/b',
        '/path',
        '//h/x',
        'http://[::1]/',
        '/a;b=c/d',
      ),
      open: fc.constantFrom('?', '#', '?#', '#/route?', '?a=b?'),
      left: fc.array(otherPair, { maxLength: 3 }),
      right: fc.array(otherPair, { maxLength: 3 }),
      key,
      isEncoded: fc.boolean(),
      value: secretValue,
    })
    fc.assert(
      fc.property(url, ({ before, open, left, right, key: name, isEncoded, value }) => {
        const pair = `${isEncoded ? percentEncoded(name) : name}=${value}`
        const text = before + open + [...left, pair, ...right].join('&')
        assert.equal(redactUrl(text).includes(value), false, redactUrl(text))
      }),
      { numRuns: 3000 },
    )
  })

  test('F106: nor inside an encoded URL, query or JSON that is a value itself, up to any depth of encoding', () => {
    const wraps = [
      (k: string, v: string) => `https://h/cb?${k}=${v}`,
      (k: string, v: string) => `https://h/cb#x=1&${k}=${v}`,
      (k: string, v: string) => `a=1&${k}=${v}&b=2`,
      (k: string, v: string) => JSON.stringify({ a: 1, [k]: v }),
      (k: string, v: string) => JSON.stringify({ a: [{ [k]: [v] }] }),
      (k: string, v: string) => JSON.stringify(JSON.stringify({ [k]: v })),
      (_k: string, v: string) => `https://user:${v}@h/`,
      (_k: string, v: string) => `https://${v}@h/`,
    ]
    fc.assert(
      fc.property(
        key,
        secretValue,
        fc.constantFrom(...wraps),
        fc.integer({ min: 0, max: 6 }),
        fc.boolean(),
        (name, value, wrap, depth, isWhole) => {
          let inner = wrap(name, value)
          for (let i = 0; i < depth; i++) inner = encodeURIComponent(inner)
          if (depth === 0) inner = inner.replaceAll('&', '%26').replaceAll('#', '%23')
          const text = `https://host/p?${isWhole ? '' : 'next='}${inner}&page=1`
          const safe = redactUrl(text)
          assert.equal(safe.includes(value), false, safe)
          assert.ok(safe.endsWith('&page=1'))
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('F105: user and password never survive, nor with odd characters in them', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9!$&'()*+,;=~._%@:-]{0,12}$/).map(text => `S3CR3T${text}`)
    fc.assert(
      fc.property(
        fc.constantFrom('http', 'postgres', 'redis', 'mongodb+srv', 'amqp'),
        part,
        part,
        (scheme, user, password) => {
          const url = `${scheme}://${user}:${password}@host:1234/db?x=1`
          const safe = redactUrl(url)
          assert.ok(!safe.includes('S3CR3T'), safe)
          assert.ok(safe.endsWith('@host:1234/db?x=1'), safe)
        },
      ),
    )
    assert.equal(redactUrl('postgres://user:pa/ss?w#d@host/db'), `postgres://${REDACTED}:${REDACTED}@host/db`)
    assert.equal(redactUrl('/proxy/https://u:p@h/x'), `/proxy/https://${REDACTED}:${REDACTED}@h/x`)
    assert.equal(redactUrl('/?next=https://u:p@h/x'), `/?next=https://${REDACTED}:${REDACTED}@h/x`)
  })

  test('a harmless URL is unchanged', () => {
    fc.assert(
      fc.property(
        fc.webUrl({ withFragments: true }),
        fc.array(fc.tuple(fc.constantFrom(...HARMLESS), fc.stringMatching(/^[a-zA-Z0-9%20+.,~-]{0,10}$/))),
        (url, pairs) => {
          const text =
            pairs.length === 0 ? url : `${url.split('#')[0]}?${pairs.map(pair => pair.join('=')).join('&')}`
          fc.pre(text.length <= MAX_URL_LENGTH && !/%25|:\/\/.*:\/\/.*@/i.test(text))
          assert.equal(redactUrl(text), text)
        },
      ),
      { numRuns: 1000 },
    )
    for (const url of [
      'https://unpkg.com/react@18.2.0/index.js?module',
      'http://[::1]:3000/a@b',
      'http://h1:27017,h2:27017/x@y',
      'https://h/@scope/pkg?email=a@b.c',
      'https://h/?q=caf%C3%A9%20cr%C3%A8me&page=2#top',
      '/search?q=%22exact%22&data=YWJjZA==',
      '*',
      '/a;v=1/b?x&&y=&=z',
    ]) {
      assert.equal(redactUrl(url), url)
    }
  })

  test('known forms', () => {
    const forms: [given: string, wanted: string][] = [
      ['/?token=a&page=2', '/?token=REDACTED&page=2'],
      ['/?token=&page=2', '/?token=&page=2'],
      ['/?token', '/?token'],
      ['/cb#access_token=a&expires=1', '/cb#access_token=REDACTED&expires=1'],
      ['/a;jsessionid=1F/b?x=1', '/a;jsessionid=REDACTED/b?x=1'],
      ['/?token=a;b?c#d', '/?token=REDACTED#d'],
      ['/?a=1;token=b&c=2', '/?a=1;token=REDACTED&c=2'],
      ['/?%74oken%zz=a', '/?%74oken%zz=REDACTED'],
      ['/?x=%7B%22password%22%3A%22a%22%7D', '/?x=REDACTED'],
      ['/p/https%3A%2F%2Fu%3Ap%40h%2F/x', '/p/REDACTED/x'],
      ['/?a\r\nb=1', '/?a  b=1'],
    ]
    for (const [given, wanted] of forms) assert.equal(redactUrl(given), wanted)
  })
})

describe('redactText', () => {
  test('any text: no throw; twice is as good as once', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ unit: 'binary', maxLength: 3000 })), text => {
        const safe = redactText(text)
        assert.equal(redactText(safe), safe)
      }),
      { numRuns: 2000 },
    )
  })

  test('F109: secrets in URLs, pairs, JSON, dumped objects and headers never survive in running text', () => {
    const strong = KEYS.filter(name => !['code', 'state', 'key'].includes(name))
    const forms: ((k: string, v: string) => string)[] = [
      (k, v) => `${k}=${v}`,
      (k, v) => `${k} = ${v}`,
      (k, v) => `"${k}":"${v}"`,
      (k, v) => `"${k}": ["${v}"]`,
      (k, v) => `"${k}":{"inner":"${v} and more"}`,
      (k, v) => `{\\"${k}\\":\\"${v}\\"}`,
      (k, v) => `'${k}': '${v} \\' ${v}'`,
      (k, v) => inspect({ [k]: v }),
      (k, v) => inspect({ a: { [k]: { b: v } } }),
      (k, v) => `https://h/p?x=1&${k}=${v}`,
      (k, v) => `(see https://h/p?${k}=${v})`,
      (k, v) => `https://h/p?next=https%3A%2F%2Fh%2F%3F${k}%3D${v}`,
      (k, v) => `/p?next=https%3A%2F%2Fh%2F%3F${k}%3D${v}&x=1`,
      (_k, v) => `postgres://user:${v}@h:5432/db`,
      (_k, v) => `Authorization: Bearer ${v}`,
      (_k, v) => `authorization=Bearer ${v}`,
      (_k, v) => `Cookie: a=b; sid=${v}; c=${v}`,
      (_k, v) => `{"headers":{"Authorization":"Bearer ${v}"}}`,
    ]
    const prose = anyText.map(text => text.replace(/["'`\\{}[\]]/g, ''))
    fc.assert(
      fc.property(
        fc.constantFrom(...strong),
        secretValue,
        fc.constantFrom(...forms),
        prose,
        prose,
        (name, value, form, before, after) => {
          const text = `${before} ${form(name, value)} ${after}`
          assert.equal(redactText(text).includes(value), false, redactText(text))
        },
      ),
      { numRuns: 4000 },
    )
  })

  test('code, state and key are everyday words in messages, and secrets in queries', () => {
    for (const text of [
      'process exited with code=1',
      'rpc error: code = Unavailable desc = no connection',
      '{"error":{"code":"rate_limited"}}',
      'circuit state=OPEN',
      'duplicate key=7',
    ]) {
      assert.equal(redactText(text), text)
    }
    assert.equal(redactText('code=a&grant_type=x'), 'code=REDACTED&grant_type=x')
    assert.equal(redactText('/cb?code=a&x=1'), '/cb?code=REDACTED&x=1')
    assert.equal(redactText('grant_type=x&code=a'), 'grant_type=x&code=REDACTED')
  })

  test('a value that is the next key', () => {
    assert.equal(redactText('key= token = abc, x'), 'key= REDACTED, x')
    assert.equal(redactText("token= password: 'abc def' x"), "token= REDACTED' x")
    assert.equal(redactText('token=abc def=1'), 'token=REDACTED def=1')
  })

  test('what people and machines write is unchanged', () => {
    for (const text of [
      'JsonWebTokenError: invalid signature',
      'Unexpected token: }',
      'Cannot read properties of undefined (reading "token")',
      'if (token == null || session !== other) return',
      'const password => hash',
      'at Object.<anonymous> (file:///app/src/session.ts:10:5)',
      'connect ECONNREFUSED 127.0.0.1:5432',
      'GET https://api.example.com/users?page=2 failed with 503',
      'session: expired',
    ]) {
      assert.equal(redactText(text), text)
    }
    const { stack } = new Error('a message')
    assert.equal(redactText(String(stack)), stack)
  })
})

test('a megabyte of anything takes time in proportion: well under a second each', () => {
  const hostile: Record<string, string> = {
    letters: 'a'.repeat(1e6),
    'letters behind an escape': `?x=%41${'a'.repeat(1e6)}`,
    'letters beside a percent sign': `% ${'a'.repeat(1e6)}`,
    equals: '='.repeat(1e6),
    'equals in a query': `?a=${'='.repeat(1e6)}`,
    colons: ':'.repeat(1e6),
    schemes: `${'://'.repeat(3e5)}@`,
    'half of a user info': `${'http://a:b/'.repeat(9e4)} @`,
    quotes: '"token":"'.repeat(1e5),
    brackets: 'token=['.repeat(1e5),
    backslashes: `token="${'\\'.repeat(1e6)}`,
    'escaped quotes': `${'\\"'.repeat(5e5)}=`,
    pairs: `?${'&token=x'.repeat(1e5)}`,
    'many times encoded': `?x=${'%25'.repeat(3e5)}`,
    'encoded URLs in URLs': `?x=${'http%3A%2F%2Fh%3Fy%3D'.repeat(5e4)}`,
    blanks: `${'token=\t'.repeat(1e5)}${' '.repeat(3e5)}`,
    dots: '.-.'.repeat(3e5),
    semicolons: ';token='.repeat(1e5),
    'chained keys': 'token= '.repeat(1e5),
    'everyday words': 'code='.repeat(2e5),
    'everyday words with objects': 'a state: {"x": '.repeat(6e4),
    'objects that do not end': '"session":{"a":['.repeat(6e4),
  }
  for (const [name, text] of Object.entries(hostile)) {
    for (const redact of [redactUrl, redactText]) {
      const start = performance.now()
      redact(text)
      const took = performance.now() - start
      // 200 ms when the machine is idle; what is quadratic takes minutes.
      assert.ok(took < 3000, `${redact.name} of ${name} took ${took.toFixed(0)} ms`)
    }
  }
})

describe('cleanText', () => {
  test('any text, any limit: within the limit, no control characters, no half of a pair that was whole', () => {
    fc.assert(
      fc.property(
        fc.oneof(anyText, fc.string({ unit: 'grapheme', maxLength: 60 })),
        fc.integer({ min: 1, max: 50 }),
        (text, limit) => {
          const clean = cleanText(text, limit)
          assert.ok(clean.length <= limit)
          assert.equal(control.test(clean), false)
          if (!half.test(text)) assert.equal(half.test(clean), false, JSON.stringify(clean))
          if (text.length <= limit && !control.test(text)) assert.equal(clean, text)
          else if (text.length > limit) assert.ok(clean.endsWith('…'))
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('cuts before a pair, never in it', () => {
    assert.equal(cleanText('ab😀cd', 4), 'ab…')
    assert.equal(cleanText('ab😀cd', 5), 'ab😀…')
    assert.equal(cleanText('😀😀', 2), '…')
    assert.equal(cleanText('x'.repeat(MAX_VALUE_LENGTH)).length, MAX_VALUE_LENGTH)
    assert.equal(cleanText('x'.repeat(MAX_VALUE_LENGTH + 1)).length, MAX_VALUE_LENGTH)
  })

  test('lines: line feeds and tabs stay, all other control characters go', () => {
    assert.equal(cleanLines('a\n\tb\rc\u0000d\u2028e', 100), 'a\n\tb c d e')
  })
})

describe('F109: errors as they are logged', () => {
  const SECRET = 'S3CR3T-value'

  /** What a reporter could write out of the fields. */
  function written(fields: Record<string, unknown>): string {
    const shown = [inspect(fields, { depth: 10, showHidden: true }), JSON.stringify(fields)]
    for (const value of Object.values(fields)) {
      shown.push(String(value), inspect(value, { depth: 10, showHidden: true }), JSON.stringify(value))
    }
    return shown.join('\n')
  }

  class AxiosError extends Error {
    code = 'ERR_BAD_REQUEST'
    config: object
    request: object
    response: object
    constructor(message: string) {
      super(message)
      this.name = 'AxiosError'
      const headers = { Authorization: `Bearer ${SECRET}`, Cookie: `sid=${SECRET}` }
      this.config = { url: `https://h/?token=${SECRET}`, headers, data: `{"password":"${SECRET}"}` }
      this.request = { _header: `GET / HTTP/1.1\r\nAuthorization: Bearer ${SECRET}` }
      this.response = { data: { token: SECRET }, headers: { 'set-cookie': [`sid=${SECRET}`] } }
    }
    toJSON(): object {
      return { message: this.message, config: this.config }
    }
  }

  test('an HTTP client’s error: code and kind stay, its request, headers and tokens do not', () => {
    const error = new AxiosError(`GET https://me:${SECRET}@h/a?page=2&access_token=${SECRET} failed with 401`)
    const fields = failureFields(error)
    assert.equal(written(fields).includes(SECRET), false, written(fields))
    const { stack, 'error.object': object, ...rest } = fields
    assert.deepEqual(rest, {
      event: 'error',
      'error.kind': 'AxiosError',
      message: 'GET https://REDACTED:REDACTED@h/a?page=2&access_token=REDACTED failed with 401',
    })
    assert.match(String(stack), /^(AxiosError|Error): GET https:\/\/REDACTED[^\n]*\n {4}at .*redact\.test/)
    assert.ok(object instanceof Error)
    assert.equal((object as { code?: unknown }).code, 'ERR_BAD_REQUEST')
    assert.match(inspect(object), /AxiosError\]?: GET https:\/\/REDACTED/)
  })

  const luggage: Record<string, () => unknown> = {
    'a field': () => Object.assign(new Error('x'), { headers: { authorization: SECRET } }),
    'a symbol': () => Object.assign(new Error('x'), { [Symbol('request')]: { authorization: SECRET } }),
    'a cause': () => new Error('x', { cause: new AxiosError(`token=${SECRET}`) }),
    'a cause that is no error': () => new Error('x', { cause: { authorization: SECRET } }),
    'a list of errors': () => new AggregateError([new AxiosError(`token=${SECRET}`)], 'x'),
    'a telling field': () =>
      Object.assign(new Error('x'), { code: `https://u:${SECRET}@h/`, type: { token: SECRET } }),
    'a stack that was made before the message was cleaned': () => {
      const error = new Error(`token=${SECRET}`)
      error.message = 'cleaned'
      return error
    },
    'an accessor': () =>
      Object.defineProperty(new Error('x'), 'request', { enumerable: true, get: () => SECRET }),
    'a toJSON': () => Object.assign(new Error('x'), { toJSON: () => ({ token: SECRET }) }),
    'an inspect of its own': () => Object.assign(new Error('x'), { [inspect.custom]: () => SECRET }),
    'a toJSON on the prototype': () =>
      new (class extends Error {
        toJSON() {
          return SECRET
        }
      })('x'),
    'a thrown object': () => ({
      message: `sig=${SECRET}`,
      token: SECRET,
      headers: { authorization: SECRET },
    }),
    'a thrown object without a message': () => ({ token: SECRET }),
    'a thrown array': () => [SECRET],
    'a thrown text': () => `https://h/?sig=${SECRET}`,
    'an error with its name as a field': () =>
      Object.assign(new Error('x'), { name: 'Mine', options: SECRET }),
  }
  for (const [title, make] of Object.entries(luggage)) {
    test(`luggage: ${title}`, () => {
      const fields = failureFields(make())
      const shown = written(fields)
      assert.equal(shown.includes(SECRET), false, shown)
    })
  }

  test('an error without luggage is the very object, also with a name, a code or a status of its own', () => {
    const named = new (class OwnError extends Error {
      override name = 'OwnError'
      status = 503
      code = 'E_OWN'
    })('plain')
    for (const error of [new Error('plain'), new TypeError('x'), named, new RangeError('')]) {
      assert.equal(failureFields(error)['error.object'], error)
    }
  })

  test('what is told of a cause: its kind, message and code', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    assert.equal(failureFields(new Error('x', { cause })).cause, 'Error: connect ECONNREFUSED (ECONNREFUSED)')
    assert.equal(failureFields(new Error('x', { cause: 'text' })).cause, 'string: text')
    assert.equal('cause' in failureFields(new Error('x', { cause: null })), false)
  })

  test('F063: whatever is thrown, however hostile: no throw, a kind and a message', () => {
    const no = (): never => {
      throw new Error('no')
    }
    const hostile: [thrown: unknown, kind: string, message: string][] = [
      [undefined, 'undefined', 'undefined'],
      [null, 'null', 'null'],
      ['text', 'string', 'text'],
      [7n, 'bigint', '7'],
      [Symbol('s'), 'symbol', 'Symbol(s)'],
      [{}, 'object', 'a thrown object'],
      [[1], 'Array', 'a thrown array'],
      [new (class Mine {})(), 'Mine', 'a thrown object'],
      [Object.create(null), 'object', 'a thrown object'],
      [Object.defineProperty({}, 'message', { get: no }), 'object', 'a value that cannot be read'],
      [Object.defineProperty(new Error(), 'message', { get: no }), 'Error', 'a value that cannot be read'],
      [Object.assign(new Error(), { message: { toString: no } }), 'Error', 'a value that cannot be read'],
      [new Proxy({}, { get: no, getPrototypeOf: no, ownKeys: no }), 'object', 'a value that cannot be read'],
      [new Proxy(new Error('x'), { get: no, getPrototypeOf: no }), 'object', 'a value that cannot be read'],
      [new DOMException('gone', 'AbortError'), 'AbortError', 'gone'],
    ]
    for (const [thrown, kind, message] of hostile) {
      const fields = failureFields(thrown)
      assert.deepEqual([fields['error.kind'], fields.message, fields.event], [kind, message, 'error'])
    }
  })

  test('F098: a message of 10 MB is cut, in no time; control characters go, lines stay', () => {
    const start = performance.now()
    const fields = failureFields(new Error('x '.repeat(5e6)))
    assert.ok(performance.now() - start < 200)
    assert.ok(String(fields.message).length <= 8192 && String(fields.stack).length <= 8192)
    assert.equal(failureFields('a\nb\u0000c').message, 'a\nb c')
  })
})

describe('what reaches a span', () => {
  test('F105-F109: a request and a call with secrets in every place: none is in any tag, log or name', async () => {
    const SECRET = 'S3CR3T'
    const tracer = recordingTracer()
    const fetch = createTracedFetch({ tracer })
    const echo = await plainServer(req => req.url, 'untraced')
    const told: unknown[] = []
    const server = await plainServer(
      async req => {
        Object.assign(req, {
          originalUrl: req.url,
          body: {
            password: SECRET,
            link: `https://u:${SECRET}@h/`,
            list: [`https://h/?sig=${SECRET}`],
            pairs: ['Cookie', SECRET],
          },
          query: { token: SECRET, next: `https://h/?token=${SECRET}` },
        })
        await (await fetch(`http://127.0.0.1:${echo.port}/?api_key=${SECRET}#${SECRET}`)).text()
        await fetch(`http://127.0.0.1:${echo.port}/?page=1&X-Amz-Signature=${SECRET}`, {
          headers: { authorization: SECRET },
        })
        throw Object.assign(new Error(`GET https://h/?token=${SECRET} failed`), {
          config: { headers: SECRET },
        })
      },
      {
        tracer,
        tracedRequestAttributes: [
          'HEADERS',
          'URL',
          'originalUrl',
          'rawHeaders',
          'body',
          'query',
          'body.link',
          'query.next',
          'headers.referer',
        ],
        onError: error => told.push(error),
      },
    )
    const headers = {
      authorization: `Bearer ${SECRET}`,
      cookie: `sid=${SECRET}`,
      referer: `https://h/?code=${SECRET}`,
      'x-api-key': SECRET,
      'x-original-url': `/cb?code=${SECRET}`,
    }
    await ask(
      server.port,
      `/a;jsessionid=${SECRET}/b?token=${SECRET}&next=${encodeURIComponent(`https://h/?sig=${SECRET}`)}`,
      { headers },
    )
    await raw(
      server.port,
      `GET http://u:${SECRET}@h/x?sig=${SECRET} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`,
    )
    await eventually(() => tracer.finishedSpans.length === 6, 'two requests with two calls each')
    await Promise.all([server.close(), echo.close()])
    for (const { operationName, tags, logs } of tracer.spans) {
      const shown =
        inspect({ operationName, tags, logs }, { depth: 10, showHidden: true }) + JSON.stringify([tags, logs])
      assert.equal(shown.includes(SECRET), false, shown)
    }
    assert.deepEqual(told, [])
  })

  test('F107, F108, F110, F112: by default no header, body, baggage or forwarded address is captured', async () => {
    const tracer = recordingTracer()
    const server = await plainServer(() => 'the body', { tracer })
    const headers = {
      'x-forwarded-for': '203.0.113.9',
      forwarded: 'for=203.0.113.9',
      'user-agent': 'agent',
      authorization: 'Bearer x',
      'uber-trace-id': '1:1:0:1',
      'uberctx-plan': 'gold',
    }
    await ask(server.port, '/', { method: 'POST', headers, body: 'sent' })
    await server.close()
    const [span] = tracer.spans
    assert.deepEqual(Object.keys(span?.tags ?? {}).sort(), [
      'component',
      'http.method',
      'http.status_code',
      'http.url',
      'peer.ipv4',
      'peer.port',
      'span.kind',
    ])
    assert.equal(span?.tags['peer.ipv4'], '127.0.0.1')
    assert.deepEqual(span?.logs, [])
  })
})
