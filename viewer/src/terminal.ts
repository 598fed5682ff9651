// The view for a terminal: each trace is drawn as a tree once it seems finished.

import { assemble } from './assemble.ts'
import type { Viewer } from './index.ts'
import { drawTrace } from './tree.ts'

/** Where and how traces are drawn. */
export interface TerminalOptions {
  /** Takes what is to be shown: a whole tree at a time. */
  write(text: string): void
  colour: boolean
  /** Columns to draw within; asked for each tree. */
  width(): number
  /** Milliseconds without a new span after which a whole trace is drawn. @default 1000 */
  quiet?: number
  /** Milliseconds without a new span after which a trace with gaps is drawn. @default 6000: senders batch for 5 seconds */
  patience?: number
}

/**
 * Draws the traces that come from now on. A trace that gets more spans after it was drawn is drawn again.
 *
 * @returns a function that ends this, drawing first what has not been drawn
 */
export function drawTraces(viewer: Viewer, options: TerminalOptions): () => void {
  const { quiet = 1000, patience = 6000 } = options
  const waiting = new Set<string>()
  // Bounded by forgetting the oldest: whether a trace was drawn before is a courtesy.
  const drawn = new Map<string, number>()

  function draw(traceId: string): void {
    waiting.delete(traceId)
    const trace = viewer.trace(traceId)
    if (trace === undefined) return
    const before = drawn.get(traceId)
    drawn.delete(traceId)
    drawn.set(traceId, trace.spans.length)
    if (drawn.size > 10_000) drawn.delete(drawn.keys().next().value as string)
    const note = before === undefined ? '' : `again, with more spans than the ${before} drawn before:\n`
    options.write(`${note}${drawTrace(trace.spans, { colour: options.colour, width: options.width() })}\n\n`)
  }

  function look(): void {
    const now = Date.now()
    for (const traceId of [...waiting]) {
      const trace = viewer.trace(traceId)
      if (trace === undefined) waiting.delete(traceId)
      else if (now - trace.lastSeen >= patience) draw(traceId)
      else if (now - trace.lastSeen >= quiet && isWhole(trace.spans)) draw(traceId)
    }
  }

  const ignore = viewer.onSpans(traceIds => {
    for (const traceId of traceIds) waiting.add(traceId)
  })
  const timer = setInterval(look, Math.min(200, quiet))
  timer.unref()
  return () => {
    ignore()
    clearInterval(timer)
    for (const traceId of [...waiting]) draw(traceId)
  }
}

function isWhole(spans: Parameters<typeof assemble>[0]): boolean {
  const { roots } = assemble(spans)
  return roots.length === 1 && roots[0]?.orphan === false
}
