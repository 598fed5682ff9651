// Draws traces in a terminal, each as a tree when it seems complete.

import { drawTrace } from './draw-trace.ts'
import { buildTraceTree } from './trace-tree.ts'
import type { Viewer } from './viewer.ts'

const CHECK_INTERVAL_MS = 200
/** A complete trace is drawn after this time without a new span. */
const COMPLETE_DELAY_MS = 1000
/** An incomplete trace is drawn after this time without a new span. Many exporters send a batch every 5 seconds. */
const INCOMPLETE_DELAY_MS = 6000

/** Options of {@link drawTraces}. */
export interface TerminalOptions {
  /** Writes a whole tree. */
  write(text: string): void
  colour: boolean
  /** The number of columns; called for each tree. */
  width(): number
}

/**
 * Draws the traces that arrive from now on. A trace that gets more spans after it was drawn is drawn again.
 *
 * @returns a function that draws the waiting traces and stops
 */
export function drawTraces(viewer: Viewer, options: TerminalOptions): () => void {
  const waiting = new Set<string>()
  // The number of spans that were drawn, for the 10,000 latest traces.
  const drawn = new Map<string, number>()

  function draw(traceId: string): void {
    waiting.delete(traceId)
    const trace = viewer.trace(traceId)
    if (trace === undefined) return
    const before = drawn.get(traceId)
    drawn.delete(traceId)
    drawn.set(traceId, trace.spans.length)
    if (drawn.size > 10_000) drawn.delete(drawn.keys().next().value as string)
    const note = before === undefined ? '' : `drawn again with more spans (${before} before):\n`
    options.write(`${note}${drawTrace(trace.spans, { colour: options.colour, width: options.width() })}\n\n`)
  }

  function drawFinished(): void {
    const now = Date.now()
    for (const traceId of [...waiting]) {
      const trace = viewer.trace(traceId)
      if (trace === undefined) waiting.delete(traceId)
      else if (now - trace.lastSeen >= INCOMPLETE_DELAY_MS) draw(traceId)
      else if (now - trace.lastSeen >= COMPLETE_DELAY_MS && isComplete(trace.spans)) draw(traceId)
    }
  }

  const stopListening = viewer.onSpans(traceIds => {
    for (const traceId of traceIds) waiting.add(traceId)
  })
  const timer = setInterval(drawFinished, CHECK_INTERVAL_MS)
  timer.unref()
  return () => {
    stopListening()
    clearInterval(timer)
    for (const traceId of [...waiting]) draw(traceId)
  }
}

function isComplete(spans: Parameters<typeof buildTraceTree>[0]): boolean {
  const { roots } = buildTraceTree(spans)
  return roots.length === 1 && roots[0]?.orphan === false
}
