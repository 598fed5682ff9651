// The view of a trace: header, timeline, and the panel of the selected span.

import { criticalPath } from '../src/critical-path.ts'
import type { TraceNode } from '../src/trace-tree.ts'
import { type LoadedTrace, loadTrace } from './api.ts'
import { announce, copy, fill, h, icon } from './dom.ts'
import { plural } from './format.ts'
import { linkTo, spanDetails } from './span-details.ts'
import { keyOf } from './span-row.ts'
import { createTimeline } from './timeline.ts'
import { notesOn, traceHeader } from './trace-header.ts'
import type { View } from './view.ts'

/** The view of the trace in the address. */
export function traceView(path: readonly string[]): View {
  const id = (path[1] ?? '').toLowerCase().padStart(32, '0')
  let trace: LoadedTrace | undefined
  let selected: TraceNode | undefined
  let keyToSelect = path[3]
  let timer: ReturnType<typeof setTimeout> | undefined
  let title = 'Trace'
  let loadTime = 0

  const head = h('div', { class: 'trace-head' })
  const notes = h('div', { class: 'trace-notes' })
  const details = h('aside', {
    class: 'details',
    attributes: { 'aria-label': 'Selected span', hidden: true },
  })
  const timeline = createTimeline(showDetails)
  const filter = h('input', {
    attributes: {
      type: 'search',
      placeholder: 'Find in this trace',
      'aria-label': 'Find in this trace',
      autocomplete: 'off',
      spellcheck: 'false',
    },
    on: { input: () => showMatches(), keydown: event => event.key === 'Enter' && timeline.step('nextMatch') },
  })
  const found = h('span', { class: 'found', attributes: { role: 'status' } })
  const critical = toggleButton('Critical path', 'Show what the trace waited for (p)', true, isOn =>
    timeline.setCritical(isOn),
  )
  const tools = h(
    'div',
    { class: 'tools' },
    h('label', { class: 'find' }, icon('search'), filter, found),
    critical.element,
    button('Expand all', '+', () => timeline.collapseAll(false)),
    button('Collapse all', '-', () => timeline.collapseAll(true)),
    button('Zoom', 'z', () => timeline.zoom()),
    button('Next error', 'e', () => timeline.step('nextError')),
  )
  const body = h('div', { class: 'trace-body' }, timeline.element, details)
  const element = h('div', { class: 'trace-view' }, head, notes, tools, body)
  timeline.setCritical(true)

  async function load(): Promise<void> {
    const started = performance.now()
    try {
      trace = await loadTrace(id)
    } catch (error) {
      if (trace === undefined) fill(element, notFound((error as Error).message))
      return
    }
    title = `${trace.root.span.operation} – ${trace.root.span.service}`
    document.title = title
    fill(head, traceHeader(trace, save))
    fill(notes, notesOn(trace))
    timeline.show(trace, criticalPath(trace.root))
    if (filter.value !== '') showMatches()
    const key = selected === undefined ? keyToSelect : keyOf(selected)
    if (key !== undefined) timeline.select(key)
    loadTime = performance.now() - started
  }

  function showDetails(node: TraceNode): void {
    if (trace === undefined) return
    selected = node
    details.hidden = false
    fill(details, spanDetails(trace, node, closeDetails))
    details.scrollTop = 0
    history.replaceState(null, '', `#/trace/${trace.traceId}/span/${keyOf(node)}`)
  }

  function closeDetails(): void {
    details.hidden = true
    selected = undefined
    keyToSelect = undefined
    history.replaceState(null, '', `#/trace/${id}`)
    timeline.element.querySelector<HTMLElement>('.rows')?.focus()
  }

  function showMatches(): void {
    const count = timeline.setFilter(filter.value.trim())
    found.textContent = filter.value.trim() === '' ? '' : plural(count, 'match', 'matches')
  }

  function save(): void {
    if (trace === undefined) return
    const url = URL.createObjectURL(new Blob([JSON.stringify(trace.document)], { type: 'application/json' }))
    const link = document.createElement('a')
    link.href = url
    link.download = `trace-${trace.traceId}.json`
    link.click()
    setTimeout(() => URL.revokeObjectURL(url), 1000)
    announce('The trace is saved')
  }

  void load()
  return {
    element,
    get title() {
      return title
    },
    navigate(parts) {
      if (parts[0] !== 'trace' || (parts[1] ?? '').toLowerCase().padStart(32, '0') !== id) return false
      const key = parts[3]
      if (key !== undefined && (selected === undefined || keyOf(selected) !== key)) timeline.select(key)
      if (key === undefined && selected !== undefined) closeDetails()
      return true
    },
    change({ traceIds }) {
      if (traceIds !== null && !traceIds.includes(id)) return
      timer ??= setTimeout(
        () => {
          timer = undefined
          void load()
          // A large trace is drawn again less often, so that scrolling stays smooth.
        },
        Math.max(300, 5 * loadTime),
      )
    },
    key({ key }) {
      if (trace === undefined) return false
      if (timeline.key(key)) return true
      switch (key) {
        case '/':
        case 'f':
          filter.focus()
          return true
        case 'p':
          critical.toggle()
          return true
        case '+':
          timeline.collapseAll(false)
          return true
        case '-':
          timeline.collapseAll(true)
          return true
        case 'z':
          timeline.zoom()
          return true
        case 'e':
          if (!timeline.step('nextError')) announce('This trace has no errors')
          return true
        case 'E':
          timeline.step('previousError')
          return true
        case 'n':
          timeline.step('nextMatch')
          return true
        case 'y':
          void copy(selected === undefined ? location.href : linkTo(trace, selected), 'Link')
          return true
        case 's':
          save()
          return true
        case 'Escape':
          if (selected === undefined) return false
          closeDetails()
          return true
        default:
          return false
      }
    },
    close: () => clearTimeout(timer),
  }
}

function notFound(reason: string): HTMLElement {
  return h(
    'div',
    { class: 'empty' },
    h('h1', {}, 'Trace not found'),
    h(
      'p',
      {},
      `It may have been removed to make room for newer traces, or its spans have not arrived yet. (${reason})`,
    ),
    h('a', { class: 'button', href: '#/' }, 'All traces'),
  )
}

function button(label: string, key: string, action: () => void): HTMLElement {
  return h(
    'button',
    {
      class: 'button is-quiet',
      title: `${label} (${key})`,
      attributes: { type: 'button' },
      on: { click: action },
    },
    label,
  )
}

function toggleButton(label: string, title: string, isOn: boolean, onToggle: (isOn: boolean) => void) {
  let on = isOn
  const element = h(
    'button',
    {
      class: 'button is-quiet is-toggle',
      title,
      attributes: { type: 'button', 'aria-pressed': String(on) },
      on: { click: toggle },
    },
    label,
  )
  function toggle(): void {
    on = !on
    element.setAttribute('aria-pressed', String(on))
    onToggle(on)
  }
  return { element, toggle }
}
