// The page: its header, the view for each address, live updates, and the keys that work in all views.

import { type About, listen, loadAbout, type Stats } from './api.ts'
import { compareView } from './compare.ts'
import { announce, fill, h, iconButton } from './dom.ts'
import { formatBytes, plural } from './format.ts'
import { helpDialog } from './help.ts'
import { mapView } from './service-map.ts'
import { toggleTheme, useTheme } from './theme.ts'
import { traceView } from './trace.ts'
import { listView } from './trace-list.ts'
import type { View } from './view.ts'

const main = h('main', { class: 'view', attributes: { id: 'view', tabindex: -1 } })
const connection = h('span', { class: 'connection', attributes: { role: 'img' } })
const storeStats = h('span', { class: 'store-stats' })
const notices = h('div', { class: 'notices' })
const help = helpDialog()
const tabs = {
  list: h('a', { class: 'tab', href: '#/' }, 'Traces'),
  map: h('a', { class: 'tab', href: '#/map' }, 'Services'),
}

let view: View | undefined

function show(): void {
  const [path = '', query = ''] = location.hash.slice(1).split('?', 2)
  const parts = path.split('/').filter(part => part !== '')
  const search = new URLSearchParams(query)
  for (const [name, tab] of Object.entries(tabs)) {
    const isCurrent = name === 'map' ? parts[0] === 'map' : parts[0] === undefined
    if (isCurrent) tab.setAttribute('aria-current', 'page')
    else tab.removeAttribute('aria-current')
  }
  if (view?.navigate(parts, search) !== true) {
    view?.close?.()
    view = open(parts, search)
    fill(main, view.element)
    main.scrollTop = 0
  }
  document.title = view.title
}

function open(parts: readonly string[], query: URLSearchParams): View {
  switch (parts[0]) {
    case undefined:
      return listView(query)
    case 'map':
      return mapView()
    case 'trace':
      return traceView(parts)
    case 'compare':
      return compareView(parts)
    default:
      return notFound()
  }
}

function notFound(): View {
  const element = h(
    'div',
    { class: 'empty' },
    h('h1', {}, 'Page not found'),
    h('a', { href: '#/' }, 'All traces'),
  )
  return { element, title: 'Traces', navigate: () => false }
}

function showStats(stats: Stats): void {
  fill(
    storeStats,
    `${plural(stats.traces, 'trace')} · ${plural(stats.spans, 'span')} · ${formatBytes(stats.bytes)}`,
  )
  storeStats.title = 'Kept in memory; the oldest traces are removed when a limit is reached'
  const lines: string[] = []
  if (stats.evictedTraces > 0) {
    lines.push(
      `Removed to make room: ${plural(stats.evictedTraces, 'old trace')} (${plural(stats.evictedSpans, 'span')}).`,
    )
  }
  if (stats.droppedSpans > 0) {
    lines.push(`Not kept: ${plural(stats.droppedSpans, 'span')} of traces that are larger than the limits.`)
  }
  const refused = stats.refusedSpans + stats.refusedMessages
  if (refused > 0) {
    const what = [
      stats.refusedSpans > 0 && plural(stats.refusedSpans, 'malformed span'),
      stats.refusedMessages > 0 && plural(stats.refusedMessages, 'unreadable message'),
    ].filter(Boolean)
    lines.push(`Refused: ${what.join(', ')}. The latest reason: ${stats.lastRefusal ?? 'unknown'}`)
  }
  const problems = notices.querySelectorAll('.problem')
  notices.replaceChildren(...problems, ...lines.map(line => h('p', { class: 'notice' }, line)))
}

function showAbout(about: About): void {
  notices.replaceChildren(...about.problems.map(problem => h('p', { class: 'notice problem' }, problem)))
  showStats(about.stats)
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
  const target = event.target as HTMLElement
  if (target.closest('dialog[open]') !== null) return
  if (target.closest('input:not([type="checkbox"]), select, textarea') !== null) {
    if (event.key === 'Escape') target.blur()
    return
  }
  if (view?.key?.(event) === true || globalKey(event)) event.preventDefault()
}

function globalKey({ key }: KeyboardEvent): boolean {
  if (key === '?') help.showModal()
  else if (key === 't') announce(`${toggleTheme()} theme`)
  else if (key === '1') location.hash = '#/'
  else if (key === '2') location.hash = '#/map'
  else if (key === 'Escape' && location.hash.length > 2) location.hash = '#/'
  else return false
  return true
}

function frame(): HTMLElement[] {
  return [
    h('a', { class: 'skip', href: '#/', on: { click: skip } }, 'Skip to the content'),
    h(
      'header',
      { class: 'frame' },
      h(
        'a',
        { class: 'brand', href: '#/', attributes: { 'aria-label': 'All traces' } },
        brand(),
        'tracing-viewer',
      ),
      h('nav', { class: 'tabs', attributes: { 'aria-label': 'Views' } }, tabs.list, tabs.map),
      h(
        'div',
        { class: 'frame-end' },
        connection,
        storeStats,
        themeButton(),
        iconButton('help', 'Help (?)', () => help.showModal()),
      ),
    ),
    notices,
    main,
    help,
  ]
}

function skip(event: Event): void {
  event.preventDefault()
  main.focus()
}

function themeButton(): HTMLElement {
  return iconButton('theme', 'Dark or light (t)', () => announce(`${toggleTheme()} theme`))
}

function brand(): HTMLElement {
  return h('span', { class: 'brand-mark', attributes: { 'aria-hidden': 'true' } }, h('i'), h('i'), h('i'))
}

function setLive(isLive: boolean): void {
  connection.classList.toggle('is-live', isLive)
  connection.setAttribute('aria-label', isLive ? 'Live' : 'Not connected')
  connection.title = isLive
    ? 'Live: new spans are shown when they arrive'
    : 'Not connected to the viewer; reconnecting'
}

useTheme()
document.body.append(...frame())
setLive(false)
addEventListener('hashchange', show)
addEventListener('keydown', onKey)
show()
listen(
  change => {
    showStats(change.stats)
    view?.change?.(change)
  },
  isLive => {
    setLive(isLive)
    // Traces may have changed while the page was not connected.
    if (isLive)
      loadAbout().then(
        about => {
          showAbout(about)
          view?.change?.({ traceIds: null, stats: about.stats })
        },
        error => announce(String(error)),
      )
  },
)
