// Draws a trace as text: a tree with durations, bars on a timeline, statuses and errors.

import { adjustSkew } from './clock-skew.ts'
import { formatDuration } from './duration.ts'
import { failureOf, statusOf, tagOf, type ViewerSpan } from './model.ts'
import { toLine } from './text.ts'
import { buildTraceTree, type TraceNode } from './trace-tree.ts'

/** Options of {@link drawTrace}. */
export interface DrawOptions {
  /** Colours by ANSI escapes, for a terminal. @default false */
  colour?: boolean
  /** The number of columns, at least 60. @default 100 */
  width?: number
  /** The most spans that are drawn; the last line counts the others. @default 200 */
  limit?: number
}

interface Row {
  readonly node: TraceNode
  readonly branch: string
}

const MIN_WIDTH = 60
const MAX_INDENT = 36
const BAR = 20

/**
 * Draws the spans of a trace as a tree: service, operation, duration, status, error, abort.
 *
 * Control characters in spans are replaced, so that a span cannot control the terminal.
 *
 * @param spans the spans of one trace, in any order, complete or not
 * @returns lines joined by line feeds, without one at the end; `''` when there are no spans
 * @example
 * for (const trace of viewer.traces()) console.log(drawTrace(trace.spans, { colour: true }))
 */
export function drawTrace(spans: readonly ViewerSpan[], options: DrawOptions = {}): string {
  const paint = createPaint(options.colour ?? false)
  const width = Math.max(MIN_WIDTH, options.width ?? 100)
  const limit = Math.max(1, options.limit ?? 200)
  const { roots, nodes } = adjustSkew(buildTraceTree(spans))
  const first = roots[0]
  if (first === undefined) return ''
  const begin = Math.min(...roots.map(root => root.start))
  const end = nodes.reduce((latest, node) => Math.max(latest, node.start + node.span.duration), begin)

  const rows = layOut(roots, limit)
  // The duration takes 10 columns, and two gaps take 2 each.
  const room = width - BAR - 14
  const names = Math.min(room, Math.max(...rows.map(row => columns(row.branch) + columns(nameOf(row.node)))))
  const lines = [head(first, nodes, end - begin, paint)]
  for (const { node, branch } of rows) {
    const name = fit(nameOf(node), names - columns(branch))
    const gap = ' '.repeat(Math.max(0, names - columns(branch) - columns(name)))
    const cells = [
      paint.faint(branch) + paintName(node, name, paint) + gap,
      paint.strong(formatDuration(node.span.duration).padStart(10)),
      paintBar(node, bar(node, begin, end - begin), paint),
    ]
    const outcome = outcomeOf(node, paint)
    lines.push(outcome === '' ? cells.join('  ') : `${cells.join('  ')}  ${outcome}`)
  }
  if (nodes.length > rows.length) lines.push(paint.faint(`… and ${nodes.length - rows.length} more spans`))
  return lines.map(line => line.trimEnd()).join('\n')
}

function head(root: TraceNode, nodes: readonly TraceNode[], duration: number, paint: Paint): string {
  const services = new Set(nodes.map(({ span }) => span.service)).size
  const errors = nodes.filter(({ span }) => span.error).length
  const parts = [
    `trace ${root.span.traceId}`,
    formatDuration(duration),
    plural(nodes.length, 'span'),
    plural(services, 'service'),
  ]
  if (errors > 0) parts.push(paint.bad(plural(errors, 'error')))
  return parts.join(paint.faint(' · '))
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function layOut(roots: readonly TraceNode[], limit: number): Row[] {
  const rows: Row[] = []
  const stack: { node: TraceNode; indent: string; last: boolean }[] = []
  const push = (nodes: readonly TraceNode[], indent: string) => {
    for (let i = nodes.length - 1; i >= 0; i--) {
      stack.push({ node: nodes[i] as TraceNode, indent, last: i === nodes.length - 1 })
    }
  }
  push(roots, '')
  for (let top = stack.pop(); top !== undefined && rows.length < limit; top = stack.pop()) {
    const { node, indent, last } = top
    const root = node.parent === undefined
    // Deep in the tree the depth replaces the lines, so that the names have enough room.
    const lead = indent.length > MAX_INDENT ? `⋯${node.depth} ` : indent
    rows.push({ node, branch: root ? (node.orphan ? '┄ ' : '') : `${lead}${last ? '└─ ' : '├─ '}` })
    push(node.children, root ? '' : `${indent}${last ? '   ' : '│  '}`)
  }
  return rows
}

function nameOf({ span }: TraceNode): string {
  return `${toLine(span.service, 60)}  ${toLine(span.operation, 120)}`
}

function paintName(node: TraceNode, name: string, paint: Paint): string {
  const service = toLine(node.span.service, 60)
  return name.startsWith(`${service}  `)
    ? paint.service(service, node.span.service) + name.slice(service.length)
    : name
}

function outcomeOf({ span, orphan }: TraceNode, paint: Paint): string {
  const parts: string[] = []
  const status = statusOf(span)
  if (status !== undefined) parts.push(span.error ? paint.bad(toLine(status, 12)) : toLine(status, 12))
  if (span.aborted) {
    const when = tagOf(span, 'aborted')
    parts.push(paint.warn(typeof when === 'string' ? `⊘ aborted ${toLine(when, 40)}` : '⊘ aborted'))
  }
  if (span.error) {
    const failure = failureOf(span)
    parts.push(paint.bad(failure === undefined ? '✖ error' : `✖ ${toLine(failure, 120)}`))
  }
  if (orphan) parts.push(paint.faint('(its parent has not arrived)'))
  return parts.join('  ')
}

/** The bar of a span on the timeline of the trace: `   ━━━━━     `. */
function bar(node: TraceNode, begin: number, total: number): string {
  if (total <= 0) return '━'.repeat(BAR)
  const from = Math.min(BAR - 1, Math.floor(((node.start - begin) / total) * BAR))
  const to = Math.min(BAR, Math.ceil(((node.start - begin + node.span.duration) / total) * BAR))
  const length = Math.max(1, to - from)
  const tiny = node.span.duration / total < 0.5 / BAR
  return (
    ' '.repeat(Math.max(0, from)) +
    (tiny ? '╸' : '━'.repeat(length)) +
    ' '.repeat(Math.max(0, BAR - from - length))
  )
}

function paintBar({ span }: TraceNode, text: string, paint: Paint): string {
  if (span.error) return paint.bad(text)
  return span.aborted ? paint.warn(text) : paint.service(text, span.service)
}

function fit(text: string, room: number): string {
  if (columns(text) <= room) return text
  let out = ''
  let used = 0
  for (const char of text) {
    used += columns(char)
    if (used > room - 1) break
    out += char
  }
  return `${out}…`
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
const NARROWEST = /\p{Mark}|\u200b|\u200d/u
// Text in which each character takes one column, as nearly all text.
const PLAIN = /^[\u0020-\u02ff\u2190-\u25ff…]*$/

function columns(text: string): number {
  if (PLAIN.test(text)) return text.length
  let width = 0
  for (const char of text) width += NARROWEST.test(char) ? 0 : WIDE.test(char) ? 2 : 1
  return width
}

interface Paint {
  strong(text: string): string
  faint(text: string): string
  bad(text: string): string
  warn(text: string): string
  /** The same colour for a service everywhere. */
  service(text: string, name: string): string
}

// Without red and yellow, which stand for errors and aborts.
const SERVICE_COLOURS = ['36', '35', '34', '32', '96', '95', '94', '92']

function createPaint(colour: boolean): Paint {
  if (!colour) {
    const plain = (text: string) => text
    return { strong: plain, faint: plain, bad: plain, warn: plain, service: plain }
  }
  const sgr = (code: string) => (text: string) => `\u001b[${code}m${text}\u001b[0m`
  const assigned = new Map<string, (text: string) => string>()
  return {
    strong: sgr('1'),
    faint: sgr('2'),
    bad: sgr('31'),
    warn: sgr('33'),
    service(text, name) {
      const known = assigned.get(name)
      if (known !== undefined) return known(text)
      const fresh = sgr(SERVICE_COLOURS[assigned.size % SERVICE_COLOURS.length] as string)
      assigned.set(name, fresh)
      return fresh(text)
    },
  }
}
