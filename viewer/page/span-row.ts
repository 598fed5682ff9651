// One row of the time line: a span's name in its place in the tree, and its bar in its place in time.

import type { TraceNode } from '../src/assemble.ts'
import type { CriticalStretch } from '../src/critical-path.ts'
import { failureOf, statusOf, tagOf } from '../src/model.ts'
import { shiftOf } from '../src/skew.ts'
import { h, icon } from './dom.ts'
import { abortedMark, colourOf, errorMark, formatDuration, plural } from './look.ts'

/** What a row's look depends on beside its span. */
export interface RowState {
  /** Names of spans, as `keyOf` gives them. */
  selected: string
  readonly collapsed: Set<string>
  /** What the search within the trace found; undefined when nothing is searched for. */
  matches: ReadonlySet<TraceNode> | undefined
  critical: ReadonlyMap<TraceNode, readonly CriticalStretch[]>
  /** The time that is shown, in microseconds since the epoch. */
  window: { readonly from: number; readonly to: number }
}

/** A span's name within its trace: its id, and for the server's half of a shared one a word more. */
export function keyOf(node: TraceNode): string {
  const { spanId, kind } = node.span
  return node.parent?.span.spanId === spanId && kind === 'server' ? `${spanId}.server` : spanId
}

/** Draws a span's row. */
export function drawRow(node: TraceNode, index: number, state: RowState): HTMLElement {
  const { span } = node
  const key = keyOf(node)
  const isSelected = key === state.selected
  const isClosed = state.collapsed.has(key)
  const classes = ['row']
  if (isSelected) classes.push('is-selected')
  if (span.error) classes.push('has-error')
  if (span.aborted) classes.push('is-aborted')
  if (state.matches !== undefined) classes.push(state.matches.has(node) ? 'is-match' : 'is-dimmed')
  // Deep trees: the guides come closer, so that the names stay in sight.
  const indent = Math.min(node.depth * 14, 120 + Math.min(80, node.depth))
  const failure = failureOf(span)
  return h(
    'div',
    {
      class: classes.join(' '),
      style: { '--colour': colourOf(span.service) },
      attributes: {
        id: `row-${index}`,
        role: 'treeitem',
        'data-index': index,
        'data-span': key,
        'aria-level': node.depth + 1,
        'aria-selected': String(isSelected),
        'aria-expanded': node.children.length === 0 ? undefined : String(!isClosed),
        'aria-label': labelOf(node),
      },
    },
    h(
      'div',
      { class: 'row-name', style: { 'padding-inline-start': `${indent}px` } },
      node.children.length > 0
        ? h(
            'span',
            { class: isClosed ? 'caret' : 'caret is-open', title: isClosed ? 'Expand' : 'Collapse' },
            icon('caret'),
            isClosed && h('b', {}, countBelow(node)),
          )
        : h('span', { class: 'caret is-leaf' }),
      h('span', { class: 'row-service' }, h('bdi', {}, span.service)),
      h('bdi', { class: 'row-operation', title: span.operation }, span.operation),
      span.error && errorMark(failure === undefined ? 'error' : `error: ${failure}`),
      span.aborted && abortedMark(abortLabel(node)),
      node.orphan && h('span', { class: 'mark mark-orphan', title: 'Its parent has not come' }, '⋯'),
    ),
    drawBar(node, state),
  )
}

function drawBar(node: TraceNode, { window, critical }: RowState): HTMLElement {
  const toShare = (time: number) => (time - window.from) / Math.max(1, window.to - window.from)
  const { start, span } = node
  const [left, right] = [toShare(start), toShare(start + span.duration)]
  const lane = h('div', { class: 'lane' })
  if (right < 0 || left > 1) {
    lane.append(
      h('span', { class: right < 0 ? 'beyond is-before' : 'beyond is-after' }, right < 0 ? '‹' : '›'),
    )
    return lane
  }
  const [from, to] = [Math.max(0, left), Math.min(1, right)]
  const bar = h('span', { class: 'bar', style: { left: percent(from), width: percent(to - from) } })
  lane.append(bar)
  for (const stretch of critical.get(node) ?? []) {
    const [a, b] = [Math.max(0, toShare(stretch.from)), Math.min(1, toShare(stretch.to))]
    if (b > a)
      lane.append(h('span', { class: 'critical', style: { left: percent(a), width: percent(b - a) } }))
  }
  for (const log of span.logs.slice(0, 50)) {
    const at = toShare(log.time + shiftOf(node))
    if (at >= from && at <= to) lane.append(h('span', { class: 'tick', style: { left: percent(at) } }))
  }
  const status = statusOf(span)
  const label = h(
    'span',
    { class: 'bar-label' },
    formatDuration(span.duration),
    status !== undefined && h('span', { class: span.error ? 'status bad' : 'status' }, status),
  )
  // Beside the bar where there is room, else before it.
  if (to > 0.72) {
    label.classList.add(from > 0.2 ? 'is-before' : 'is-within')
    label.style.setProperty('right', percent(from > 0.2 ? 1 - from : 1 - to))
  } else label.style.setProperty('left', percent(to))
  lane.append(label)
  return lane
}

function labelOf(node: TraceNode): string {
  const { span } = node
  const parts = [span.service, span.operation, formatDuration(span.duration)]
  const status = statusOf(span)
  if (status !== undefined) parts.push(`status ${status}`)
  if (span.error) parts.push(`error ${failureOf(span) ?? ''}`.trim())
  if (span.aborted) parts.push(abortLabel(node))
  if (node.orphan) parts.push('its parent has not come')
  if (node.children.length > 0) parts.push(plural(node.children.length, 'child span'))
  return parts.join(', ')
}

function abortLabel({ span }: TraceNode): string {
  const when = tagOf(span, 'aborted')
  return typeof when === 'string' ? `aborted ${when}` : 'aborted by the client'
}

function countBelow(node: TraceNode): number {
  let count = 0
  const stack = [...node.children]
  for (let below = stack.pop(); below !== undefined; below = stack.pop()) {
    count++
    for (const child of below.children) stack.push(child)
  }
  return count
}

/** A share as a length of CSS. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(4)}%`
}
