// A request's route before the framework has found it: templates are matched against the path of `http.url`, so that
// what is decided at the start of a request is decided alike in all frameworks.

interface Node<T> {
  readonly literals: Map<string, Node<T>>
  parameter: Node<T> | undefined
  /** What stands for the path that ends here. */
  end: T | undefined
  /** What stands for everything below. */
  rest: T | undefined
}

/**
 * Templates and what stands for them: `/users/:id` takes one segment for each parameter, `/static/*` anything behind
 * the slash; a slash at the end does not count. Words win over parameters. Patterns in parameters (`:id(\\d+)`) are not
 * looked at.
 */
export class RouteTable<T> {
  readonly #root = newNode<T>()

  add(template: string, value: T): void {
    let node = this.#root
    for (const segment of segmentsOf(template)) {
      if (segment.startsWith('*')) {
        node.rest ??= value
        return
      }
      if (segment.startsWith(':')) {
        node.parameter ??= newNode()
        node = node.parameter
      } else {
        const known = node.literals.get(segment) ?? newNode<T>()
        node.literals.set(segment, known)
        node = known
      }
    }
    node.end ??= value
  }

  find(path: string): T | undefined {
    return find(this.#root, segmentsOf(path), 0)
  }
}

function newNode<T>(): Node<T> {
  return { literals: new Map(), parameter: undefined, end: undefined, rest: undefined }
}

function find<T>(node: Node<T>, segments: readonly string[], at: number): T | undefined {
  if (at === segments.length) return node.end ?? node.rest
  const literal = node.literals.get(segments[at] as string)
  const below = literal && find(literal, segments, at + 1)
  return below ?? (node.parameter && find(node.parameter, segments, at + 1)) ?? node.rest
}

function segmentsOf(path: string): string[] {
  const segments = path.split('/')
  if (segments[0] === '') segments.shift()
  if (segments.at(-1) === '') segments.pop()
  return segments
}

/** The path of a URL, or of a request's target. */
export function pathOf(url: string): string {
  const scheme = url.indexOf('://')
  const slash = scheme === -1 ? 0 : url.indexOf('/', scheme + 3)
  if (slash === -1) return '/'
  const path = url.slice(slash)
  const end = path.search(/[?#]/)
  return end === -1 ? path : path.slice(0, end)
}
