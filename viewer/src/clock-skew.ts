// Corrects clock skew: when the clocks of two machines differ, a server's span seems to start before its client's. Only
// the displayed start is moved; the span keeps the time that it was sent with. The rule is Jaeger's:
// https://www.jaegertracing.io/docs/latest/faq/ "clock skew adjustment"

import { tagOf } from './model.ts'
import { byStart, depthFirst, type TraceNode, type TraceTree } from './trace-tree.ts'

/**
 * Moves the spans of each process into the time of the span that called it. Changes the nodes in place.
 *
 * @returns the trees, sorted by the new starts
 */
export function adjustSkew(tree: TraceTree): TraceTree {
  const shifts = new Map<TraceNode, number>()
  for (const node of tree.nodes) {
    const { parent } = node
    if (parent === undefined) continue
    const inherited = shifts.get(parent) ?? 0
    const shift = clockOf(node) === clockOf(parent) ? inherited : shiftInto(parent, node)
    if (shift !== 0) {
      shifts.set(node, shift)
      node.start = node.span.start + shift
    }
  }
  if (shifts.size === 0) return tree
  const roots = [...tree.roots].sort(byStart)
  for (const node of tree.nodes) node.children.sort(byStart)
  return { roots, nodes: depthFirst(roots) }
}

/** By how many microseconds a span was moved. */
export function shiftOf(node: TraceNode): number {
  return node.start - node.span.start
}

/** How far a child on another clock has to move to lie within its parent. */
function shiftInto(parent: TraceNode, child: TraceNode): number {
  const { start, duration, kind } = child.span
  // Asynchronous work may run after its parent has ended, but not before it has started.
  const waitedFor = kind !== 'consumer' && !child.span.references.some(isFollowing(parent))
  if (duration > parent.span.duration || !waitedFor) return Math.max(0, parent.start - start)
  const fits = start >= parent.start && start + duration <= parent.start + parent.span.duration
  if (fits) return 0
  // Assumes that the request and the response took the same time on the network.
  return parent.start + (parent.span.duration - duration) / 2 - start
}

function isFollowing(parent: TraceNode) {
  return (reference: { kind: string; spanId: string }): boolean =>
    reference.kind === 'followsFrom' && reference.spanId === parent.span.spanId
}

/** Identifies the clock that timed a span. */
function clockOf({ span }: TraceNode): string {
  const host = tagOf(span, 'host.id', 'host.name', 'hostname', 'ip')
  const instance = tagOf(span, 'service.instance.id', 'process.pid', 'client-uuid')
  return `${span.service} ${String(host)} ${String(instance)}`
}
