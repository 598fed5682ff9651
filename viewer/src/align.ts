// Two traces laid over each other: which span of the one is which of the other, by place, service and operation.

import type { Assembly, TraceNode } from './assemble.ts'

/** A line of the comparison: a span in both traces, or in one alone. */
export interface AlignedPair {
  readonly a: TraceNode | undefined
  readonly b: TraceNode | undefined
  readonly depth: number
}

/** Pairs the spans of two traces, in the order of a timeline. */
export function align(a: Assembly, b: Assembly): AlignedPair[] {
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
  const free = new Map<string, TraceNode[]>()
  for (const node of right) {
    const same = free.get(likenessOf(node))
    if (same === undefined) free.set(likenessOf(node), [node])
    else same.push(node)
  }
  const partners = new Map<TraceNode, TraceNode>()
  for (const same of free.values()) same.reverse()
  for (const node of left) {
    const partner = free.get(likenessOf(node))?.pop()
    if (partner !== undefined) partners.set(node, partner)
  }
  const paired = new Set(partners.values())
  const places = new Map(right.map((node, index) => [node, index]))
  const pairs: AlignedPair[] = []
  let next = 0
  // What only the right has stands where it stood there: before the next span that both have.
  const addAlone = (until: TraceNode | undefined) => {
    for (; next < right.length && right[next] !== until; next++) {
      const alone = right[next] as TraceNode
      if (!paired.has(alone)) pairs.push({ a: undefined, b: alone, depth })
    }
  }
  for (const node of left) {
    const partner = partners.get(node)
    if (partner !== undefined && (places.get(partner) as number) >= next) addAlone(partner)
    pairs.push({ a: node, b: partner, depth })
  }
  addAlone(undefined)
  return pairs
}

function likenessOf({ span }: TraceNode): string {
  return JSON.stringify([span.service, span.operation, span.kind])
}
