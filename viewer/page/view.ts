import type { Change } from './api.ts'

/** A view of the page: the trace list, a trace, the service map, or a comparison. */
export interface View {
  readonly element: HTMLElement
  readonly title: string
  /** Shows another address; false when the address belongs to another view. */
  navigate(path: readonly string[], query: URLSearchParams): boolean
  /** Called when traces have changed. */
  change?(change: Change): void
  /** Called for a key that no form field handles; true when the view has handled it. */
  key?(event: KeyboardEvent): boolean
  close?(): void
}
