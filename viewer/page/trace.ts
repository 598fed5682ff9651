// One trace: what it is, its time line, and beside it all that is known of the chosen span.

import type { TraceNode } from '../src/assemble.ts'
import { criticalPath } from '../src/critical-path.ts'
import { type LoadedTrace, loadTrace } from './api.ts'
import { linkTo, spanDetails } from './details.ts'
import { announce, copy, fill, h, icon } from './dom.ts'
import { plural } from './look.ts'
import type { View } from './main.ts'
import { keyOf } from './span-row.ts'
import { createTimeline } from './timeline.ts'
import { notesOn, traceHead } from './trace-head.ts'

/** The view of the trace that the address names. */
export function traceView(path: readonly string[]): View {
  const id = (path[1] ?? '').toLowerCase().padStart(32, '0')
  let trace: LoadedTrace | undefined
  let chosen: TraceNode | undefined
  let wanted = path[3]
  let timer: ReturnType<typeof setTimeout> | undefined
  let title = 'Trace'
  let took = 0

  const head = h('div', { class: 'trace-head' })
  const notes = h('div', { class: 'trace-notes' })
  const details = h('aside', {
    class: 'details',
    attributes: { 'aria-label': 'The chosen span', hidden: true },
  })
  const timeline = createTimeline(choose)
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
  const critical = toggleButton('Critical path', 'Mark what the trace waited for (p)', true, isOn =>
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
    const began = performance.now()
    try {
      trace = await loadTrace(id)
    } catch (error) {
      if (trace === undefined) fill(element, missing((error as Error).message))
      return
    }
    title = `${trace.root.span.operation} – ${trace.root.span.service}`
    document.title = title
    fill(head, traceHead(trace, save))
    fill(notes, notesOn(trace))
    timeline.show(trace, criticalPath(trace.root))
    if (filter.value !== '') showMatches()
    const key = chosen === undefined ? wanted : keyOf(chosen)
    if (key !== undefined) timeline.select(key)
    took = performance.now() - began
  }

  function choose(node: TraceNode): void {
    if (trace === undefined) return
    chosen = node
    details.hidden = false
    fill(details, spanDetails(trace, node, closeDetails))
    details.scrollTop = 0
    history.replaceState(null, '', `#/trace/${trace.traceId}/span/${keyOf(node)}`)
  }

  function closeDetails(): void {
    details.hidden = true
    chosen = undefined
    wanted = undefined
    history.replaceState(null, '', `#/trace/${id}`)
    timeline.element.querySelector<HTMLElement>('.rows')?.focus()
  }

  function showMatches(): void {
    const count = timeline.setFilter(filter.value.trim())
    found.textContent = filter.value.trim() === '' ? '' : plural(count, 'match').replace('matchs', 'matches')
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
    navigate(asked) {
      if (asked[0] !== 'trace' || (asked[1] ?? '').toLowerCase().padStart(32, '0') !== id) return false
      const key = asked[3]
      if (key !== undefined && (chosen === undefined || keyOf(chosen) !== key)) timeline.select(key)
      if (key === undefined && chosen !== undefined) closeDetails()
      return true
    },
    change({ traceIds }) {
      if (traceIds !== null && !traceIds.includes(id)) return
      timer ??= setTimeout(
        () => {
          timer = undefined
          void load()
          // A big trace that grows is drawn anew less often: the reader's scrolling comes first.
        },
        Math.max(300, 5 * took),
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
          if (!timeline.step('nextError')) announce('Nothing in this trace failed')
          return true
        case 'E':
          timeline.step('previousError')
          return true
        case 'n':
          timeline.step('nextMatch')
          return true
        case 'y':
          void copy(chosen === undefined ? location.href : linkTo(trace, chosen), 'Link')
          return true
        case 's':
          save()
          return true
        case 'Escape':
          if (chosen === undefined) return false
          closeDetails()
          return true
        default:
          return false
      }
    },
    close: () => clearTimeout(timer),
  }
}

function missing(reason: string): HTMLElement {
  return h(
    'div',
    { class: 'empty' },
    h('h1', {}, 'This trace is not here'),
    h('p', {}, `It may have gone to make room for newer ones, or its spans are on their way. (${reason})`),
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
