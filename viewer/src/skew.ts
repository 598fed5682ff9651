// Clocks of two machines differ: a callee seems to start before its caller. For showing alone, spans are moved; what the
// sender said is kept. The rule is Jaeger's: https://www.jaegertracing.io/docs/latest/faq/ "clock skew adjustment"

import { type Assembly, byStart, inOrder, type TraceNode } from './assemble.ts'
import { tagOf } from './model.ts'

/**
 * Moves, in place, every process's spans into the span that called that process.
 *
 * @returns the assembly, sorted anew
 */
export function adjustSkew(assembly: Assembly): Assembly {
  const shifts = new Map<TraceNode, number>()
  for (const node of assembly.nodes) {
    const { parent } = node
    if (parent === undefined) continue
    const inherited = shifts.get(parent) ?? 0
    const shift = clockOf(node) === clockOf(parent) ? inherited : shiftInto(parent, node)
    if (shift !== 0) {
      shifts.set(node, shift)
      node.start = node.span.start + shift
    }
  }
  if (shifts.size === 0) return assembly
  const roots = [...assembly.roots].sort(byStart)
  for (const node of assembly.nodes) node.children.sort(byStart)
  return { roots, nodes: inOrder(roots) }
}

/** By how many microseconds a span was moved. */
export function shiftOf(node: TraceNode): number {
  return node.start - node.span.start
}

function shiftInto(parent: TraceNode, child: TraceNode): number {
  const { start, duration, kind } = child.span
  // Work that was only set off may rightly happen after the span that set it off; never before it.
  const waitedFor = kind !== 'consumer' && !child.span.references.some(isFollowing(parent))
  if (duration > parent.span.duration || !waitedFor) return Math.max(0, parent.start - start)
  const fits = start >= parent.start && start + duration <= parent.start + parent.span.duration
  if (fits) return 0
  // The way there is taken to last as long as the way back.
  return parent.start + (parent.span.duration - duration) / 2 - start
}

function isFollowing(parent: TraceNode) {
  return (reference: { kind: string; spanId: string }): boolean =>
    reference.kind === 'followsFrom' && reference.spanId === parent.span.spanId
}

/** Spans with the same answer were timed by the same clock. */
function clockOf({ span }: TraceNode): string {
  const host = tagOf(span, 'host.id', 'host.name', 'hostname', 'ip')
  const instance = tagOf(span, 'service.instance.id', 'process.pid', 'client-uuid')
  return `${span.service} ${String(host)} ${String(instance)}`
}
