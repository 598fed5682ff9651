// Which traces are kept: jaeger-client's samplers, asked only when the caller has not decided already, and the remote
// one fed by a poll of ours that cannot hold the process.

import type { Report } from '../core/settings/report.ts'
import { takeOver } from './codec.ts'
import { createAgent, exchange } from './http.ts'
import { type VendorLogger, type VendorSampler, vendor } from './vendor.ts'

/** A sampler, checked and completed; `url` is asked with `?service=`. */
export type SamplerSettings =
  | { type: 'const' | 'probabilistic' | 'ratelimiting'; param: number }
  | { type: 'remote'; param: number; url: URL; refreshIntervalMs: number }

const POLL_TIMEOUT_MS = 5000

export function createSampler(
  serviceName: string,
  settings: SamplerSettings,
  logger: VendorLogger,
  report: Report,
): VendorSampler {
  const inner = createVendorSampler(serviceName, settings, logger, report)
  return {
    apiVersion: inner.apiVersion,
    name: () => inner.name(),
    toString: () => inner.toString(),
    onCreateSpan(span) {
      const decision = takeOver(span.context())
      if (decision === undefined) return inner.onCreateSpan(span)
      if (decision === 'debug') span.context()._setDebug(true)
      return { sample: decision !== 'drop', retryable: false, tags: null }
    },
    onSetOperationName: (span, name) => inner.onSetOperationName(span, name),
    onSetTag: (span, key, value) => inner.onSetTag(span, key, value),
    close: done => inner.close(done),
  }
}

function createVendorSampler(
  serviceName: string,
  settings: SamplerSettings,
  logger: VendorLogger,
  report: Report,
): VendorSampler {
  switch (settings.type) {
    case 'const':
      return new vendor.ConstSampler(settings.param === 1)
    case 'probabilistic':
      return new vendor.ProbabilisticSampler(settings.param)
    case 'ratelimiting':
      return new vendor.RateLimitingSampler(settings.param)
    case 'remote':
      return createRemoteSampler(serviceName, settings, logger, report)
  }
}

function createRemoteSampler(
  serviceName: string,
  { param, url, refreshIntervalMs }: SamplerSettings & { type: 'remote' },
  logger: VendorLogger,
  report: Report,
): VendorSampler {
  // With an interval of 0 jaeger-client starts no timer and no request of its own: those would hold the process.
  const sampler = new vendor.RemoteSampler(serviceName, {
    sampler: new vendor.ProbabilisticSampler(param),
    refreshInterval: 0,
    logger,
  })
  url.searchParams.set('service', serviceName)
  const agent = createAgent(url)
  let closed = false
  let timer: NodeJS.Timeout | undefined
  const poll = async (): Promise<void> => {
    try {
      const { status, body } = await exchange(url, { method: 'GET', agent, timeoutMs: POLL_TIMEOUT_MS })
      if (status !== 200) throw new Error(`${url.origin} answered with status ${status}`)
      sampler._handleSamplingServerResponse(body)
    } catch (error) {
      if (!closed) report('remote sampler', error)
    }
    if (!closed) timer = setTimeout(poll, refreshIntervalMs).unref()
  }
  // At once, where jaeger-client lets up to two intervals pass with the initial probability.
  if (refreshIntervalMs > 0) void poll()
  const close = sampler.close.bind(sampler)
  sampler.close = done => {
    closed = true
    clearTimeout(timer)
    agent.destroy()
    close(done)
  }
  return sampler
}
