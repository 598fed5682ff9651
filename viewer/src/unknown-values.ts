// Reads the fields of a decoded message, whose types are not known. A value of a wrong type counts as absent; nothing
// throws.

/** The text, or `''`. A number is converted to its digits. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : ''
}

/** The list, or an empty one. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The object, or an empty one. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** The number, also from a text of digits; else NaN. */
export function number(value: unknown): number {
  if (typeof value === 'number') return value
  return (typeof value === 'string' && value.trim() !== '') || typeof value === 'bigint' ? Number(value) : NaN
}

/** A 64-bit integer: a number where that is exact, else a text of its digits. */
export function integer(value: bigint | number | string): number | string {
  const exact = Number(value)
  return Number.isSafeInteger(exact) ? exact : String(value)
}
