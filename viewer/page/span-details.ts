// The panel of a span: its ids as in headers, tags, logs with stacks, references and process.

import { shiftOf } from '../src/clock-skew.ts'
import { failureOf, type SpanLog, statusOf, type Tag, type TagValue } from '../src/model.ts'
import type { TraceNode } from '../src/trace-tree.ts'
import type { LoadedTrace } from './api.ts'
import { type Child, copy, copyButton, h, icon, iconButton } from './dom.ts'
import { formatDuration, formatTime } from './format.ts'
import { abortedMark, errorMark, serviceLabel } from './labels.ts'
import { keyOf } from './span-row.ts'

/** Longer values are collapsed. */
const MAX_SHOWN = 600

/** Draws the panel. */
export function spanDetails(trace: LoadedTrace, node: TraceNode, onClose: () => void): HTMLElement {
  const { span } = node
  const status = statusOf(span)
  const failure = failureOf(span)
  return h(
    'div',
    { class: 'details-content' },
    h(
      'header',
      { class: 'details-head' },
      h(
        'div',
        { class: 'details-title' },
        serviceLabel(span.service),
        h('h2', {}, h('bdi', {}, span.operation)),
      ),
      iconButton('link', 'Copy a link to this span (y)', () => void copy(linkTo(trace, node), 'Link')),
      iconButton('close', 'Close (Esc)', onClose),
    ),
    h(
      'dl',
      { class: 'facts' },
      fact('Duration', formatDuration(span.duration)),
      fact('Starts after', formatDuration(Math.max(0, node.start - trace.start))),
      span.kind !== undefined && fact('Kind', span.kind),
      status !== undefined && fact('Status', h('span', { class: span.error ? 'bad' : '' }, status)),
    ),
    span.error &&
      h(
        'p',
        { class: 'callout is-bad' },
        errorMark('error'),
        h('span', { class: 'wrap' }, failure ?? 'This span has an error.'),
      ),
    span.aborted &&
      h(
        'p',
        { class: 'callout is-warn' },
        abortedMark(),
        'The client closed the connection before the response was complete.',
      ),
    node.orphan &&
      h(
        'p',
        { class: 'callout' },
        `Its parent, span ${span.parentId ?? ''}, has not arrived. It may be late or not sampled, or its service sends to another backend.`,
      ),
    shiftOf(node) !== 0 && h('p', { class: 'callout' }, icon('skew'), skewText(shiftOf(node))),
    span.warnings.map(warning => h('p', { class: 'callout' }, warning)),
    idsOf(node),
    section('Tags', span.tags.length, tagTable(span.tags)),
    section(
      'Logs',
      span.logs.length,
      span.logs.map(log => drawLog(log, span.start)),
    ),
    section('References', span.references.length, references(trace, node)),
    section('Process', span.process.length, tagTable(span.process), false),
  )
}

/** The address of a span. */
export function linkTo(trace: LoadedTrace, node: TraceNode): string {
  return `${location.origin}${location.pathname}#/trace/${trace.traceId}/span/${keyOf(node)}`
}

function skewText(shift: number): string {
  const direction = shift > 0 ? 'later' : 'earlier'
  return `Shown ${formatDuration(Math.abs(shift))} ${direction} than recorded, since the clocks of the services differ.`
}

function fact(name: string, value: Child): HTMLElement {
  return h('div', {}, h('dt', {}, name), h('dd', {}, value))
}

function section(name: string, count: number, content: Child, isOpen = true): Child {
  if (count === 0) return undefined
  return h(
    'details',
    { class: 'section', attributes: { open: isOpen } },
    h('summary', {}, name, h('span', { class: 'count' }, count)),
    content,
  )
}

function idsOf({ span }: TraceNode): HTMLElement {
  const { traceId, spanId, parentId } = span
  // A recorded span is sampled, so its headers had the sampled flag.
  const headers: [string, string][] = [
    ['trace id', traceId],
    ['span id', spanId],
    ...(parentId === undefined ? [] : [['parent id', parentId] as [string, string]]),
    ['traceparent', `00-${traceId}-${spanId}-01`],
    ['uber-trace-id', `${traceId}:${spanId}:${parentId ?? '0'}:1`],
    ['b3', `${traceId}-${spanId}-1${parentId === undefined ? '' : `-${parentId}`}`],
  ]
  return h(
    'details',
    { class: 'section', attributes: { open: true } },
    h('summary', {}, 'Ids and headers'),
    h(
      'table',
      { class: 'tags is-ids' },
      h(
        'tbody',
        {},
        headers.map(([name, value]) => row(name, h('code', {}, value), copyButton(value, name))),
      ),
    ),
  )
}

function tagTable(tags: readonly Tag[]): HTMLElement {
  return h(
    'table',
    { class: 'tags' },
    h(
      'tbody',
      {},
      tags.map(({ key, value }) => row(key, drawValue(value), copyButton(String(value), key))),
    ),
  )
}

function row(key: string, value: Child, button: HTMLElement): HTMLElement {
  return h(
    'tr',
    {},
    h('th', { attributes: { scope: 'row' } }, h('bdi', {}, breakable(key))),
    h('td', {}, value),
    h('td', { class: 'tag-action' }, button),
  )
}

/** Allows line breaks after the separators of a name. */
function breakable(key: string): Child {
  return key.split(/(?<=[._-])/).flatMap(part => [h('wbr'), part])
}

function drawValue(value: TagValue): Child {
  const text = String(value)
  const kind = typeof value === 'string' ? 'text' : typeof value
  if (text === '') return h('span', { class: 'faint' }, '(empty)')
  if (text.length <= MAX_SHOWN) return h('bdi', { class: `value is-${kind}` }, text)
  return h(
    'details',
    { class: 'fold' },
    h(
      'summary',
      {},
      h('bdi', { class: 'value' }, `${text.slice(0, 160)}…`),
      ` (${text.length.toLocaleString('en')} characters)`,
    ),
    h('bdi', { class: 'value' }, text),
  )
}

function drawLog(log: SpanLog, start: number): HTMLElement {
  const event = log.fields.find(({ key }) => key === 'event')
  const stacks = log.fields.filter(isStack)
  const rest = log.fields.filter(field => field !== event && !stacks.includes(field))
  const isError = event?.value === 'error' || event?.value === 'exception'
  const offset = log.time - start
  return h(
    'div',
    { class: isError ? 'log is-error' : 'log' },
    h(
      'div',
      { class: 'log-head' },
      h(
        'time',
        { title: formatTime(log.time) },
        `${offset < 0 ? '−' : '+'}${formatDuration(Math.abs(offset))}`,
      ),
      h('strong', {}, event === undefined ? 'log' : String(event.value)),
    ),
    rest.length > 0 && tagTable(rest),
    stacks.map(({ key, value }) =>
      h(
        'div',
        { class: 'stack-block' },
        h('div', { class: 'stack-head' }, h('bdi', {}, key), copyButton(String(value), key)),
        drawStack(String(value)),
      ),
    ),
  )
}

function isStack({ key, value }: Tag): boolean {
  return typeof value === 'string' && (/stack/i.test(key) || /\n\s+at /.test(value))
}

/** A stack trace; frames that are not the user's own code are faint. */
function drawStack(stack: string): HTMLElement {
  const lines = stack.split('\n').slice(0, 200)
  return h(
    'pre',
    { class: 'stack', attributes: { tabindex: 0 } },
    lines.map((line, index) =>
      h(
        'span',
        { class: /node_modules|\(?node:|<anonymous>/.test(line) ? 'faint' : '' },
        index === lines.length - 1 ? line : `${line}\n`,
      ),
    ),
  )
}

function references(trace: LoadedTrace, { span }: TraceNode): HTMLElement {
  return h(
    'ul',
    { class: 'references' },
    span.references.map(({ kind, traceId, spanId }) =>
      h(
        'li',
        {},
        kind === 'followsFrom' ? 'follows from ' : 'child of ',
        h(
          'a',
          { href: `#/trace/${traceId}/span/${spanId}` },
          traceId === trace.traceId ? `span ${spanId}` : `span ${spanId} of trace ${traceId}`,
        ),
      ),
    ),
  )
}
