// The timeline of a trace: a tree of rows with bars.

import type { CriticalSegment } from '../src/critical-path.ts'
import type { TraceNode } from '../src/trace-tree.ts'
import type { LoadedTrace } from './api.ts'
import { fill, h } from './dom.ts'
import { formatDuration } from './format.ts'
import { drawRow, keyOf, percent, type RowState } from './span-row.ts'
import { createRows } from './virtual-rows.ts'

const ROW_HEIGHT = 30

/** The timeline. */
export interface Timeline {
  readonly element: HTMLElement
  /** Shows a trace, or the same trace with more spans. Collapsed and selected spans stay so. */
  show(trace: LoadedTrace, critical: ReadonlyMap<TraceNode, readonly CriticalSegment[]>): void
  /** Selects a span and expands its ancestors. */
  select(key: string): void
  setCritical(isShown: boolean): void
  /** Marks the spans that contain a text; returns how many there are. */
  setFilter(text: string): number
  collapseAll(isCollapsed: boolean): void
  /** Shows only the time of the selected span, or the whole trace again. */
  zoom(): void
  /** Selects the next or previous error or match; false when there is none. */
  step(to: 'nextError' | 'previousError' | 'nextMatch'): boolean
  /** Handles a key; false when the timeline has no use for it. */
  key(key: string): boolean
}

/** Creates a timeline; `onSelect` is called when a span is selected. */
export function createTimeline(onSelect: (node: TraceNode) => void): Timeline {
  const collapsed = new Set<string>()
  const state: RowState = {
    selected: '',
    collapsed,
    matches: undefined,
    critical: new Map(),
    window: { from: 0, to: 1 },
  }
  let trace: LoadedTrace
  let visible: TraceNode[] = []

  const ruler = h('div', { class: 'ruler', attributes: { 'aria-hidden': 'true' } })
  const rows = createRows({
    height: ROW_HEIGHT,
    draw: index => drawRow(visible[index] as TraceNode, index, state),
    attributes: { role: 'tree', 'aria-label': 'Spans' },
  })
  const element = h(
    'div',
    { class: 'timeline' },
    h('div', { class: 'timeline-head' }, h('span', { class: 'head-name' }, 'Service and operation'), ruler),
    rows.element,
  )
  rows.element.addEventListener('click', event => {
    const row = (event.target as HTMLElement).closest<HTMLElement>('[data-index]')
    const node = row === null ? undefined : visible[Number(row.dataset.index)]
    if (node === undefined) return
    if ((event.target as HTMLElement).closest('.caret') !== null) toggle(node)
    else selectNode(node)
  })

  function layOut(): void {
    visible = []
    let hiddenBelow = Number.POSITIVE_INFINITY
    for (const node of trace.nodes) {
      if (node.depth > hiddenBelow) continue
      hiddenBelow = Number.POSITIVE_INFINITY
      visible.push(node)
      if (collapsed.has(keyOf(node))) hiddenBelow = node.depth
    }
    rows.update(visible.length)
    announceActive()
  }

  function drawRuler(): void {
    const parts = 4
    const marks = Array.from({ length: parts + 1 }, (_, i) => {
      const at = state.window.from - trace.start + ((state.window.to - state.window.from) * i) / parts
      return h(
        'span',
        { class: i === parts ? 'is-last' : '', style: { left: percent(i / parts) } },
        at === 0 ? '0' : formatDuration(at),
      )
    })
    fill(ruler, marks)
  }

  function redrawAll(): void {
    drawRuler()
    rows.update(visible.length)
  }

  function indexOf(key: string): number {
    return visible.findIndex(node => keyOf(node) === key)
  }

  function toggle(node: TraceNode, isCollapsed = !collapsed.has(keyOf(node))): void {
    if (node.children.length === 0) return
    if (isCollapsed) collapsed.add(keyOf(node))
    else collapsed.delete(keyOf(node))
    layOut()
  }

  function selectNode(node: TraceNode): void {
    for (let above = node.parent; above !== undefined; above = above.parent) {
      if (collapsed.delete(keyOf(above))) layOut()
    }
    const before = indexOf(state.selected)
    state.selected = keyOf(node)
    if (before >= 0) rows.redraw(before)
    const index = indexOf(state.selected)
    rows.redraw(index)
    rows.reveal(index)
    announceActive()
    onSelect(node)
  }

  function announceActive(): void {
    const index = indexOf(state.selected)
    if (index >= 0) rows.element.setAttribute('aria-activedescendant', `row-${index}`)
    else rows.element.removeAttribute('aria-activedescendant')
  }

  function go(to: number): boolean {
    const node = visible[Math.max(0, Math.min(visible.length - 1, to))]
    if (node !== undefined) selectNode(node)
    return true
  }

  function find(wanted: (node: TraceNode) => boolean, direction: 1 | -1): boolean {
    const at = trace.nodes.findIndex(node => keyOf(node) === state.selected)
    const count = trace.nodes.length
    for (let i = 1; i <= count; i++) {
      const node = trace.nodes[(Math.max(at, direction === 1 ? -1 : 0) + direction * i + 2 * count) % count]
      if (node !== undefined && wanted(node)) {
        selectNode(node)
        return true
      }
    }
    return false
  }

  return {
    element,
    show(shown, path) {
      trace = shown
      state.critical = path
      state.window = { from: trace.start, to: Math.max(trace.start + 1, trace.end) }
      drawRuler()
      layOut()
    },
    select(key) {
      const node = trace.nodes.find(candidate => keyOf(candidate) === key)
      if (node !== undefined) selectNode(node)
    },
    setCritical: isShown => element.classList.toggle('shows-critical', isShown),
    setFilter(text) {
      state.matches =
        text === '' ? undefined : new Set(trace.nodes.filter(node => contains(node, text.toLowerCase())))
      rows.update(visible.length)
      return state.matches?.size ?? 0
    },
    collapseAll(isCollapsed) {
      collapsed.clear()
      if (isCollapsed)
        for (const node of trace.nodes) if (node.children.length > 0) collapsed.add(keyOf(node))
      layOut()
    },
    zoom() {
      const node = visible[indexOf(state.selected)]
      const isWhole =
        state.window.from === trace.start && state.window.to === Math.max(trace.start + 1, trace.end)
      if (isWhole && node !== undefined && node.span.duration > 0) {
        state.window = { from: node.start, to: node.start + node.span.duration }
      } else state.window = { from: trace.start, to: Math.max(trace.start + 1, trace.end) }
      redrawAll()
    },
    step(to) {
      if (to === 'nextMatch')
        return state.matches !== undefined && find(node => state.matches?.has(node) === true, 1)
      return find(({ span }) => span.error || span.aborted, to === 'nextError' ? 1 : -1)
    },
    key(key) {
      const at = indexOf(state.selected)
      const node = visible[at]
      switch (key) {
        case 'ArrowDown':
        case 'j':
          return go(at + 1)
        case 'ArrowUp':
        case 'k':
          return go(at < 0 ? 0 : at - 1)
        case 'PageDown':
          return go(at + rows.page())
        case 'PageUp':
          return go(at - rows.page())
        case 'Home':
          return go(0)
        case 'End':
          return go(visible.length - 1)
        case 'ArrowRight':
          if (node === undefined) return go(0)
          if (collapsed.has(keyOf(node))) toggle(node, false)
          else if (node.children[0] !== undefined) selectNode(node.children[0])
          return true
        case 'ArrowLeft':
          if (node === undefined) return go(0)
          if (node.children.length > 0 && !collapsed.has(keyOf(node))) toggle(node, true)
          else if (node.parent !== undefined) selectNode(node.parent)
          return true
        default:
          return false
      }
    },
  }
}

function contains({ span }: TraceNode, text: string): boolean {
  const has = (value: unknown) => String(value).toLowerCase().includes(text)
  if (has(span.service) || has(span.operation) || has(span.spanId)) return true
  const inTag = ({ key, value }: { key: string; value: unknown }) => has(`${key}=${value}`)
  return span.tags.some(inTag) || span.logs.some(log => log.fields.some(inTag))
}
