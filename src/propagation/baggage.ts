// W3C Baggage, and the limits that baggage of every format keeps. https://www.w3.org/TR/baggage/

import type { Format } from './format.ts'
import { joined, type Texts, trimmed } from './header-text.ts'
import { BAGGAGE_OCTET, BAGGAGE_PLAIN, consistsOf, decodePercent, encodePercent, TOKEN } from './percent.ts'

/** The draft's limits (3.3.2): so much must pass, and what is over it is dropped by whole members. */
export const MAX_MEMBERS = 64
export const MAX_BYTES = 8192

const COMMA = 44
const COMMA_LENGTH = 1

/** Baggage while it is read from one carrier. */
export interface Gathered {
  readonly items: Map<string, string>
  properties: Map<string, string> | undefined
  bytes: number
  /** Members over the limits and members that are not valid. */
  dropped: number
  /** Items of another format that `baggage` had given already; `disputed` of them with another value. */
  shared: number
  disputed: number
}

/** A new, empty gathering. */
export function gather(): Gathered {
  return { items: new Map(), properties: undefined, bytes: 0, dropped: 0, shared: 0, disputed: 0 }
}

/**
 * Adds a member if it keeps within the limits. The first member of a key counts.
 *
 * @param bytes its length on the wire
 */
export function addMember(gathered: Gathered, key: string, value: string, bytes: number): boolean {
  const { items } = gathered
  if (items.has(key)) return false
  const total = gathered.bytes + bytes + (items.size === 0 ? 0 : COMMA_LENGTH)
  if (items.size === MAX_MEMBERS || total > MAX_BYTES) {
    gathered.dropped++
    return false
  }
  gathered.bytes = total
  items.set(key, value)
  return true
}

/** Reads `baggage`; several headers are one list. A member that is not valid is dropped, the others survive. */
export function readBaggage(header: Texts, gathered: Gathered): void {
  readList(joined(header), gathered, member => readMember(member, gathered))
}

/** How many members of a list are looked at: far more than are kept. */
const MAX_READ = 1024

/** Takes a list apart; members behind so many are dropped unseen. */
export function readList(text: string, gathered: Gathered, read: (member: string) => void): void {
  let left = MAX_READ
  for (let start = 0; start < text.length; ) {
    if (text.charCodeAt(start) === COMMA) {
      start++
    } else if (left-- > 0) {
      const comma = text.indexOf(',', start)
      const end = comma === -1 ? text.length : comma
      const member = trimmed(text.slice(start, end))
      if (member !== '') read(member)
      start = end + 1
    } else {
      gathered.dropped += membersFrom(text, start)
      return
    }
  }
}

function membersFrom(text: string, start: number): number {
  let count = 0
  let isBetween = true
  for (let i = start; i < text.length; i++) {
    const isComma = text.charCodeAt(i) === COMMA
    if (isBetween && !isComma) count++
    isBetween = isComma
  }
  return count
}

function readMember(member: string, gathered: Gathered): void {
  const semicolon = member.indexOf(';')
  const pair = semicolon === -1 ? member : member.slice(0, semicolon)
  const properties = semicolon === -1 ? '' : trimmed(member.slice(semicolon + 1))
  const equals = pair.indexOf('=')
  const key = trimmed(pair.slice(0, Math.max(equals, 0)))
  const value = trimmed(pair.slice(equals + 1))
  if (key === '' || !consistsOf(key, TOKEN) || !consistsOf(value, BAGGAGE_OCTET) || !isVisible(properties)) {
    gathered.dropped++
    return
  }
  const bytes = key.length + value.length + 1 + (properties === '' ? 0 : properties.length + 1)
  if (addMember(gathered, key, decodePercent(value), bytes) && properties !== '') {
    gathered.properties ??= new Map()
    gathered.properties.set(key, properties)
  }
}

/** Whether the text is ASCII that may stand in a header's value. */
export function isVisible(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c > 126 || (c < 32 && c !== 9)) return false
  }
  return true
}

/** `baggage`: values percent-encoded, whole members within the limits. */
export const baggage: Format = {
  name: 'baggage',
  header: 'baggage',

  inject(context, carrier, _encoded, counts) {
    const items = context.baggage
    if (items === undefined || items.size === 0) return false
    let header = ''
    let members = 0
    for (const [key, value] of items) {
      if (members === MAX_MEMBERS || key === '' || !consistsOf(key, TOKEN)) continue
      const member = memberOf(key, value, context.baggageProperties?.get(key))
      if (header.length + member.length + (members === 0 ? 0 : COMMA_LENGTH) > MAX_BYTES) continue
      header = members === 0 ? member : `${header},${member}`
      members++
    }
    counts.dropped += items.size - members
    if (members > 0) carrier.baggage = header
    return members > 0
  },
}

function memberOf(key: string, value: string, properties: string | undefined): string {
  const pair = `${key}=${encodePercent(value, BAGGAGE_PLAIN)}`
  return properties === undefined ? pair : `${pair};${properties}`
}
