// Draws the service map: services as boxes in columns, calls as labelled curves between them.

import type { ServiceCalls, ServiceMap, ServiceNode } from './api.ts'
import { s } from './dom.ts'
import { formatDuration, formatShare, plural } from './format.ts'
import { colourOf } from './labels.ts'
import { layOut, type MapPlace, wayOf } from './map-layout.ts'

/** The most services that are drawn. */
export const MAX_DRAWN = 60

const WIDTH = 200
const HEIGHT = 62
const COLUMN = 360
const ROW = 104
const MARGIN = 16

/** The busiest services and the calls between them. With more, a drawing cannot be read. */
function busiest({ services, calls }: ServiceMap): ServiceMap {
  const shown = [...services].sort((a, b) => b.requests - a.requests).slice(0, MAX_DRAWN)
  const names = new Set(shown.map(({ name }) => name))
  return {
    services: shown,
    calls: calls.filter(({ parent, child }) => names.has(parent) && names.has(child)),
  }
}

/** Draws the services and their calls; of many services only the busiest. */
export function drawMap(all: ServiceMap): SVGSVGElement {
  const map = busiest(all)
  const { places, ways } = layOut(
    map.services.map(service => service.name),
    map.calls.map(({ parent, child }) => [parent, child]),
  )
  const toPoint = ({ column, row }: MapPlace): Point => ({
    x: MARGIN + column * COLUMN,
    y: MARGIN + row * ROW,
  })
  const at = (name: string) => toPoint(places.get(name) ?? { column: 0, row: 0 })
  const used = [...places.values(), ...[...ways.values()].flat()]
  const columns = Math.max(...used.map(({ column }) => column)) + 1
  const rows = Math.max(...used.map(({ row }) => row)) + 1
  const width = (columns - 1) * COLUMN + WIDTH + 2 * MARGIN
  const height = (rows - 1) * ROW + HEIGHT + 2 * MARGIN
  const most = Math.max(1, ...map.calls.map(({ calls }) => calls))
  const drawing = s('svg', {
    class: 'map-drawing',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
    'aria-label': `${plural(map.services.length, 'service')} and the calls between them; the tables below have the same data`,
  })
  const labels: SVGElement[] = []
  for (const call of map.calls) {
    const through = (ways.get(wayOf(call.parent, call.child)) ?? []).map(toPoint)
    const { path, label } = drawCall(call, at(call.parent), through, at(call.child), most)
    drawing.append(path)
    labels.push(label)
  }
  drawing.append(...map.services.map(service => drawService(service, at(service.name))), ...labels)
  return drawing
}

interface Point {
  readonly x: number
  readonly y: number
}

function drawCall(
  call: ServiceCalls,
  from: Point,
  through: readonly Point[],
  to: Point,
  most: number,
): { path: SVGElement; label: SVGElement } {
  const isForward = to.x > from.x
  const start = { x: from.x + WIDTH, y: from.y + HEIGHT / 2 }
  const tip = { x: to.x, y: to.y + HEIGHT / 2 + (isForward ? 0 : 14) }
  const way = isForward
    ? wayThrough(start, through, tip)
    : wayBack(start, tip, Math.max(from.y, to.y) + HEIGHT + 26)
  const thickness = 1.25 + 3 * (Math.log1p(call.calls) / Math.log1p(most))
  const state = call.errors > 0 ? 'has-error' : ''
  const path = s(
    'g',
    { class: `call ${state}` },
    s('path', { d: way.d, 'stroke-width': thickness.toFixed(2) }),
    s('path', { class: 'tip', d: `M${tip.x} ${tip.y} l-10 -5.5 v11 z` }),
  )
  const failed = call.errors > 0 && `${formatShare(call.errors, call.calls)} failed`
  const counted = plural(call.calls, 'call')
  const times = `${formatDuration(call.p50)} / ${formatDuration(call.p95)}`
  const half =
    Math.max(times.length, failed === false ? counted.length : counted.length + failed.length + 2) * 3.2 + 9
  const label = s(
    'g',
    { class: `call-label ${state}`, transform: `translate(${way.middle.x} ${way.middle.y})` },
    s('rect', { x: -half, y: -19, width: 2 * half, height: 38, rx: 7 }),
    s('text', { y: -4 }, counted, failed !== false && s('tspan', { class: 'bad', dx: 6 }, failed)),
    s('text', { y: 12, class: 'times' }, times),
    s(
      'title',
      {},
      `${call.parent} calls ${call.child}: ${counted}, ${formatShare(call.errors, call.calls)} failed, median ${formatDuration(call.p50)}, 95th percentile ${formatDuration(call.p95)}`,
    ),
  )
  return { path, label }
}

interface Way {
  readonly d: string
  /** The position of the label. */
  readonly middle: Point
}

function wayThrough(start: Point, through: readonly Point[], tip: Point): Way {
  const end = { x: tip.x - 8, y: tip.y }
  let d = `M${start.x} ${start.y}`
  let last = start
  const curveTo = ({ x, y }: Point) => {
    const bend = (x - last.x) / 2
    d += ` C${last.x + bend} ${last.y} ${x - bend} ${y} ${x} ${y}`
    last = { x, y }
  }
  for (const { x, y } of through) {
    curveTo({ x, y: y + HEIGHT / 2 })
    last = { x: x + WIDTH, y: last.y }
    d += ` H${last.x}`
  }
  curveTo(end)
  const half = through[Math.floor((through.length - 1) / 2)]
  const middle =
    half === undefined
      ? { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 }
      : { x: half.x + WIDTH / 2, y: half.y + HEIGHT / 2 }
  return { d, middle }
}

/** The curve of a call to an earlier column: it passes below both services. */
function wayBack(start: Point, tip: Point, below: number): Way {
  const d = `M${start.x} ${start.y + 14} C${start.x + 70} ${below} ${tip.x - 70} ${below} ${tip.x - 8} ${tip.y}`
  return { d, middle: { x: (start.x + tip.x) / 2, y: (start.y + tip.y + 6 * below) / 8 } }
}

function drawService(service: ServiceNode, { x, y }: Point): SVGElement {
  const name = service.name.length > 22 ? `${service.name.slice(0, 21)}…` : service.name
  const node = s(
    'a',
    {
      class: 'node',
      href: `#/?${new URLSearchParams({ service: service.name })}`,
      transform: `translate(${x} ${y})`,
    },
    s('rect', { width: WIDTH, height: HEIGHT, rx: 10 }),
    s('circle', { cx: 18, cy: 22, r: 5, class: 'node-dot' }),
    s('text', { x: 31, y: 27, class: 'node-name' }, name),
    s(
      'text',
      { x: 16, y: 47, class: 'node-figures' },
      `${plural(service.requests, 'request')} · ${formatDuration(service.p50)}`,
    ),
  )
  const share = service.requests === 0 ? 0 : service.errors / service.requests
  if (share > 0) {
    node.append(
      s('rect', {
        class: 'node-errors',
        x: 0,
        y: HEIGHT - 4,
        width: Math.max(4, WIDTH * share),
        height: 4,
        rx: 2,
      }),
    )
  }
  node.append(
    s(
      'title',
      {},
      `${service.name}: ${plural(service.requests, 'request')}, ${formatShare(service.errors, service.requests)} failed`,
    ),
  )
  node.style.setProperty('--colour', colourOf(service.name))
  return node
}
