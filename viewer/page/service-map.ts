// The service map: the calls between services with counts, errors and durations, as a drawing and as tables.

import { loadMap, type ServiceCalls, type ServiceNode } from './api.ts'
import { fill, h } from './dom.ts'
import { formatDuration, formatShare } from './format.ts'
import { serviceLabel } from './labels.ts'
import { drawMap, MAX_DRAWN } from './map-drawing.ts'
import type { View } from './view.ts'

const MAX_LISTED = 500

/** The view of the map. */
export function mapView(): View {
  const place = h('div', { class: 'map-place' })
  const tables = h('div', { class: 'map-tables' })
  const element = h(
    'div',
    { class: 'map' },
    h('h1', {}, 'Services'),
    h(
      'p',
      { class: 'list-status' },
      'The calls of all kept traces, with the share of errors and the median and 95th percentile of the durations.',
    ),
    place,
    tables,
  )
  let drawn = ''
  let timer: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    try {
      const map = await loadMap()
      const text = JSON.stringify(map)
      if (text === drawn) return
      drawn = text
      if (map.services.length === 0) {
        fill(
          place,
          h(
            'div',
            { class: 'empty' },
            h('h2', {}, 'No spans have arrived yet'),
            h('a', { class: 'button', href: '#/' }, 'How to send spans'),
          ),
        )
        fill(tables)
        return
      }
      fill(
        place,
        map.services.length > MAX_DRAWN &&
          h(
            'p',
            { class: 'notice' },
            `The drawing shows the ${MAX_DRAWN} busiest of ${map.services.length} services.`,
          ),
        drawMap(map),
      )
      fill(tables, serviceTable(map.services), map.calls.length > 0 && callTable(map.calls))
    } catch (error) {
      fill(place, h('p', { class: 'problem' }, (error as Error).message))
    }
  }

  void load()
  return {
    element,
    title: 'Services',
    navigate: path => path[0] === 'map',
    change() {
      timer ??= setTimeout(() => {
        timer = undefined
        void load()
      }, 1000)
    },
    close: () => clearTimeout(timer),
  }
}

function serviceTable(services: readonly ServiceNode[]): HTMLElement {
  const sorted = [...services].sort((a, b) => b.requests - a.requests).slice(0, MAX_LISTED)
  return table(
    'Services',
    ['Service', 'Requests', 'Failed', 'Median', '95th percentile'],
    sorted.map(service => [
      h('a', { href: `#/?${new URLSearchParams({ service: service.name })}` }, serviceLabel(service.name)),
      service.requests.toLocaleString('en'),
      share(service.errors, service.requests),
      formatDuration(service.p50),
      formatDuration(service.p95),
    ]),
  )
}

function callTable(calls: readonly ServiceCalls[]): HTMLElement {
  const sorted = [...calls].sort((a, b) => b.calls - a.calls).slice(0, MAX_LISTED)
  return table(
    'Calls',
    ['From', 'To', 'Calls', 'Failed', 'Median', '95th percentile'],
    sorted.map(call => [
      serviceLabel(call.parent),
      serviceLabel(call.child),
      call.calls.toLocaleString('en'),
      share(call.errors, call.calls),
      formatDuration(call.p50),
      formatDuration(call.p95),
    ]),
  )
}

function share(errors: number, whole: number): HTMLElement {
  return h('span', { class: errors > 0 ? 'bad' : 'faint' }, formatShare(errors, whole))
}

function table(
  title: string,
  heads: readonly string[],
  rows: readonly (readonly (HTMLElement | string)[])[],
): HTMLElement {
  return h(
    'section',
    { class: 'figures' },
    h('h2', {}, title),
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          heads.map(head => h('th', { attributes: { scope: 'col' } }, head)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map(row =>
          h(
            'tr',
            {},
            row.map(cell => h('td', {}, cell)),
          ),
        ),
      ),
    ),
  )
}
