// The critical path of a trace: at each moment, the one span that the end of the trace waited for. Only a change to a
// span on this path changes the duration of the trace.

import type { TraceNode } from './trace-tree.ts'

/** A time in which the trace waited for a span itself and not for its children. Microseconds. */
export interface CriticalSegment {
  readonly from: number
  readonly to: number
}

/**
 * Finds the critical path below a root: from its end backwards, always into the child that ended last.
 *
 * The segments of all nodes together fill the root's time without an overlap.
 */
export function criticalPath(root: TraceNode): Map<TraceNode, CriticalSegment[]> {
  const path = new Map<TraceNode, CriticalSegment[]>()
  const stack = [{ node: root, from: root.start, until: endOf(root) }]
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { node, until } = top
    // The parent did not wait for what its child did before the parent started.
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

function add(path: Map<TraceNode, CriticalSegment[]>, node: TraceNode, from: number, to: number): void {
  const segments = path.get(node)
  if (segments === undefined) path.set(node, [{ from, to }])
  else segments.push({ from, to })
}
