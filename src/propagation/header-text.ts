// The text of a header: once, several times, or not at all.

/** A header's text; several texts when it came as an array of them; undefined when it is absent or empty. */
export type Texts = string | readonly string[] | undefined

/** A value as text; what is neither text nor an array of texts is as absent. */
export function texts(value: unknown): Texts {
  if (typeof value === 'string') return value === '' ? undefined : value
  if (!Array.isArray(value)) return undefined
  const list: string[] = []
  for (const item of value) if (typeof item === 'string' && item !== '') list.push(item)
  return list.length > 1 ? list : list[0]
}

/** Without the blanks and tabs around it (OWS); node:http has cut them off, other carriers have not. */
export function trimmed(text: string): string {
  if (!isBlank(text.charCodeAt(0)) && !isBlank(text.charCodeAt(text.length - 1))) return text
  // Nothing but blanks, and there may be many: V8 tells that in a tenth of the time.
  if (text.trim() === '') return ''
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}

/** A header that may come several times, as one list (RFC 9110, 5.3). */
export function joined(value: Texts): string {
  return typeof value === 'string' ? value : value === undefined ? '' : value.join(',')
}

/** A header whose first text counts. */
export function first(value: Texts): string {
  return typeof value === 'string' ? value : (value?.[0] ?? '')
}
