// How the environment wants finished spans to be collected and sent.
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor

import { type Environment, known, toCount, toMilliseconds } from '../../core/settings/environment.ts'
import type { BatchLimits } from '../export-queue.ts'

/** The options and, where one is not given, the environment. Variables that do not count are not read. */
export function completeBatch(
  env: Environment,
  given: Partial<BatchLimits>,
  defaults: BatchLimits,
): BatchLimits {
  const read = (names: string[], parse: (text: string) => number | undefined, fallback: number) =>
    env.read(names, parse, String(fallback)) ?? fallback
  const delays = ['OTEL_BSP_SCHEDULE_DELAY', 'JAEGER_REPORTER_FLUSH_INTERVAL']
  return {
    ...defaults,
    ...known(given),
    delay: given.delay ?? read(delays, toMilliseconds, defaults.delay),
    timeout: given.timeout ?? read(['OTEL_BSP_EXPORT_TIMEOUT'], toMilliseconds, defaults.timeout),
    queueSpans: given.queueSpans ?? read(['OTEL_BSP_MAX_QUEUE_SIZE'], toCount, defaults.queueSpans),
    spans: given.spans ?? read(['OTEL_BSP_MAX_EXPORT_BATCH_SIZE'], toCount, defaults.spans),
  }
}
