// A long list of rows of equal height. Only the visible rows are in the document, so that 10,000 rows scroll smoothly.

import { h } from './dom.ts'

/** A list that draws its visible rows. */
export interface Rows {
  readonly element: HTMLElement
  /** Draws all rows again; there are `count`. */
  update(count: number): void
  /** Draws a row again, if it is visible. */
  redraw(index: number): void
  /** Scrolls until a row is visible. */
  reveal(index: number): void
  /** How many rows are visible at once. */
  page(): number
}

/** Creates a list. Its element scrolls. */
export function createRows(options: {
  height: number
  draw(index: number): HTMLElement
  attributes: Readonly<Record<string, string>>
}): Rows {
  const { height, draw } = options
  const canvas = h('div', { class: 'rows-canvas', attributes: { role: 'presentation' } })
  const element = h('div', { class: 'rows', attributes: { tabindex: 0, ...options.attributes } }, canvas)
  const drawn = new Map<number, HTMLElement>()
  let count = 0
  let isScheduled = false

  function place(index: number): void {
    const row = draw(index)
    row.style.setProperty('transform', `translateY(${index * height}px)`)
    const before = drawn.get(index)
    if (before === undefined) canvas.append(row)
    else before.replaceWith(row)
    drawn.set(index, row)
  }

  function show(): void {
    isScheduled = false
    const first = Math.max(0, Math.floor(element.scrollTop / height) - 8)
    const last = Math.min(count - 1, Math.ceil((element.scrollTop + element.clientHeight) / height) + 8)
    for (const [index, row] of drawn) {
      if (index >= first && index <= last) continue
      row.remove()
      drawn.delete(index)
    }
    for (let index = first; index <= last; index++) if (!drawn.has(index)) place(index)
  }

  const schedule = () => {
    if (!isScheduled) requestAnimationFrame(show)
    isScheduled = true
  }
  element.addEventListener('scroll', schedule, { passive: true })
  new ResizeObserver(schedule).observe(element)

  return {
    element,
    update(newCount) {
      count = newCount
      canvas.style.setProperty('height', `${count * height}px`)
      canvas.replaceChildren()
      drawn.clear()
      show()
    },
    redraw(index) {
      if (drawn.has(index)) place(index)
    },
    reveal(index) {
      const top = index * height
      const { scrollTop, clientHeight } = element
      if (top < scrollTop + height) element.scrollTop = Math.max(0, top - 2 * height)
      else if (top + 2 * height > scrollTop + clientHeight)
        element.scrollTop = top + 3 * height - clientHeight
      show()
    },
    page: () => Math.max(1, Math.floor(element.clientHeight / height) - 1),
  }
}
