// The search form: converts its fields to the query of the address, and back.

import { loadNames } from './api.ts'
import { fill, h } from './dom.ts'

/** The form above the list. */
export interface SearchForm {
  readonly element: HTMLElement
  set(query: URLSearchParams): void
  refreshNames(): Promise<void>
  focus(): void
  clear(): void
}

/** Creates the form; `onSearch` is called shortly after the last change. */
export function searchForm(query: URLSearchParams, onSearch: (query: URLSearchParams) => void): SearchForm {
  const service = h('select', { attributes: { name: 'service' } })
  const operation = h('select', { attributes: { name: 'operation' } })
  const text = (name: string, placeholder: string) =>
    h('input', { attributes: { name, placeholder, autocomplete: 'off', spellcheck: 'false' } })
  const tags = text('tags', 'http.status_code=500 user.id=42')
  const min = text('minDuration', '100ms')
  const max = text('maxDuration', '2s')
  const errors = h('input', { attributes: { type: 'checkbox', name: 'errors' } })
  let shownNames = ''
  let selected = { service: '', operation: '' }
  let timer: ReturnType<typeof setTimeout> | undefined

  function set(from: URLSearchParams): void {
    selected = { service: from.get('service') ?? '', operation: from.get('operation') ?? '' }
    tags.value = from.getAll('tag').map(writeTag).join(' ')
    min.value = from.get('minDuration') ?? ''
    max.value = from.get('maxDuration') ?? ''
    errors.checked = from.get('errors') === 'true'
    shownNames = ''
    void refreshNames()
  }

  async function refreshNames(): Promise<void> {
    const names = await loadNames(selected.service)
    const text = JSON.stringify([names, selected])
    if (text === shownNames) return
    shownNames = text
    fillOptions(service, 'All services', names.services, selected.service)
    fillOptions(operation, 'All operations', names.operations, selected.operation)
    operation.disabled = selected.service === ''
  }

  function read(): URLSearchParams {
    const out = new URLSearchParams()
    if (selected.service !== '') out.set('service', selected.service)
    if (selected.service !== '' && selected.operation !== '') out.set('operation', selected.operation)
    for (const tag of readTags(tags.value)) out.append('tag', tag)
    if (min.value.trim() !== '') out.set('minDuration', min.value.trim())
    if (max.value.trim() !== '') out.set('maxDuration', max.value.trim())
    if (errors.checked) out.set('errors', 'true')
    return out
  }

  const searchSoon = () => {
    clearTimeout(timer)
    timer = setTimeout(() => onSearch(read()), 200)
  }
  service.addEventListener('change', () => {
    selected = { service: service.value, operation: '' }
    void refreshNames()
    searchSoon()
  })
  operation.addEventListener('change', () => {
    selected.operation = operation.value
    searchSoon()
  })
  for (const field of [tags, min, max]) field.addEventListener('input', searchSoon)
  errors.addEventListener('change', searchSoon)
  const clear = () => {
    set(new URLSearchParams())
    onSearch(new URLSearchParams())
  }
  const field = (label: string, input: HTMLElement, wide = false) =>
    h('label', { class: wide ? 'field field-wide' : 'field' }, h('span', {}, label), input)
  const element = h(
    'form',
    {
      class: 'search',
      attributes: { role: 'search', 'aria-label': 'Search traces' },
      on: { submit: event => event.preventDefault() },
    },
    field('Service', service),
    field('Operation', operation),
    field('Tags', tags, true),
    field('Longer than', min),
    field('Shorter than', max),
    h('label', { class: 'check' }, errors, 'Failed or aborted'),
  )
  set(query)
  return { element, set, refreshNames, focus: () => tags.focus(), clear }
}

function fillOptions(
  select: HTMLSelectElement,
  all: string,
  names: readonly string[],
  selected: string,
): void {
  const listed = selected !== '' && !names.includes(selected) ? [selected, ...names] : names
  fill(
    select,
    h('option', { attributes: { value: '' } }, all),
    listed.map(name => h('option', { attributes: { value: name } }, name)),
  )
  select.value = selected
}

/** `a=1 b="two words"` as the query's `a:1` and `b:two words`. */
function readTags(text: string): string[] {
  return [...text.matchAll(/([^\s=]+)=(?:"([^"]*)"|(\S*))/g)].map(
    ([, key, quoted, bare]) => `${key}:${quoted ?? bare}`,
  )
}

function writeTag(tag: string): string {
  const colon = tag.indexOf(':')
  const value = tag.slice(colon + 1)
  return `${tag.slice(0, colon)}=${/\s/.test(value) || value === '' ? `"${value}"` : value}`
}
