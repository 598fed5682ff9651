// Loose spans made into trees, in whatever order and however incomplete they came: parents that are missing, ids that a
// client shares with its server, and cycles. Used by the terminal, the server and the page alike.

import type { ViewerSpan } from './model.ts'

/** A span in its place. */
export interface TraceNode {
  readonly span: ViewerSpan
  parent: TraceNode | undefined
  readonly children: TraceNode[]
  /** 0 for a root. */
  depth: number
  /** The span names a parent that has not come: it is shown among the roots. */
  orphan: boolean
  /** When it started, on the clock of the trace's root: see skew.ts. Microseconds since the epoch. */
  start: number
}

/** The spans of one trace as trees. */
export interface Assembly {
  /** By start; more than one when spans are missing or the trace has several beginnings. */
  readonly roots: readonly TraceNode[]
  /** All of them, parents before their children, in the order in which a timeline shows them. */
  readonly nodes: readonly TraceNode[]
}

/** Puts the spans of one trace in their places. Takes time in proportion to their number, whatever their shape. */
export function assemble(spans: readonly ViewerSpan[]): Assembly {
  const all: TraceNode[] = spans.map(span => ({
    span,
    parent: undefined,
    children: [],
    depth: 0,
    orphan: false,
    start: span.start,
  }))
  const byId = new Map<string, TraceNode[]>()
  for (const node of all) {
    const same = byId.get(node.span.spanId)
    if (same === undefined) byId.set(node.span.spanId, [node])
    else same.push(node)
  }
  for (const node of all) {
    const parent = findParent(node, byId)
    if (parent !== undefined) node.parent = parent
    else node.orphan = node.span.parentId !== undefined
  }
  cutCycles(all)
  const roots = all.filter(node => node.parent === undefined)
  for (const node of all) node.parent?.children.push(node)
  roots.sort(byStart)
  for (const node of all) node.children.sort(byStart)
  return { roots, nodes: inOrder(roots) }
}

/** The nodes below `roots`, parents first, in the order of their children. */
export function inOrder(roots: readonly TraceNode[]): TraceNode[] {
  const nodes: TraceNode[] = []
  // A stack of our own: a chain of ten thousand spans is deeper than the language's.
  const stack = [...roots].reverse()
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    node.depth = node.parent === undefined ? 0 : node.parent.depth + 1
    nodes.push(node)
    for (let i = node.children.length - 1; i >= 0; i--) stack.push(node.children[i] as TraceNode)
  }
  return nodes
}

/** Earlier first; of two at once the longer one; then by id, so that an order is always the same. */
export function byStart(a: TraceNode, b: TraceNode): number {
  return a.start - b.start || b.span.duration - a.span.duration || (a.span.spanId < b.span.spanId ? -1 : 1)
}

function findParent(node: TraceNode, byId: ReadonlyMap<string, TraceNode[]>): TraceNode | undefined {
  const { span } = node
  // Zipkin's model: the server's half of a call has the client's span id. It belongs below the client's half.
  const same = byId.get(span.spanId)
  if (same !== undefined && same.length > 1 && span.kind === 'server') {
    const client = same.find(other => other !== node && other.span.kind === 'client')
    if (client !== undefined) return client
  }
  const parentId =
    span.parentId ?? span.references.find(reference => reference.traceId === span.traceId)?.spanId
  if (parentId === undefined || parentId === span.spanId) return undefined
  const candidates = byId.get(parentId)
  if (candidates === undefined) return undefined
  if (candidates.length === 1) return candidates[0]
  // Of two halves the parent is the one in the same service; if both are, the server's.
  const own = candidates.filter(other => other.span.service === span.service)
  const among = own.length > 0 ? own : candidates
  return among.find(other => other.span.kind === 'server') ?? among[0]
}

function cutCycles(nodes: readonly TraceNode[]): void {
  const settled = new Set<TraceNode>()
  for (const start of nodes) {
    const path = new Set<TraceNode>()
    let node: TraceNode | undefined = start
    while (node !== undefined && !settled.has(node) && !path.has(node)) {
      path.add(node)
      node = node.parent
    }
    if (node !== undefined && path.has(node)) {
      node.parent = undefined
      node.orphan = true
    }
    for (const seen of path) settled.add(seen)
  }
}
