// Places the services of the map: callers left of the services that they call, with few crossing lines.

/** A cell of the grid. */
export interface MapPlace {
  readonly column: number
  readonly row: number
}

const MAX_VISITS = 20_000

/** The cells of the services, and the cells that long calls pass through. */
export interface MapLayout {
  readonly places: ReadonlyMap<string, MapPlace>
  /** By `wayOf(parent, child)`. */
  readonly ways: ReadonlyMap<string, readonly MapPlace[]>
}

/** The key of a call in the layout. */
export function wayOf(parent: string, child: string): string {
  return JSON.stringify([parent, child])
}

/**
 * Places services in columns.
 *
 * @param calls pairs of caller and callee; they may form cycles
 */
export function layOut(
  services: readonly string[],
  calls: readonly (readonly [string, string])[],
): MapLayout {
  const columns = columnsOf(services, neighboursOf(services, calls, 0), neighboursOf(services, calls, 1))
  const byColumn: string[][] = []
  const add = (name: string, column: number) => {
    while (byColumn.length <= column) byColumn.push([])
    byColumn[column]?.push(name)
  }
  for (const name of services) add(name, columns.get(name) as number)
  // A call over several columns gets a cell of its own in each, so that it passes between the services.
  const steps: [string, string][] = []
  const passes = new Map<string, string[]>()
  for (const [parent, child] of calls) {
    const way = wayOf(parent, child)
    const through: string[] = []
    for (
      let column = (columns.get(parent) as number) + 1;
      column < (columns.get(child) as number);
      column++
    ) {
      through.push(JSON.stringify([way, column]))
      add(through.at(-1) as string, column)
    }
    passes.set(way, through)
    const stops = [parent, ...through, child]
    for (let i = 1; i < stops.length; i++) steps.push([stops[i - 1] as string, stops[i] as string])
  }
  const places = order(byColumn, steps)
  const ways = new Map<string, MapPlace[]>()
  for (const [way, through] of passes)
    ways.set(
      way,
      through.map(name => places.get(name) as MapPlace),
    )
  return { places: new Map(services.map(name => [name, places.get(name) as MapPlace])), ways }
}

/** Orders each column: every name moves to the mean row of its neighbours. After a few passes the order is stable. */
function order(
  byColumn: readonly string[][],
  steps: readonly (readonly [string, string])[],
): Map<string, MapPlace> {
  const all = byColumn.flat()
  const below = neighboursOf(all, steps, 0)
  const above = neighboursOf(all, steps, 1)
  const rows = new Map<string, number>()
  const number = (names: readonly string[]) => {
    for (const [row, name] of names.entries()) rows.set(name, row - names.length / 2)
  }
  for (const names of byColumn) number(names)
  for (let sweep = 0; sweep < 8; sweep++) {
    const neighbours = sweep % 2 === 0 ? above : below
    for (const names of byColumn) {
      const middle = new Map(
        names.map(name => [name, mean(neighbours.get(name) ?? [], rows) ?? (rows.get(name) as number)]),
      )
      names.sort((a, b) => (middle.get(a) as number) - (middle.get(b) as number))
      number(names)
    }
  }
  const tallest = Math.max(1, ...byColumn.map(names => names.length))
  const places = new Map<string, MapPlace>()
  for (const [column, names] of byColumn.entries()) {
    const gap = (tallest - names.length) / 2
    for (const [row, name] of names.entries()) places.set(name, { column, row: row + gap })
  }
  return places
}

/** The partners of each name in the pairs in which it is the caller (0) or the callee (1). */
function neighboursOf(
  names: readonly string[],
  pairs: readonly (readonly [string, string])[],
  side: 0 | 1,
): Map<string, string[]> {
  const neighbours = new Map<string, string[]>(names.map(name => [name, []]))
  for (const pair of pairs) neighbours.get(pair[side])?.push(pair[side === 0 ? 1 : 0])
  return neighbours
}

/** The column of each service: one after the last of its callers. A call that closes a cycle does not count. */
function columnsOf(
  services: readonly string[],
  below: ReadonlyMap<string, readonly string[]>,
  above: ReadonlyMap<string, readonly string[]>,
): Map<string, number> {
  const columns = new Map<string, number>()
  const onPath = new Set<string>()
  let visits = 0
  const visit = (name: string, column: number) => {
    // The number of paths grows exponentially when many services call many: the search is bounded.
    if (onPath.has(name) || (columns.get(name) ?? -1) >= column || ++visits > MAX_VISITS) return
    columns.set(name, column)
    onPath.add(name)
    for (const child of below.get(name) ?? []) visit(child, column + 1)
    onPath.delete(name)
  }
  for (const name of services) if ((above.get(name) ?? []).length === 0) visit(name, 0)
  // Services in a cycle that no other service calls.
  for (const name of services) if (!columns.has(name)) visit(name, 0)
  for (const name of services) if (!columns.has(name)) columns.set(name, 0)
  return columns
}

function mean(names: readonly string[], rows: ReadonlyMap<string, number>): number | undefined {
  return names.length === 0
    ? undefined
    : names.reduce((sum, name) => sum + (rows.get(name) ?? 0), 0) / names.length
}
