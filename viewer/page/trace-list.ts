// The list of traces, newest first, with a search form.

import { type Change, clearTraces, loadList, openFile, type TraceSummary } from './api.ts'
import { announce, fill, h, icon } from './dom.ts'
import { plural } from './format.ts'
import { welcome } from './help.ts'
import { searchForm } from './search-form.ts'
import { drawTraceRow } from './trace-row.ts'
import type { View } from './view.ts'

const LIMIT = 200

/** The view of the list. The search is part of the address, so that it can be shared as a link. */
export function listView(query: URLSearchParams): View {
  const rows = h('ol', { class: 'traces', attributes: { 'aria-label': 'Traces, newest first' } })
  const status = h('p', { class: 'list-status', attributes: { role: 'status' } })
  const empty = h('div', { class: 'empty-place' })
  const compare = h(
    'button',
    { class: 'button', attributes: { type: 'button', disabled: true }, on: { click: openComparison } },
    icon('compare'),
    'Compare',
  )
  const search = searchForm(query, searched => {
    history.replaceState(null, '', searched.size === 0 ? '#/' : `#/?${searched}`)
    current = searched
    void refresh()
  })
  const shown = new Map<string, { element: HTMLElement; text: string }>()
  const selected = new Set<string>()
  let current = query
  let order: TraceSummary[] = []
  let active = -1
  let requests = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  async function refresh(): Promise<void> {
    // Only the response to the latest request is shown.
    const request = ++requests
    const parameters = new URLSearchParams(current)
    parameters.set('limit', String(LIMIT))
    try {
      const { traces, total, stats } = await loadList(parameters)
      if (request === requests) draw(traces, total, stats.traces)
    } catch (error) {
      if (request !== requests) return
      fill(status, h('span', { class: 'problem' }, (error as Error).message))
    }
  }

  function draw(traces: TraceSummary[], total: number, kept: number): void {
    const activeId = order[active]?.traceId
    order = traces
    const longest = Math.max(1, ...traces.map(trace => trace.duration))
    const present = new Set(traces.map(trace => trace.traceId))
    for (const [id, { element }] of shown) {
      if (present.has(id)) continue
      element.remove()
      shown.delete(id)
    }
    // Unchanged rows stay in the document, so that the focus and selected text are kept when traces arrive.
    traces.forEach((trace, index) => {
      const text = JSON.stringify(trace)
      let row = shown.get(trace.traceId)
      if (row?.text !== text) {
        const element = drawTraceRow(trace, selected.has(trace.traceId), isSelected =>
          select(trace.traceId, isSelected),
        )
        row?.element.replaceWith(element)
        row = { element, text }
        shown.set(trace.traceId, row)
      }
      row.element.style.setProperty('--share', String(trace.duration / longest))
      if (rows.children[index] !== row.element) rows.insertBefore(row.element, rows.children[index] ?? null)
    })
    setActive(activeId === undefined ? -1 : traces.findIndex(trace => trace.traceId === activeId))
    const isSearched = current.size > 0
    fill(
      status,
      total === 0
        ? ''
        : traces.length < total
          ? `The newest ${traces.length} of ${plural(total, 'trace')}`
          : plural(total, 'trace'),
      isSearched && total > 0 && ` of ${kept.toLocaleString('en')} match`,
    )
    fill(empty, total === 0 && (kept === 0 ? welcome() : noMatch(search.clear)))
    rows.hidden = total === 0
    void search.refreshNames()
  }

  function select(traceId: string, isSelected: boolean): void {
    if (isSelected) selected.add(traceId)
    else selected.delete(traceId)
    // Two traces are compared: a third one replaces the first.
    const [first] = selected
    if (selected.size > 2 && first !== undefined) {
      selected.delete(first)
      const box = shown.get(first)?.element.querySelector('input')
      if (box) box.checked = false
    }
    compare.disabled = selected.size !== 2
    fill(compare, icon('compare'), selected.size === 0 ? 'Compare' : `Compare (${selected.size} of 2)`)
  }

  function openComparison(): void {
    if (selected.size === 2) location.hash = `#/compare/${[...selected].join('/')}`
    else announce('Select two traces to compare (x)')
  }

  function setActive(index: number): void {
    shown.get(order[active]?.traceId ?? '')?.element.classList.remove('is-active')
    for (const { element } of shown.values()) element.classList.remove('is-active')
    active = index
    shown.get(order[active]?.traceId ?? '')?.element.classList.add('is-active')
  }

  function move(by: number): void {
    setActive(Math.max(0, Math.min(order.length - 1, active + by)))
    const element = shown.get(order[active]?.traceId ?? '')?.element
    element?.querySelector<HTMLElement>('.trace-link')?.focus({ preventScroll: true })
    element?.scrollIntoView({ block: 'nearest' })
  }

  const element = h(
    'div',
    { class: 'list' },
    h('h1', { class: 'visually-hidden' }, 'Traces'),
    search.element,
    h(
      'div',
      { class: 'list-head' },
      status,
      h('div', { class: 'actions' }, compare, openButton(), clearButton()),
    ),
    rows,
    empty,
  )
  void refresh()
  return {
    element,
    title: 'Traces',
    navigate(path, searched) {
      if (path.length > 0) return false
      if (String(searched) !== String(current)) {
        current = searched
        search.set(searched)
        void refresh()
      }
      return true
    },
    change(_change: Change) {
      timer ??= setTimeout(() => {
        timer = undefined
        void refresh()
      }, 300)
    },
    key(event) {
      const trace = order[active]
      if (event.key === '/') search.focus()
      else if (event.key === 'ArrowDown' || event.key === 'j') move(1)
      else if (event.key === 'ArrowUp' || event.key === 'k') move(-1)
      else if (event.key === 'c') openComparison()
      else if (event.key === 'x' && trace !== undefined) {
        const box = shown.get(trace.traceId)?.element.querySelector('input')
        if (box) box.click()
      } else if (event.key === 'Enter' && trace !== undefined && event.target === document.body) {
        location.hash = `#/trace/${trace.traceId}`
      } else return false
      return true
    },
    close: () => clearTimeout(timer),
  }
}

function noMatch(clear: () => void): HTMLElement {
  return h(
    'div',
    { class: 'empty' },
    h('h2', {}, 'No trace matches'),
    h('p', {}, 'A trace matches when one of its spans meets all conditions.'),
    h(
      'button',
      { class: 'button', attributes: { type: 'button' }, on: { click: clear } },
      'Clear the search',
    ),
  )
}

function openButton(): HTMLElement {
  const input = h('input', {
    class: 'visually-hidden',
    attributes: {
      type: 'file',
      accept: '.json,application/json',
      tabindex: -1,
      'aria-label': 'A saved trace',
    },
  })
  input.addEventListener('change', async () => {
    const [file] = input.files ?? []
    if (file === undefined) return
    try {
      const { traceIds, refused } = await openFile(file)
      announce(
        `${plural(traceIds.length, 'trace')} opened${refused > 0 ? `, ${plural(refused, 'span')} refused` : ''}`,
      )
      if (traceIds.length === 1) location.hash = `#/trace/${traceIds[0]}`
    } catch (error) {
      announce((error as Error).message)
    }
    input.value = ''
  })
  const button = h(
    'button',
    { class: 'button', attributes: { type: 'button' }, on: { click: () => input.click() } },
    icon('open'),
    'Open a file',
  )
  return h('span', {}, button, input)
}

function clearButton(): HTMLElement {
  return h(
    'button',
    {
      class: 'button',
      title: 'Remove all traces',
      attributes: { type: 'button' },
      on: { click: () => void clearTraces().then(() => announce('All traces are removed')) },
    },
    icon('close'),
    'Remove all',
  )
}
