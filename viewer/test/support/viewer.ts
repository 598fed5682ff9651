// What most tests do with a viewer.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ViewerSpan } from '../../src/index.ts'

/** All receivers and the page, on free ports. */
export const FREE_PORTS = {
  otlp: 0,
  jaeger: 0,
  jaegerCompact: 0,
  jaegerBinary: 0,
  zipkin: 0,
  page: 0,
} as const

/** Waits until `probe` gives a value; fails after `timeout` milliseconds. */
export async function eventually<T>(
  probe: () => T | undefined | false,
  what: string,
  timeout = 10_000,
): Promise<T> {
  const deadline = Date.now() + timeout
  for (;;) {
    const value = probe()
    if (value !== undefined && value !== false) return value
    if (Date.now() > deadline) throw new Error(`not within ${timeout} ms: ${what}`)
    await sleep(10)
  }
}

/** The span with this operation name. */
export function named(spans: readonly ViewerSpan[], operation: string): ViewerSpan {
  const span = spans.find(candidate => candidate.operation === operation)
  if (span === undefined) throw new Error(`there is no span ${operation}`)
  return span
}
