// jaeger-client made to fit: every header format, bounded and honest reporting, an end with its process.

import opentracing, { type Tracer } from 'opentracing'
import { joinLifecycle } from '../lifecycle/index.ts'
import { createPropagation, type MigrationMeter, type Propagation } from '../propagation/index.ts'
import { createCodecs, withOwnContexts } from './codec.ts'
import type { JaegerOptions } from './options.ts'
import { createReporter, type JaegerStats, type Reporter } from './reporter.ts'
import { createSampler } from './sampler.ts'
import { createSender } from './sender.ts'
import { resolveSettings } from './settings.ts'
import { vendor } from './vendor.ts'

export type { JaegerLogger, JaegerOptions, JaegerReporterOptions, JaegerSamplerOptions } from './options.ts'
export type { DropReason, JaegerStats } from './reporter.ts'

/** jaeger-client's tracer, with an end. */
export interface JaegerTracer extends Tracer {
  /**
   * Sends what is finished and lets go of sockets and timers. Resolves when that is done or `closeTimeout` has passed;
   * never rejects; called again, it gives the same promise. Spans that are finished later are not sent.
   *
   * @param callback called when the promise resolves, as jaeger-client does
   */
  close(callback?: () => void): Promise<void>
  /** What became of the sampled spans, to be looked at or exported as metrics. */
  stats(): JaegerStats
  /** Which header formats still come and go: see docs/propagation.md. */
  readonly meter: MigrationMeter
}

/**
 * Makes a tracer of jaeger-client 3.19 (a peer dependency) out of jaeger-client's own options and `JAEGER_*` environment
 * variables; options win. It reads and writes all header formats, sends to an agent over UDP or to a collector over
 * HTTP, and neither keeps the process alive nor loses spans at a natural end.
 *
 * @throws TypeError for a bad value or an unknown option, naming the option, the value and the fix
 * @example
 * import { initJaegerTracer } from 'tracing-middleware/jaeger'
 *
 * const tracer = initJaegerTracer({
 *   serviceName: 'orders',
 *   sampler: { type: 'const', param: 1 },
 *   reporter: { agentHost: 'localhost' },
 *   global: true,
 * })
 * await tracer.close()
 * @see https://github.com/jaegertracing/jaeger-client-node#configuration
 */
export function initJaegerTracer(options: JaegerOptions): JaegerTracer {
  const settings = resolveSettings(options)
  const { serviceName, tags, traceId128bit, logger, report, closeOnSignals, closeTimeout } = settings
  const propagation = createPropagation(options.propagation)
  const reporter = createReporter(createSender(settings.reporter, report), settings.reporter, report)
  if (settings.disable) return withEnd(new opentracing.Tracer(), async () => {}, reporter, propagation)

  const sampler = createSampler(serviceName, settings.sampler, logger, report)
  const tracer = new vendor.Tracer(serviceName, reporter, sampler, { tags, traceId128bit, logger })
  const codecs = createCodecs(propagation)
  for (const [format, codec] of [
    [opentracing.FORMAT_HTTP_HEADERS, codecs.headers],
    [opentracing.FORMAT_TEXT_MAP, codecs.text],
  ] as const) {
    tracer.registerExtractor(format, codec)
    tracer.registerInjector(format, codec)
  }

  const startSpan = tracer.startSpan.bind(tracer)
  tracer.startSpan = (name, options = {}) => startSpan(name, withOwnContexts(options))

  const vendorClose = tracer.close.bind(tracer)
  const close = joinLifecycle(
    { flush: () => reporter.flush(), close: () => new Promise<void>(resolve => vendorClose(resolve)) },
    { closeOnSignals, closeTimeout, onFailure: error => report('close', error) },
  )
  const made = withEnd(tracer, close, reporter, propagation)
  if (settings.global) opentracing.initGlobalTracer(made)
  return made
}

function withEnd(
  tracer: Tracer,
  close: () => Promise<void>,
  { stats }: Reporter,
  { meter }: Propagation,
): JaegerTracer {
  return Object.assign(tracer, {
    close(callback?: () => void): Promise<void> {
      const closed = close()
      if (callback !== undefined) void closed.then(callback)
      return closed
    },
    stats,
    meter,
  })
}
