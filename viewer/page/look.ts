// How things look the same wherever they are shown: a service's colour, a time, marks for failures.

import { formatDuration } from '../src/duration.ts'
import { type Child, h, icon } from './dom.ts'

export { formatDuration }

const COLOURS = 10
const assigned = new Map<string, number>()
const taken = new Set<number>()

/** A service's colour: by its name, the same on every visit, and another than its neighbours' while there are enough. */
export function colourOf(service: string): string {
  let index = assigned.get(service)
  if (index === undefined) {
    let hash = 0
    for (let i = 0; i < service.length; i++) hash = (hash * 31 + service.charCodeAt(i)) >>> 0
    index = hash % COLOURS
    for (let tries = 0; tries < COLOURS && taken.has(index); tries++) index = (index + 3) % COLOURS
    if (taken.size < COLOURS) taken.add(index)
    assigned.set(service, index)
  }
  return `var(--service-${index})`
}

/** A service's name with its colour. */
export function serviceLabel(service: string, more: Child = undefined): HTMLElement {
  return h(
    'span',
    { class: 'service', style: { '--colour': colourOf(service) } },
    h('span', { class: 'dot', attributes: { 'aria-hidden': 'true' } }),
    h('bdi', {}, service),
    more,
  )
}

/** A mark that says something went wrong. */
export function errorMark(label: string): HTMLElement {
  return h(
    'span',
    { class: 'mark mark-error', title: label },
    icon('error'),
    h('span', { class: 'visually-hidden' }, label),
  )
}

/** A mark that says the client left. */
export function abortedMark(label = 'aborted by the client'): HTMLElement {
  return h(
    'span',
    { class: 'mark mark-aborted', title: label },
    icon('aborted'),
    h('span', { class: 'visually-hidden' }, label),
  )
}

/** `14:03:07.512`, with the date when it was not today. */
export function formatTime(microseconds: number): string {
  const date = new Date(microseconds / 1000)
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
  return date.toDateString() === new Date().toDateString() ? time : `${formatDate(date)} ${time}`
}

function formatDate(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/** `5 spans`, `1 span`. */
export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

/** `1.2 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** A share as a whole per cent, but never `0 %` of something that happened. */
export function formatShare(part: number, whole: number): string {
  if (part === 0 || whole === 0) return '0 %'
  const share = (part / whole) * 100
  return share < 1 ? '< 1 %' : `${Math.round(share)} %`
}
