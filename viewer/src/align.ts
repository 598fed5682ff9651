// Compares two traces: finds the spans that correspond to each other, level by level from the roots.

import type { TraceNode, TraceTree } from './trace-tree.ts'

/** A row of the comparison: a span that both traces have, or only one. */
export interface AlignedPair {
  readonly a: TraceNode | undefined
  readonly b: TraceNode | undefined
  readonly depth: number
}

/** Pairs the spans of two traces by service, operation and kind, in the order of a timeline. */
export function align(a: TraceTree, b: TraceTree): AlignedPair[] {
  const pairs: AlignedPair[] = []
  const stack = pairUp(a.roots, b.roots, 0).reverse()
  for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
    pairs.push(pair)
    const below = pairUp(pair.a?.children ?? [], pair.b?.children ?? [], pair.depth + 1)
    for (let i = below.length - 1; i >= 0; i--) stack.push(below[i] as AlignedPair)
  }
  return pairs
}

function pairUp(left: readonly TraceNode[], right: readonly TraceNode[], depth: number): AlignedPair[] {
  const unpaired = new Map<string, TraceNode[]>()
  // The last element is taken first, so the earliest must be last.
  for (const node of [...right].reverse()) {
    const similar = unpaired.get(keyOf(node))
    if (similar === undefined) unpaired.set(keyOf(node), [node])
    else similar.push(node)
  }
  const partners = new Map<TraceNode, TraceNode>()
  for (const node of left) {
    const partner = unpaired.get(keyOf(node))?.pop()
    if (partner !== undefined) partners.set(node, partner)
  }
  const paired = new Set(partners.values())
  const positions = new Map(right.map((node, index) => [node, index]))
  const pairs: AlignedPair[] = []
  let next = 0
  // A span of the right trace only keeps its position: before the next span that both traces have.
  const addRightOnly = (until: TraceNode | undefined) => {
    for (; next < right.length && right[next] !== until; next++) {
      const node = right[next] as TraceNode
      if (!paired.has(node)) pairs.push({ a: undefined, b: node, depth })
    }
  }
  for (const node of left) {
    const partner = partners.get(node)
    if (partner !== undefined && (positions.get(partner) as number) >= next) addRightOnly(partner)
    pairs.push({ a: node, b: partner, depth })
  }
  addRightOnly(undefined)
  return pairs
}

function keyOf({ span }: TraceNode): string {
  return JSON.stringify([span.service, span.operation, span.kind])
}
