// Which names stand for secrets: query keys, header names, fields. The list for people is in docs/privacy.md.

/** What stands in the place of a secret. */
export const REDACTED = 'REDACTED'

/** A name that has one of these anywhere in it (letters and digits alone, lower case) stands for a secret. */
const SECRET_PARTS = [
  'token',
  'secret',
  'password',
  'passwd',
  'passphrase',
  'apikey',
  'accesskey',
  'privatekey',
  'signingkey',
  'encryptionkey',
  'subscriptionkey',
  'signature',
  'credential',
  'session',
  'authorization',
  'oauth',
  'cookie',
  'bearer',
  'assertion',
  'samlresponse',
  'codeverifier',
  'csrf',
  'xsrf',
]

/** A name that is one of these as a whole stands for a secret; so does `[code]` at the end of `grant[code]`. */
const SECRET_KEYS = new Set([
  'code',
  'state',
  'sig',
  'auth',
  'key',
  'jwt',
  'otp',
  'pin',
  'pass',
  'pwd',
  'sid',
  'nonce',
  'hmac',
  'cvv',
  'cvc',
])

/** A name that has one of these as one of its words (`x-auth`, `connect.sid`, `userPwd`) stands for a secret. */
const SECRET_WORDS = new Set(['auth', 'sig', 'jwt', 'pwd', 'otp', 'sid'])

/** Those of them that are everyday words in messages: there they count in a query alone. */
const EVERYDAY_WORDS = new Set(['code', 'state', 'key'])

const SECRET_HEADERS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key'])

/** Says whether a query key, header or field names a secret. */
export type IsSecret = (key: string) => boolean

// Keys come from clients: what is remembered about them is bounded.
const REMEMBERED_KEYS = 1000
const REMEMBERED_LENGTH = 64

/**
 * Makes the test for secret-looking keys (`token`, `access_token`, `apiKey`, `user[password]`, `X-Amz-Signature`).
 *
 * @param more further keys that name secrets, in any case, compared as a whole by letters and digits
 * @example
 * const isSecret = createIsSecret(['iban'])
 * isSecret('IBAN') // true
 */
export function createIsSecret(more: readonly string[] = []): IsSecret {
  const own = new Set(more.map(squash).filter(key => key !== ''))
  const known = new Map<string, boolean>()
  return key => {
    const remembered = known.get(key)
    if (remembered !== undefined) return remembered
    const secret = looksSecret(key, own)
    if (known.size < REMEMBERED_KEYS && key.length <= REMEMBERED_LENGTH) known.set(key, secret)
    return secret
  }
}

function looksSecret(key: string, own: ReadonlySet<string>): boolean {
  const squashed = squash(key)
  const isWhole = (name: string): boolean => own.has(name) || SECRET_KEYS.has(name)
  return (
    isWhole(squashed) ||
    SECRET_PARTS.some(part => squashed.includes(part)) ||
    words(key).some(word => SECRET_WORDS.has(word)) ||
    (key.includes('[') && key.split(/[[\]]+/).some(step => isWhole(squash(step))))
  )
}

/** The test with our own list alone. */
export const isSecret: IsSecret = createIsSecret()

function squash(key: string): string {
  return key.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '')
}

function words(key: string): string[] {
  return key
    .replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, '$1$3 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
}

/** Says whether a header carries a credential; names in any case. */
export function isSecretHeader(name: string, secret: IsSecret = isSecret): boolean {
  return isCredentialHeader(name) || secret(name)
}

/** Says whether a name is that of a header that carries nothing but a credential. */
export function isCredentialHeader(name: string): boolean {
  return SECRET_HEADERS.has(name.toLowerCase())
}

/** Says whether a key is an everyday word too: the `code` of OAuth in a query, that of an error in a message. */
export function meansManyThings(key: string): boolean {
  return EVERYDAY_WORDS.has(squash(key))
}
