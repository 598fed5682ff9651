// What may be in a span: whatever is given becomes text, number, boolean or a list of them, at once and at a bounded
// cost, so that no later step meets a surprise and no span keeps the app's objects alive.

/** A value as exporters get it. */
export type TagValue = string | number | boolean | readonly (string | number | boolean)[]

/** A value as it is kept; undefined for what tells nothing (undefined, null, a function, a symbol). */
export function toTagValue(value: unknown, maxLength: number): TagValue | undefined {
  switch (typeof value) {
    case 'string':
      return value.length > maxLength ? cut(value, maxLength) : value
    case 'number':
    case 'boolean':
      return value
    case 'bigint':
      return cut(String(value), maxLength)
    case 'object':
      return value === null ? undefined : fromObject(value, maxLength)
    default:
      return undefined
  }
}

/** A name as text, whatever was given. */
export function toName(value: unknown, maxLength: number): string {
  if (typeof value === 'string') return value.length > maxLength ? cut(value, maxLength) : value
  try {
    return cut(String(value), maxLength)
  } catch {
    return UNREADABLE
  }
}

function cut(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text
  // Never between the halves of a surrogate pair: the rest would not be valid UTF-8.
  const end = (text.charCodeAt(maxLength - 2) & 0xfc00) === 0xd800 ? maxLength - 2 : maxLength - 1
  return `${text.slice(0, end)}…`
}

const UNREADABLE = '[unreadable]'

/** Reading an object of the app's may throw (a getter, a proxy, a toJSON): that value is lost and nothing else. */
function fromObject(value: object, maxLength: number): TagValue {
  try {
    return listOf(value, maxLength) ?? cut(describe(value, maxLength), maxLength)
  } catch {
    return UNREADABLE
  }
}

const MAX_LIST = 64

function listOf(value: object, maxLength: number): TagValue | undefined {
  if (!Array.isArray(value) || value.length > MAX_LIST) return undefined
  const list: (string | number | boolean)[] = []
  for (const item of value) {
    if (typeof item === 'string') list.push(cut(item, maxLength))
    else if (typeof item === 'number' || typeof item === 'boolean') list.push(item)
    else return undefined
  }
  return list
}

const MAX_DEPTH = 8

/**
 * JSON of any object, as long as it is short: cycles and endless structures are cut. JSON.stringify would first write
 * out megabytes, and gives up altogether at a cycle or a BigInt.
 */
function describe(value: object, maxLength: number): string {
  let out = ''
  const visit = (item: unknown, depth: number): void => {
    if (typeof item === 'string') out += JSON.stringify(item.slice(0, maxLength))
    else if (typeof item === 'bigint') out += String(item)
    else if (typeof item !== 'object' || item === null) out += JSON.stringify(item) ?? 'null'
    else if (depth > MAX_DEPTH) out += '"…"'
    else if (Array.isArray(item))
      visitAll('[', ']', item.keys(), key => visit(plainOf(item[key as number]), depth + 1))
    else
      visitAll('{', '}', keysOf(item), key =>
        visitField(item as Record<string, unknown>, key as string, depth),
      )
  }
  const visitField = (item: Record<string, unknown>, key: string, depth: number): void => {
    out += `${JSON.stringify(key.slice(0, maxLength))}:`
    visit(plainOf(item[key]), depth + 1)
  }
  const visitAll = (
    open: string,
    close: string,
    keys: Iterable<string | number>,
    each: (key: string | number) => void,
  ): void => {
    let separator = open
    for (const key of keys) {
      if (out.length > maxLength) break
      out += separator
      separator = ','
      each(key)
    }
    out += separator === open ? open + close : close
  }
  const plain = plainOf(value)
  if (typeof plain === 'string') return plain
  visit(plain, 0)
  return out
}

/** What an object has to say of itself: errors, bytes, and what knows its own JSON (a date, a URL). */
function plainOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error) return `${value.name}: ${value.message}`
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  return 'toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON() : value
}

function* keysOf(item: object): Generator<string> {
  for (const key in item) {
    if (!Object.hasOwn(item, key)) continue
    const type = typeof (item as Record<string, unknown>)[key]
    if (type !== 'undefined' && type !== 'function' && type !== 'symbol') yield key
  }
}
