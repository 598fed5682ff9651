// Attributes of a request that the user asks for by name: where each is found, and how it becomes a tag.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Report } from '../settings/report.ts'
import { cleanText, MAX_VALUE_LENGTH, redactBeginning, redactUrl } from '../text/redact.ts'
import { type IsSecret, isSecretHeader, REDACTED } from '../text/secret-keys.ts'

/** One name of `tracedRequestAttributes`, taken apart once. */
export interface Attribute {
  /** The tag to write. */
  readonly tag: string
  /** The path into the request; the first step names a property of the framework's request. */
  readonly path: readonly string[]
  /** Known before the handler runs, and the same in every framework. */
  readonly early: boolean
}

/** Where the names lead: the raw request, and the framework's own answer for everything that it adds. */
export interface AttributeSource {
  readonly req: IncomingMessage
  readonly target: string
  /** A property of the framework's request; undefined when it has none. */
  read(name: string): unknown
}

const EARLY = new Set(['url', 'method', 'path', 'headers'])

/**
 * Takes names apart: `params.id`, `headers.x-tenant`, `URL`, or `params.id=user.id` to write another tag.
 *
 * @throws TypeError naming the entry that cannot be read
 */
export function parseAttributes(names: readonly string[]): Attribute[] {
  return names.map(entry => {
    const equals = entry.indexOf('=')
    const source = (equals === -1 ? entry : entry.slice(0, equals)).trim()
    const tag = equals === -1 ? source : entry.slice(equals + 1).trim()
    const path = source.split('.')
    if (tag === '' || path.includes('')) {
      throw new TypeError(
        `tracedRequestAttributes: ${JSON.stringify(entry)} is no attribute; write a dotted path such as 'params.id', or 'params.id=user.id' to rename its tag`,
      )
    }
    const first = path[0] as string
    // URL, METHOD and HEADERS are how such lists are written in environment variables.
    const root = first === first.toUpperCase() ? first.toLowerCase() : first
    return { tag: cleanText(tag, 128), path: [root, ...path.slice(1)], early: EARLY.has(root) }
  })
}

/** The value of an attribute as a tag; undefined when the request does not have it. May throw with the app's getters. */
function readAttribute(
  attribute: Attribute,
  source: AttributeSource,
  secret: IsSecret,
): string | number | boolean | undefined {
  const { path } = attribute
  switch (path[0]) {
    case 'url':
      return redactUrl(source.target, secret)
    case 'method':
      return cleanText(source.req.method ?? '')
    case 'path':
      return redactUrl(pathOf(source.target), secret)
    case 'headers': {
      if (path.length === 1)
        return toJson(withoutPseudo(source.req.headers), key => isSecretHeader(key, secret))
      const name = path.slice(1).join('.').toLowerCase()
      return name.startsWith(':') ? undefined : toTag(source.req.headers[name], path, secret)
    }
    default:
      return toTag(follow(source.read(path[0] as string), path, 1), path, secret)
  }
}

/** Tags that a user gave, fit to be written. */
export function cleanTags(tags: Record<string, unknown>): Record<string, unknown> {
  const cleaned = Object.entries(tags).map(([tag, value]) => [
    cleanText(tag, 128),
    typeof value === 'string' ? cleanText(value) : value,
  ])
  return Object.fromEntries(cleaned)
}

/** Reads attributes into tags; a getter of the app's that throws costs its own tag and is reported. */
export function readAttributes(
  attributes: readonly Attribute[],
  source: AttributeSource,
  secret: IsSecret,
  report: Report,
  tags: Record<string, unknown>,
): void {
  for (const attribute of attributes) {
    try {
      const value = readAttribute(attribute, source, secret)
      if (value !== undefined) tags[attribute.tag] = value
    } catch (error) {
      report(`tracedRequestAttributes: ${attribute.tag}`, error)
    }
  }
}

/** The path of a request target as it was sent: without query, and without origin where the client sent one. */
export function pathOf(target: string): string {
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  if (path.charCodeAt(0) === 47 /* / */) return path
  const [, rest] = /^[a-z][a-z0-9+.-]*:\/\/[^/]*(.*)$/i.exec(path) ?? []
  return rest === undefined ? path : rest || '/'
}

/** HTTP/2 puts `:method` and its like among the headers. */
function withoutPseudo(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':')))
}

function follow(value: unknown, path: readonly string[], from: number): unknown {
  let found = value
  for (let i = from; i < path.length; i++) {
    if (typeof found !== 'object' || found === null) return undefined
    const holder = found as Record<string, unknown>
    found = holder[path[i] as string]
    // A key may hold dots itself: ?filter.name=x
    if (found === undefined && i + 1 < path.length) {
      const rest = holder[path.slice(i).join('.')]
      if (rest !== undefined) return rest
    }
  }
  return found
}

function toTag(
  value: unknown,
  path: readonly string[],
  secret: IsSecret,
): string | number | boolean | undefined {
  switch (typeof value) {
    case 'number':
    case 'boolean':
      return value
    case 'bigint':
      return String(value)
    case 'string':
      // Asked for by its own name, a secret is given; hidden in a URL or text under another name, it is not.
      return secret(path[path.length - 1] as string)
        ? cleanText(value)
        : cleanText(redactBeginning(value, MAX_VALUE_LENGTH, secret))
    case 'object':
      return value === null ? undefined : toJson(value, secret)
    default:
      return undefined
  }
}

const MAX_DEPTH = 8

/**
 * JSON of any value: secrets redacted, cycles and endless structures cut. Not JSON.stringify, whose cost is the size of
 * the value (a body of megabytes), not of what is kept.
 */
function toJson(value: object, secret: IsSecret): string {
  let left = MAX_VALUE_LENGTH + 1
  let out = ''
  const write = (text: string): void => {
    out += text
    left -= text.length
  }
  const visit = (item: unknown, depth: number): void => {
    if (typeof item === 'string') write(JSON.stringify(redactBeginning(item, left, secret).slice(0, left)))
    else if (typeof item === 'bigint') write(String(item))
    else if (typeof item !== 'object' || item === null) write(JSON.stringify(item) ?? 'null')
    else if (depth > MAX_DEPTH) write('"…"')
    // Neither by its elements nor by Buffer's toJSON, which makes a list of them all.
    else if (ArrayBuffer.isView(item)) write(`"[${item.byteLength} bytes]"`)
    else if (typeof (item as { toJSON?: unknown }).toJSON === 'function') {
      visit((item as { toJSON(): unknown }).toJSON(), depth + 1)
    } else if (Array.isArray(item)) visitArray(item, depth)
    else visitObject(item as Record<string, unknown>, depth)
  }
  const visitArray = (items: readonly unknown[], depth: number): void => {
    write('[')
    for (let i = 0; i < items.length && left > 0; i++) {
      if (i > 0) write(',')
      const name = items[i - 1]
      // A list of names and values, as rawHeaders is one.
      if (i % 2 === 1 && typeof name === 'string' && secret(name)) write(`"${REDACTED}"`)
      else visit(items[i], depth + 1)
    }
    write(']')
  }
  const visitObject = (item: Record<string, unknown>, depth: number): void => {
    write('{')
    let first = true
    for (const key in item) {
      if (left <= 0) break
      if (!Object.hasOwn(item, key)) continue
      const field = item[key]
      if (field === undefined || typeof field === 'function' || typeof field === 'symbol') continue
      write(`${first ? '' : ','}${JSON.stringify(key.slice(0, left))}:`)
      first = false
      if (left <= 0) break
      if (secret(key)) write(`"${REDACTED}"`)
      else visit(field, depth + 1)
    }
    write('}')
  }
  visit(value, 0)
  return cleanText(out)
}
