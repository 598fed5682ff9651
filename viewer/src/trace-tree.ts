// Builds the tree of a trace from its spans. They may be in any order and incomplete: parents may be missing, a client
// and its server may share an id, and parents may form a cycle. The server, the terminal and the page use this.

import type { ViewerSpan } from './model.ts'

/** A span of the tree. */
export interface TraceNode {
  readonly span: ViewerSpan
  parent: TraceNode | undefined
  readonly children: TraceNode[]
  /** 0 for a root. */
  depth: number
  /** The span has a parent id, but that parent has not arrived: the span is shown among the roots. */
  orphan: boolean
  /** Its start, on the clock of the trace's root (clock-skew.ts). Microseconds since the epoch. */
  start: number
}

/** The spans of a trace as trees. */
export interface TraceTree {
  /** By start. More than one when spans are missing, or when the trace has several roots. */
  readonly roots: readonly TraceNode[]
  /** All spans in the order of a timeline, depth first. */
  readonly nodes: readonly TraceNode[]
}

/** Builds the trees of a trace, in time proportional to the number of its spans. */
export function buildTraceTree(spans: readonly ViewerSpan[]): TraceTree {
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
  return { roots, nodes: depthFirst(roots) }
}

/** The roots and all nodes below them, depth first. Sets their depths. */
export function depthFirst(roots: readonly TraceNode[]): TraceNode[] {
  const nodes: TraceNode[] = []
  // Not recursive: a chain of ten thousand spans would overflow the call stack.
  const stack = [...roots].reverse()
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    node.depth = node.parent === undefined ? 0 : node.parent.depth + 1
    nodes.push(node)
    for (let i = node.children.length - 1; i >= 0; i--) stack.push(node.children[i] as TraceNode)
  }
  return nodes
}

/** Compares by start, then the longer span first, then by id: the order does not depend on arrival. */
export function byStart(a: TraceNode, b: TraceNode): number {
  return a.start - b.start || b.span.duration - a.span.duration || (a.span.spanId < b.span.spanId ? -1 : 1)
}

function findParent(node: TraceNode, byId: ReadonlyMap<string, TraceNode[]>): TraceNode | undefined {
  const { span } = node
  // In Zipkin's model the two spans of a call share an id. The server's span is a child of the client's.
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
  // The parent id is shared: prefer the span of the same service, then the server's.
  const sameService = candidates.filter(other => other.span.service === span.service)
  const preferred = sameService.length > 0 ? sameService : candidates
  return preferred.find(other => other.span.kind === 'server') ?? preferred[0]
}

/** Makes one node of each cycle a root. */
function cutCycles(nodes: readonly TraceNode[]): void {
  const checked = new Set<TraceNode>()
  for (const start of nodes) {
    const path = new Set<TraceNode>()
    let node: TraceNode | undefined = start
    while (node !== undefined && !checked.has(node) && !path.has(node)) {
      path.add(node)
      node = node.parent
    }
    if (node !== undefined && path.has(node)) {
      node.parent = undefined
      node.orphan = true
    }
    for (const onPath of path) checked.add(onPath)
  }
}
