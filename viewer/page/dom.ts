// Creates elements. All text from spans reaches the page through these functions, which never turn text into markup, a
// script or an address.

/** The content of an element. */
export type Child = Node | string | number | undefined | false | readonly Child[]

/** The properties of an element. */
export interface Props {
  class?: string | undefined
  title?: string | undefined
  /** Addresses within the page only: `#/trace/...`. */
  href?: `#${string}`
  on?: { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void }
  /** Set through the style object, since the content security policy forbids style attributes. */
  style?: Readonly<Record<string, string>>
  attributes?: Readonly<Record<string, string | number | boolean | undefined>>
}

/** Creates an HTML element. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name)
  setProps(element, props)
  append(element, children)
  return element
}

const SVG = 'http://www.w3.org/2000/svg'

/** Creates an SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value))
  append(element, children)
  return element
}

/** Replaces the content of an element. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren()
  append(element, children)
}

function setProps(element: HTMLElement, props: Props): void {
  if (props.class !== undefined) element.className = props.class
  if (props.title !== undefined) element.title = props.title
  if (props.href !== undefined) element.setAttribute('href', props.href)
  for (const [name, value] of Object.entries(props.style ?? {})) element.style.setProperty(name, value)
  for (const [name, value] of Object.entries(props.attributes ?? {})) {
    if (value === false || value === undefined) continue
    element.setAttribute(name, value === true ? '' : String(value))
  }
  for (const [name, listener] of Object.entries(props.on ?? {})) {
    element.addEventListener(name, listener as EventListener)
  }
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === undefined || child === false) continue
    if (typeof child === 'string' || typeof child === 'number') element.append(String(child))
    else if (child instanceof Node) element.append(child)
    else append(element, child)
  }
}

// The path of each icon, in 16 by 16 units.
const ICONS = {
  caret: 'M6 4l4 4-4 4',
  error: 'M8 4.5v4.2M8 11.4v.1',
  aborted: 'M4.5 8h7',
  copy: 'M5.5 5.5h7v7h-7zM3.5 10.5v-7h7',
  link: 'M6.5 9.5l3-3M5.5 7.5l-1.3 1.3a2.1 2.1 0 0 0 3 3L8.5 10.5M10.5 8.5l1.3-1.3a2.1 2.1 0 0 0-3-3L7.5 5.5',
  close: 'M4 4l8 8M12 4l-8 8',
  save: 'M8 2.5v7M5 7l3 3 3-3M3 12.5h10',
  open: 'M8 10V3M5 5.5l3-3 3 3M3 12.5h10',
  theme: 'M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11',
  help: 'M6 6.2a2 2 0 1 1 3 1.7c-.7.4-1 .8-1 1.6M8 11.6v.1',
  search: 'M7 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8M10 10l3 3',
  compare: 'M3 4.5h7M3 8h10M3 11.5h5',
  skew: 'M2.5 8h8M8 5l3 3-3 3M13.5 4v8',
  zoom: 'M7 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8M10 10l3 3M5.3 7h3.4M7 5.3v3.4',
} as const

/** An icon; screen readers skip it. */
export function icon(name: keyof typeof ICONS): SVGSVGElement {
  const drawing = s('svg', { viewBox: '0 0 16 16', class: `icon icon-${name}`, 'aria-hidden': 'true' })
  drawing.append(s('path', { d: ICONS[name] }))
  return drawing
}

/** A button with an icon; the label is its tooltip and its text for screen readers. */
export function iconButton(name: keyof typeof ICONS, label: string, action: () => void): HTMLButtonElement {
  return h(
    'button',
    {
      class: 'icon-button',
      title: label,
      attributes: { type: 'button', 'aria-label': label },
      on: { click: action },
    },
    icon(name),
  )
}

const announcer = h('div', {
  class: 'visually-hidden',
  attributes: { role: 'status', 'aria-live': 'polite' },
})
const toast = h('div', { class: 'toast', attributes: { 'aria-hidden': 'true' } })
let toastTimer: ReturnType<typeof setTimeout> | undefined

/** Shows a message for a moment, and reads it to screen readers. */
export function announce(text: string): void {
  if (!announcer.isConnected) document.body.append(announcer, toast)
  announcer.textContent = text
  toast.textContent = text
  toast.classList.add('is-shown')
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => toast.classList.remove('is-shown'), 1800)
}

/** Copies text to the clipboard and shows a message. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    announce(`${what} copied`)
  } catch {
    announce(`${what} could not be copied: the browser does not allow it`)
  }
}

/** A button that copies text. */
export function copyButton(text: string, what: string): HTMLButtonElement {
  return iconButton('copy', `Copy ${what}`, () => void copy(text, what))
}
