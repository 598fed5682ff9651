// Compares two traces side by side: one row for each span, with its time in both traces and the difference.

import { type AlignedPair, align } from '../src/align.ts'
import type { TraceNode } from '../src/trace-tree.ts'
import { type LoadedTrace, loadList, loadTrace } from './api.ts'
import { fill, h } from './dom.ts'
import { formatDuration, formatTime, plural } from './format.ts'
import { abortedMark, colourOf, errorMark, serviceLabel } from './labels.ts'
import { keyOf } from './span-row.ts'
import type { View } from './view.ts'
import { createRows } from './virtual-rows.ts'

/** The view that compares the two traces of the address. With only one, it lists others to compare with. */
export function compareView(path: readonly string[]): View {
  const [, first = '', second] = path
  const element = h('div', { class: 'compare' }, h('p', { class: 'list-status' }, 'Loading…'))
  let pairs: AlignedPair[] = []
  let active = 0
  let onKey: (event: KeyboardEvent) => boolean = () => false

  async function load(): Promise<void> {
    try {
      const a = await loadTrace(first)
      if (second === undefined) await listOthers(a)
      else show(a, await loadTrace(second))
    } catch (error) {
      fill(
        element,
        h(
          'div',
          { class: 'empty' },
          h('h1', {}, 'These traces cannot be compared'),
          h('p', {}, (error as Error).message),
          h('a', { class: 'button', href: '#/' }, 'All traces'),
        ),
      )
    }
  }

  async function listOthers(a: LoadedTrace): Promise<void> {
    const query = new URLSearchParams({
      service: a.root.span.service,
      operation: a.root.span.operation,
      limit: '100',
    })
    const others = (await loadList(query)).traces.filter(trace => trace.traceId !== a.traceId)
    fill(
      element,
      h('h1', {}, 'Compare with'),
      h(
        'p',
        { class: 'list-status' },
        'Another trace of ',
        serviceLabel(a.root.span.service),
        ' ',
        h('bdi', {}, a.root.span.operation),
      ),
      others.length === 0
        ? h(
            'div',
            { class: 'empty' },
            h(
              'p',
              {},
              'There is no other trace of this operation yet. In the list you can select any two traces.',
            ),
            h('a', { class: 'button', href: '#/' }, 'All traces'),
          )
        : h(
            'ol',
            { class: 'choices' },
            others.map(other =>
              h(
                'li',
                {},
                h(
                  'a',
                  { href: `#/compare/${a.traceId}/${other.traceId}` },
                  h('strong', {}, formatDuration(other.duration)),
                  h('span', {}, formatTime(other.start)),
                  h('span', {}, plural(other.spans, 'span')),
                  other.errors > 0 && h('span', { class: 'bad' }, plural(other.errors, 'error')),
                  h('code', {}, other.traceId),
                ),
              ),
            ),
          ),
    )
  }

  function show(a: LoadedTrace, b: LoadedTrace): void {
    pairs = align(a, b)
    // Both traces are drawn on the same scale.
    const scale = Math.max(1, a.end - a.start, b.end - b.start)
    const rows = createRows({
      height: 30,
      draw: index => drawPair(pairs[index] as AlignedPair, index),
      attributes: { role: 'listbox', 'aria-label': 'Spans of both traces' },
    })

    function drawPair(pair: AlignedPair, index: number): HTMLElement {
      const { span } = (pair.a ?? pair.b) as TraceNode
      const kind = pair.b === undefined ? 'only-a' : pair.a === undefined ? 'only-b' : ''
      return h(
        'div',
        {
          class: `row pair ${kind}${index === active ? ' is-selected' : ''}`,
          style: { '--colour': colourOf(span.service) },
          attributes: {
            id: `pair-${index}`,
            role: 'option',
            'data-index': index,
            'aria-selected': String(index === active),
            'aria-label': labelOf(pair),
          },
        },
        h(
          'div',
          { class: 'row-name', style: { 'padding-inline-start': `${19 + Math.min(pair.depth, 14) * 12}px` } },
          h('span', { class: 'row-service' }, h('bdi', {}, span.service)),
          h('bdi', { class: 'row-operation', title: span.operation }, span.operation),
        ),
        side(pair.a, a, 'a'),
        side(pair.b, b, 'b'),
        h('div', { class: 'difference' }, differenceOf(pair)),
      )
    }

    function side(node: TraceNode | undefined, trace: LoadedTrace, which: string): HTMLElement {
      if (node === undefined)
        return h('div', { class: `lane is-missing is-${which}` }, h('span', {}, 'not in this trace'))
      const { span, start } = node
      const left = (start - trace.start) / scale
      return h(
        'a',
        {
          class: `lane is-${which}`,
          href: `#/trace/${trace.traceId}/span/${keyOf(node)}`,
          attributes: { tabindex: -1 },
        },
        h('span', {
          class: span.error ? 'bar is-error' : 'bar',
          style: { left: `${left * 75}%`, width: `${(span.duration / scale) * 75}%` },
        }),
        h(
          'span',
          { class: 'bar-label is-fixed' },
          span.error && errorMark('error'),
          span.aborted && abortedMark(),
          formatDuration(span.duration),
        ),
      )
    }

    function go(to: number): void {
      const before = active
      active = Math.max(0, Math.min(pairs.length - 1, to))
      rows.redraw(before)
      rows.redraw(active)
      rows.reveal(active)
      rows.element.setAttribute('aria-activedescendant', `pair-${active}`)
    }

    onKey = event => {
      if (event.key === 'ArrowDown' || event.key === 'j') go(active + 1)
      else if (event.key === 'ArrowUp' || event.key === 'k') go(active - 1)
      else if (event.key === 'PageDown') go(active + rows.page())
      else if (event.key === 'PageUp') go(active - rows.page())
      else if (event.key === 'Home') go(0)
      else if (event.key === 'End') go(pairs.length - 1)
      else if (event.key === 'x') location.hash = `#/compare/${b.traceId}/${a.traceId}`
      else return false
      return true
    }
    rows.element.addEventListener('click', event => {
      const row = (event.target as HTMLElement).closest<HTMLElement>('[data-index]')
      if (row !== null) go(Number(row.dataset.index))
    })
    const onlyA = pairs.filter(pair => pair.b === undefined).length
    const onlyB = pairs.filter(pair => pair.a === undefined).length
    fill(
      element,
      h('h1', {}, 'Two traces side by side'),
      h(
        'p',
        { class: 'list-status' },
        `${plural(pairs.length - onlyA - onlyB, 'span')} in both, ${onlyA} only in A, ${onlyB} only in B`,
        h('a', { class: 'button is-quiet', href: `#/compare/${b.traceId}/${a.traceId}` }, 'Swap (x)'),
      ),
      h(
        'div',
        { class: 'compare-table' },
        h(
          'div',
          { class: 'pair pair-head' },
          h('span', {}, 'Span'),
          titleOf('A', a),
          titleOf('B', b),
          h('span', { class: 'difference' }, 'B − A'),
        ),
        rows.element,
      ),
    )
    rows.update(pairs.length)
  }

  void load()
  return {
    element,
    title: 'Compare',
    navigate: parts => parts[0] === 'compare' && parts[1] === first && parts[2] === second,
    key: event => onKey(event),
  }
}

function titleOf(letter: string, trace: LoadedTrace): HTMLElement {
  return h(
    'a',
    { class: 'side-title', href: `#/trace/${trace.traceId}` },
    h('span', { class: 'letter' }, letter),
    h('strong', {}, formatDuration(trace.end - trace.start)),
    h('span', {}, formatTime(trace.start)),
    h('code', {}, trace.traceId.slice(0, 8)),
  )
}

function differenceOf({ a, b }: AlignedPair): HTMLElement {
  if (a === undefined || b === undefined)
    return h('span', { class: 'faint' }, a === undefined ? 'only B' : 'only A')
  const difference = b.span.duration - a.span.duration
  const isNotable =
    Math.abs(difference) > 0.1 * Math.max(a.span.duration, b.span.duration) && Math.abs(difference) >= 100
  const sign = difference > 0 ? '+' : difference < 0 ? '−' : '±'
  return h(
    'span',
    { class: !isNotable ? 'faint' : difference > 0 ? 'slower' : 'faster' },
    `${sign}${formatDuration(Math.abs(difference))}`,
  )
}

function labelOf(pair: AlignedPair): string {
  const { span } = (pair.a ?? pair.b) as TraceNode
  const time = (node: TraceNode | undefined) =>
    node === undefined ? 'absent' : formatDuration(node.span.duration)
  return `${span.service}, ${span.operation}, in A ${time(pair.a)}, in B ${time(pair.b)}`
}
