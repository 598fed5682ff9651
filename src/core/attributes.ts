// Attributes of a request that the user asks for by name: where each is found, and how it becomes a tag.

import type { IncomingMessage } from 'node:http'
import { cleanText, type IsSecret, isSecretHeader, MAX_VALUE_LENGTH, REDACTED, redactUrl } from './privacy.ts'
import type { Report } from './trouble.ts'

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
    const [, source, rename] = /^\s*([^=]+?)\s*(?:=\s*(\S.*?)\s*)?$/.exec(entry) ?? []
    const path = source?.split('.')
    if (source === undefined || path === undefined || path.some(step => step === '')) {
      throw new TypeError(
        `tracedRequestAttributes: ${JSON.stringify(entry)} is no attribute; write a dotted path such as 'params.id', or 'params.id=user.id' to rename its tag`,
      )
    }
    const first = path[0] as string
    // URL, METHOD and HEADERS are how such lists are written in environment variables.
    const root = first === first.toUpperCase() ? first.toLowerCase() : first
    return { tag: cleanText(rename ?? source, 128), path: [root, ...path.slice(1)], early: EARLY.has(root) }
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
      return source.req.method
    case 'path':
      return cleanText(pathOf(source.target))
    case 'headers':
      return path.length === 1
        ? toJson(source.req.headers, key => isSecretHeader(key, secret))
        : toTag(source.req.headers[path.slice(1).join('.').toLowerCase()], path, secret)
    default:
      return toTag(follow(source.read(path[0] as string), path, 1), path, secret)
  }
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
      // Asked for by its own name, a secret is given; hidden in a URL under another name, it is not.
      return value.includes('://') && !secret(path[path.length - 1] as string)
        ? redactUrl(value, secret)
        : cleanText(value)
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
    if (typeof item === 'string') write(JSON.stringify(item.slice(0, left)))
    else if (typeof item === 'bigint') write(String(item))
    else if (typeof item !== 'object' || item === null) write(JSON.stringify(item) ?? 'null')
    else if (depth > MAX_DEPTH) write('"…"')
    else if (typeof (item as { toJSON?: unknown }).toJSON === 'function') {
      visit((item as { toJSON(): unknown }).toJSON(), depth + 1)
    } else if (Array.isArray(item)) visitArray(item, depth)
    else visitObject(item as Record<string, unknown>, depth)
  }
  const visitArray = (items: readonly unknown[], depth: number): void => {
    write('[')
    for (let i = 0; i < items.length && left > 0; i++) {
      if (i > 0) write(',')
      visit(items[i], depth + 1)
    }
    write(']')
  }
  const visitObject = (item: Record<string, unknown>, depth: number): void => {
    write('{')
    let first = true
    for (const key in item) {
      if (left <= 0) break
      if (!Object.hasOwn(item, key) || key.startsWith(':')) continue
      const field = item[key]
      if (field === undefined || typeof field === 'function' || typeof field === 'symbol') continue
      write(`${first ? '' : ','}${JSON.stringify(key)}:`)
      first = false
      if (secret(key)) write(`"${REDACTED}"`)
      else
        visit(
          typeof field === 'string' && field.includes('://') ? redactUrl(field, secret) : field,
          depth + 1,
        )
    }
    write('}')
  }
  visit(value, 0)
  return cleanText(out)
}
