// Labels that look the same in all views: a service with its colour, and the marks for errors and aborts.

import { type Child, h, icon } from './dom.ts'

const COLOURS = 10
const assigned = new Map<string, number>()
const taken = new Set<number>()

/** The colour of a service: derived from its name, and different for each of the first ten services. */
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

/** A mark for an error. */
export function errorMark(label: string): HTMLElement {
  return h(
    'span',
    { class: 'mark mark-error', title: label },
    icon('error'),
    h('span', { class: 'visually-hidden' }, label),
  )
}

/** A mark for a request that the client aborted. */
export function abortedMark(label = 'aborted by the client'): HTMLElement {
  return h(
    'span',
    { class: 'mark mark-aborted', title: label },
    icon('aborted'),
    h('span', { class: 'visually-hidden' }, label),
  )
}
