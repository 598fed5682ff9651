// The header of a trace: its name and figures, and notes on what is missing or was corrected.

import { shiftOf } from '../src/clock-skew.ts'
import type { LoadedTrace } from './api.ts'
import { type Child, copyButton, h, icon } from './dom.ts'
import { formatDuration, formatTime, plural } from './format.ts'
import { serviceLabel } from './labels.ts'

/** The name of a trace, its figures and its services. */
export function traceHeader(shown: LoadedTrace, save: () => void): Child {
  const { root, nodes, services, traceId } = shown
  const errors = nodes.filter(({ span }) => span.error).length
  const aborted = nodes.filter(({ span }) => span.aborted).length
  const depth = nodes.reduce((deepest, node) => Math.max(deepest, node.depth + 1), 0)
  return [
    h(
      'div',
      { class: 'trace-title' },
      h('h1', {}, serviceLabel(root.span.service), ' ', h('bdi', {}, root.span.operation)),
      h(
        'div',
        { class: 'actions' },
        h('a', { class: 'button', href: `#/compare/${traceId}` }, icon('compare'), 'Compare'),
        h(
          'button',
          {
            class: 'button',
            title: 'As Jaeger JSON (s)',
            attributes: { type: 'button' },
            on: { click: save },
          },
          icon('save'),
          'Save',
        ),
      ),
    ),
    h(
      'div',
      { class: 'trace-facts' },
      h('span', { class: 'fact-strong' }, formatDuration(shown.end - shown.start)),
      h('span', {}, formatTime(shown.start)),
      h('span', {}, plural(nodes.length, 'span')),
      h('span', {}, plural(services.length, 'service')),
      h('span', {}, `depth ${depth}`),
      errors > 0 && h('span', { class: 'bad' }, plural(errors, 'error')),
      aborted > 0 && h('span', { class: 'warn' }, `${aborted} aborted`),
      h('span', { class: 'trace-id' }, h('code', {}, traceId), copyButton(traceId, 'trace id')),
    ),
    h(
      'div',
      { class: 'legend' },
      services.slice(0, 12).map(service => serviceLabel(service)),
      services.length > 12 && h('span', {}, `+${services.length - 12}`),
    ),
  ]
}

/** Notes for the reader: missing parents, several roots, corrected clocks. */
export function notesOn({ nodes, roots }: LoadedTrace): Child {
  const notes: string[] = []
  const orphans = nodes.filter(node => node.orphan).length
  if (orphans > 0) {
    notes.push(
      `The parent of ${plural(orphans, 'span')} has not arrived: marked ⋯ and shown next to the root.`,
    )
  } else if (roots.length > 1) notes.push(`This trace has ${roots.length} roots.`)
  const moved = nodes.filter(node => shiftOf(node) !== 0).length
  if (moved > 0) {
    notes.push(
      `The clocks of the services differ: ${plural(moved, 'span')} shown at another time than recorded, within the caller.`,
    )
  }
  return notes.map(note => h('p', { class: 'notice' }, note))
}
