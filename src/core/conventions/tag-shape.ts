// The names of a span's tags, apart from their values. Spans of one kind get the same tags in the same order: they
// share one list of names, about which everything is found out once (as engines do with the properties of objects).

/** Names come from the app, and may be without end: beyond so many lists each span has its own. */
const MAX_SHAPES = 2000
let shapes = 0

export class TagShape {
  readonly names: readonly string[]
  readonly size: number
  /** What the export has found out about these names. */
  plan: object | undefined
  readonly #isShared: boolean
  // The name that was added last is nearly always the one that is added next.
  #lastName: string | undefined
  #last: TagShape | undefined
  #others: Map<string, TagShape> | undefined

  constructor(names: readonly string[], isShared: boolean) {
    this.names = names
    this.size = names.length
    this.plan = undefined
    this.#isShared = isShared
    this.#lastName = undefined
    this.#last = undefined
    this.#others = undefined
  }

  /** The names with `name` behind them, when spans have had these before. */
  known(name: string): TagShape | undefined {
    return name === this.#lastName ? this.#last : this.#find(name)
  }

  /** The names with one more behind them, which must be a new one. */
  with(name: string): TagShape {
    const names = [...this.names, name]
    if (!this.#isShared || shapes >= MAX_SHAPES) return new TagShape(names, false)
    shapes++
    const made = new TagShape(names, true)
    this.#others ??= new Map()
    this.#others.set(name, made)
    return made
  }

  #find(name: string): TagShape | undefined {
    const found = this.#others?.get(name)
    if (found === undefined) return undefined
    this.#lastName = name
    this.#last = found
    return found
  }
}

export const NO_NAMES: TagShape = new TagShape([], true)
