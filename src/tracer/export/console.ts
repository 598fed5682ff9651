// The exporter for development: finished spans as trees in the terminal.

import { type Checks, checkOptions } from '../../core/settings/check-options.ts'
import { aFunction } from '../../core/settings/option-kinds.ts'
import { cleanText } from '../../core/text/redact.ts'
import type { Exporter, FinishedSpan } from './exporter.ts'

/** Options of `consoleExporter`. */
export interface ConsoleOptions {
  /** Takes the text of each trace, lines with line feeds. @default process.stdout.write */
  write?: (text: string) => void
}

const OPTIONS: Checks<ConsoleOptions> = { write: aFunction }

/** Spans that are finished within this time are drawn in one tree. */
const DELAY = 200

/**
 * Draws traces as they end, for a developer at a terminal: each span below its parent, with duration, status and error.
 *
 * @throws TypeError naming the option, the value and the fix
 * @example
 * createTracer({ serviceName: 'orders', exporter: consoleExporter() })
 */
export function consoleExporter(options: ConsoleOptions = {}): Exporter {
  checkOptions('consoleExporter(options)', OPTIONS, options)
  const write = options.write ?? (text => process.stdout.write(text))
  let serviceName = ''
  return {
    delay: DELAY,
    start({ resource }) {
      serviceName = cleanText(String(resource['service.name']))
    },
    export(spans) {
      const traces = new Map<string, FinishedSpan[]>()
      for (const span of spans) {
        const trace = traces.get(span.traceId)
        if (trace === undefined) traces.set(span.traceId, [span])
        else trace.push(span)
      }
      for (const trace of traces.values()) write(draw(serviceName, trace))
    },
  }
}

function draw(serviceName: string, spans: readonly FinishedSpan[]): string {
  const byTime = [...spans].sort((a, b) => a.startTime - b.startTime)
  const known = new Set(byTime.map(span => span.spanId))
  let text = ''
  const drawBelow = (parentId: string | undefined, indent: string): void => {
    const children = byTime.filter(
      span => (known.has(span.parentId ?? '') ? span.parentId : undefined) === parentId,
    )
    children.forEach((span, i) => {
      const isLast = i === children.length - 1
      const branch = parentId === undefined ? '' : isLast ? '└ ' : '├ '
      text += `${indent}${branch}${line(span)}\n`
      drawBelow(span.spanId, parentId === undefined ? indent : `${indent}${isLast ? '  ' : '│ '}`)
    })
  }
  text += `${serviceName}  trace ${byTime[0]?.traceId}\n`
  drawBelow(undefined, '  ')
  return text
}

function line({ operationName, duration, tags, logs }: FinishedSpan): string {
  const parts = [cleanText(operationName), `${duration.toFixed(1)} ms`]
  if (tags['http.status_code'] !== undefined) parts.push(String(tags['http.status_code']))
  if (tags.aborted !== undefined) parts.push('aborted')
  const error = logs.find(({ fields }) => fields.event === 'error')?.fields
  if (error !== undefined) parts.push(`${error['error.kind'] ?? 'error'}: ${error.message ?? ''}`)
  else if (tags.error === true) parts.push('error')
  return parts.map(part => cleanText(part, 200)).join('  ')
}
