// The critical path: at every moment of a trace the one span that its end was waiting for. Shortening anything else does
// not make the trace shorter.

import type { TraceNode } from './assemble.ts'

/** A stretch of time in which a span itself, and none of its children, was what the trace waited for. Microseconds. */
export interface CriticalStretch {
  readonly from: number
  readonly to: number
}

/**
 * Finds the critical path below a root: backwards from its end, always into the child that ended last.
 *
 * The stretches of all nodes together fill the root's time without an overlap.
 */
export function criticalPath(root: TraceNode): Map<TraceNode, CriticalStretch[]> {
  const path = new Map<TraceNode, CriticalStretch[]>()
  const stack = [{ node: root, from: root.start, until: endOf(root) }]
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { node, until } = top
    // What a child says of the time outside its parent's was not waited for.
    const from = Math.max(top.from, node.start)
    let time = until
    const children = node.children
      .map(child => ({ child, end: Math.min(endOf(child), until) }))
      .filter(({ child, end }) => child.start < end && end > from)
      .sort((a, b) => b.end - a.end || b.child.start - a.child.start)
    for (const { child, end } of children) {
      if (end > time) continue
      if (end < time) add(path, node, end, time)
      stack.push({ node: child, from, until: end })
      time = Math.max(child.start, from)
    }
    if (time > from) add(path, node, from, time)
  }
  return path
}

function endOf(node: TraceNode): number {
  return node.start + node.span.duration
}

function add(path: Map<TraceNode, CriticalStretch[]>, node: TraceNode, from: number, to: number): void {
  const stretches = path.get(node)
  if (stretches === undefined) path.set(node, [{ from, to }])
  else stretches.push({ from, to })
}
