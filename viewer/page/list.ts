// The list of traces: newest first, searched by what a span has, a bar for how long each took.

import { type Change, clearTraces, loadList, openFile, type TraceSummary } from './api.ts'
import { announce, fill, h, icon } from './dom.ts'
import { welcome } from './help.ts'
import { plural } from './look.ts'
import type { View } from './main.ts'
import { searchForm } from './search-form.ts'
import { drawTraceRow } from './trace-row.ts'

const LIMIT = 200

/** The view of the list; its search is in the address, so that it can be linked to. */
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
  const search = searchForm(query, asked => {
    history.replaceState(null, '', asked.size === 0 ? '#/' : `#/?${asked}`)
    current = asked
    void refresh()
  })
  const shown = new Map<string, { element: HTMLElement; text: string }>()
  const chosen = new Set<string>()
  let current = query
  let order: TraceSummary[] = []
  let active = -1
  let asked = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  async function refresh(): Promise<void> {
    const turn = ++asked
    const parameters = new URLSearchParams(current)
    parameters.set('limit', String(LIMIT))
    try {
      const { traces, total, stats } = await loadList(parameters)
      if (turn === asked) draw(traces, total, stats.traces)
    } catch (error) {
      if (turn !== asked) return
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
    // What is there already stays where it is: a selection of text, or the focus, must survive the arrival of others.
    traces.forEach((trace, index) => {
      const text = JSON.stringify(trace)
      let row = shown.get(trace.traceId)
      if (row?.text !== text) {
        const element = drawTraceRow(trace, chosen.has(trace.traceId), isChosen =>
          choose(trace.traceId, isChosen),
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
    fill(empty, total === 0 && (kept === 0 ? welcome() : nothingFound(search.clear)))
    rows.hidden = total === 0
    void search.refreshNames()
  }

  function choose(traceId: string, isChosen: boolean): void {
    if (isChosen) chosen.add(traceId)
    else chosen.delete(traceId)
    // Two are compared: a third takes the place of the first.
    const [first] = chosen
    if (chosen.size > 2 && first !== undefined) {
      chosen.delete(first)
      const box = shown.get(first)?.element.querySelector('input')
      if (box) box.checked = false
    }
    compare.disabled = chosen.size !== 2
    fill(compare, icon('compare'), chosen.size === 0 ? 'Compare' : `Compare (${chosen.size} of 2)`)
  }

  function openComparison(): void {
    if (chosen.size === 2) location.hash = `#/compare/${[...chosen].join('/')}`
    else announce('Choose two traces to compare (x)')
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
    navigate(path, asked) {
      if (path.length > 0) return false
      if (String(asked) !== String(current)) {
        current = asked
        search.set(asked)
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

function nothingFound(clear: () => void): HTMLElement {
  return h(
    'div',
    { class: 'empty' },
    h('h2', {}, 'No trace matches'),
    h('p', {}, 'A trace is found when one of its spans has all that is asked for.'),
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
      title: 'Forget all traces',
      attributes: { type: 'button' },
      on: { click: () => void clearTraces().then(() => announce('All traces are forgotten')) },
    },
    icon('close'),
    'Forget all',
  )
}
