// A trace on its time line: a tree of rows, of which only those in sight exist, each with its bar.

import type { TraceNode } from '../src/assemble.ts'
import type { CriticalStretch } from '../src/critical-path.ts'
import type { LoadedTrace } from './api.ts'
import { fill, h } from './dom.ts'
import { formatDuration } from './look.ts'
import { createRows } from './rows.ts'
import { drawRow, keyOf, percent, type RowState } from './span-row.ts'

const ROW_HEIGHT = 30

/** The time line. */
export interface Timeline {
  readonly element: HTMLElement
  /** Shows a trace, or the same one with more spans: what was collapsed and chosen stays so. */
  show(trace: LoadedTrace, critical: ReadonlyMap<TraceNode, readonly CriticalStretch[]>): void
  /** Chooses a span, opening what it is hidden in. */
  select(key: string): void
  setCritical(isShown: boolean): void
  setFilter(text: string): number
  collapseAll(isCollapsed: boolean): void
  /** Shows the time of the chosen span alone, or the whole again. */
  zoom(): void
  step(to: 'nextError' | 'previousError' | 'nextMatch'): boolean
  key(key: string): boolean
}

/** Makes a time line; `onSelect` hears of the span that the user chose. */
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
    else choose(node)
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

  function toggle(node: TraceNode, isClosed = !collapsed.has(keyOf(node))): void {
    if (node.children.length === 0) return
    if (isClosed) collapsed.add(keyOf(node))
    else collapsed.delete(keyOf(node))
    layOut()
  }

  function choose(node: TraceNode): void {
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
    if (node !== undefined) choose(node)
    return true
  }

  function find(wanted: (node: TraceNode) => boolean, direction: 1 | -1): boolean {
    const at = trace.nodes.findIndex(node => keyOf(node) === state.selected)
    const count = trace.nodes.length
    for (let i = 1; i <= count; i++) {
      const node = trace.nodes[(Math.max(at, direction === 1 ? -1 : 0) + direction * i + 2 * count) % count]
      if (node !== undefined && wanted(node)) {
        choose(node)
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
      if (node !== undefined) choose(node)
    },
    setCritical: isShown => element.classList.toggle('shows-critical', isShown),
    setFilter(text) {
      state.matches =
        text === '' ? undefined : new Set(trace.nodes.filter(node => mentions(node, text.toLowerCase())))
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
          else if (node.children[0] !== undefined) choose(node.children[0])
          return true
        case 'ArrowLeft':
          if (node === undefined) return go(0)
          if (node.children.length > 0 && !collapsed.has(keyOf(node))) toggle(node, true)
          else if (node.parent !== undefined) choose(node.parent)
          return true
        default:
          return false
      }
    },
  }
}

function mentions({ span }: TraceNode, text: string): boolean {
  const has = (value: unknown) => String(value).toLowerCase().includes(text)
  if (has(span.service) || has(span.operation) || has(span.spanId)) return true
  const inTag = ({ key, value }: { key: string; value: unknown }) => has(`${key}=${value}`)
  return span.tags.some(inTag) || span.logs.some(log => log.fields.some(inTag))
}
