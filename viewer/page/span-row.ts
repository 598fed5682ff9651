// A row of the timeline: the name of a span, indented by its depth, and its bar.

import { shiftOf } from '../src/clock-skew.ts'
import type { CriticalSegment } from '../src/critical-path.ts'
import { failureOf, statusOf, tagOf } from '../src/model.ts'
import type { TraceNode } from '../src/trace-tree.ts'
import { h, icon } from './dom.ts'
import { formatDuration, plural } from './format.ts'
import { abortedMark, colourOf, errorMark } from './labels.ts'

/** What a row shows besides its span. */
export interface RowState {
  /** The selected and the collapsed spans, by `keyOf`. */
  selected: string
  readonly collapsed: Set<string>
  /** The matches of the search within the trace; undefined without a search. */
  matches: ReadonlySet<TraceNode> | undefined
  critical: ReadonlyMap<TraceNode, readonly CriticalSegment[]>
  /** The visible time range, in microseconds since the epoch. */
  window: { readonly from: number; readonly to: number }
}

/** Identifies a span within its trace: its id, with a suffix for a server that shares the id of its client. */
export function keyOf(node: TraceNode): string {
  const { spanId, kind } = node.span
  return node.parent?.span.spanId === spanId && kind === 'server' ? `${spanId}.server` : spanId
}

/** Draws a row. */
export function drawRow(node: TraceNode, index: number, state: RowState): HTMLElement {
  const { span } = node
  const key = keyOf(node)
  const isSelected = key === state.selected
  const isCollapsed = state.collapsed.has(key)
  const classes = ['row']
  if (isSelected) classes.push('is-selected')
  if (span.error) classes.push('has-error')
  if (span.aborted) classes.push('is-aborted')
  if (state.matches !== undefined) classes.push(state.matches.has(node) ? 'is-match' : 'is-dimmed')
  // Deep levels are indented less, so that the names stay visible.
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
        'aria-expanded': node.children.length === 0 ? undefined : String(!isCollapsed),
        'aria-label': labelOf(node),
      },
    },
    h(
      'div',
      { class: 'row-name', style: { 'padding-inline-start': `${indent}px` } },
      node.children.length > 0
        ? h(
            'span',
            { class: isCollapsed ? 'caret' : 'caret is-open', title: isCollapsed ? 'Expand' : 'Collapse' },
            icon('caret'),
            isCollapsed && h('b', {}, countBelow(node)),
          )
        : h('span', { class: 'caret is-leaf' }),
      h('span', { class: 'row-service' }, h('bdi', {}, span.service)),
      h('bdi', { class: 'row-operation', title: span.operation }, span.operation),
      span.error && errorMark(failure === undefined ? 'error' : `error: ${failure}`),
      span.aborted && abortedMark(abortLabel(node)),
      node.orphan && h('span', { class: 'mark mark-orphan', title: 'Its parent has not arrived' }, '⋯'),
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
  for (const segment of critical.get(node) ?? []) {
    const [a, b] = [Math.max(0, toShare(segment.from)), Math.min(1, toShare(segment.to))]
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
  // The label is after the bar when there is room, else before it or inside it.
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
  if (node.orphan) parts.push('its parent has not arrived')
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

/** A share as a CSS length. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(4)}%`
}
