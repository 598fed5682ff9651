// A row of the trace list.

import type { TraceSummary } from './api.ts'
import { type Child, h } from './dom.ts'
import { formatDuration, formatTime, plural } from './format.ts'
import { abortedMark, colourOf, errorMark, serviceLabel } from './labels.ts'

/** Draws a row; `onSelect` is called when its checkbox changes. */
export function drawTraceRow(
  trace: TraceSummary,
  isSelected: boolean,
  onSelect: (isSelected: boolean) => void,
): HTMLElement {
  const box = h('input', {
    attributes: {
      type: 'checkbox',
      'aria-label': `Select ${trace.operation} to compare`,
      checked: isSelected,
    },
    on: { change: () => onSelect(box.checked) },
  })
  const name = `${trace.service} ${trace.operation}, ${formatDuration(trace.duration)}, ${plural(trace.spans, 'span')}${trace.errors > 0 ? `, ${plural(trace.errors, 'error')}` : ''}`
  return h(
    'li',
    {
      class: `trace${trace.errors > 0 ? ' has-error' : ''}`,
      style: { '--colour': colourOf(trace.service) },
    },
    h('label', { class: 'choose' }, box),
    h(
      'a',
      { class: 'trace-link', href: `#/trace/${trace.traceId}`, attributes: { 'aria-label': name } },
      h(
        'span',
        { class: 'trace-what' },
        h('span', { class: 'trace-service' }, h('span', { class: 'dot' }), h('bdi', {}, trace.service)),
        h('bdi', { class: 'trace-operation' }, trace.operation),
        trace.errors > 0 && errorMark(plural(trace.errors, 'error')),
        trace.aborted > 0 && abortedMark(),
      ),
      h('span', { class: 'trace-more' }, moreOf(trace)),
      h('span', { class: 'trace-bar', attributes: { 'aria-hidden': 'true' } }, h('i')),
      h('span', { class: 'trace-duration' }, formatDuration(trace.duration)),
    ),
  )
}

function moreOf(trace: TraceSummary): Child {
  const others = trace.services.filter(service => service.name !== trace.service)
  return [
    h('time', { title: formatTime(trace.start) }, formatTime(trace.start)),
    h('span', {}, plural(trace.spans, 'span')),
    trace.errors > 0 && h('span', { class: 'bad' }, plural(trace.errors, 'error')),
    trace.orphans > 0 && h('span', { class: 'warn', title: 'Some spans have not arrived' }, 'incomplete'),
    others.slice(0, 5).map(service => serviceLabel(service.name)),
    others.length > 5 && h('span', {}, `+${others.length - 5}`),
  ]
}
