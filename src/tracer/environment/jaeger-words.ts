// Jaeger's own words for samplers and addresses, as jaeger-client's configuration and its environment variables use
// them, put into ours.

import { toHttpUrl } from '../../core/settings/option-kinds.ts'
import { remoteSampler } from '../sampling/remote-sampler.ts'
import {
  alwaysSampler,
  neverSampler,
  rateLimitSampler,
  ratioSampler,
  type Sampler,
} from '../sampling/sampler.ts'

/** jaeger-client's `config.sampler`. */
export interface JaegerSampler {
  type: string
  param?: number
  hostPort?: string
  host?: string
  port?: number
  samplingPath?: string
  refreshIntervalMs?: number
}

/** @throws TypeError for what jaeger-client would not understand either */
export function toSampler(config: JaegerSampler): Sampler {
  const { type, param } = config
  switch (type) {
    case 'const':
      return param === 0 ? neverSampler() : alwaysSampler()
    case 'probabilistic':
      return ratioSampler(param as number)
    case 'ratelimiting':
      return rateLimitSampler(param as number)
    case 'remote':
      return toRemoteSampler(config)
    default:
      throw new TypeError(`no sampler is called '${type}': use const, probabilistic, ratelimiting or remote`)
  }
}

function toRemoteSampler(config: JaegerSampler): Sampler {
  const { param = 0.001, hostPort, host = 'localhost', port = 5778, refreshIntervalMs } = config
  const authority = hostPort ?? `${host}:${port}`
  const url = toHttpUrl(/^https?:/.test(authority) ? authority : `http://${authority}`)
  if (url === undefined) throw new TypeError(`'${authority}' is no host and port, such as 'localhost:5778'`)
  if (url.port === '') url.port = String(port)
  url.pathname = config.samplingPath ?? '/sampling'
  return remoteSampler({
    url,
    initial: ratioSampler(param),
    ...(refreshIntervalMs === undefined ? undefined : { interval: refreshIntervalMs }),
  })
}

const OTLP_PORT = '4318'
const OTLP_PATH = '/v1/traces'

/**
 * Where a Jaeger that takes Thrift over HTTP at `endpoint` takes OTLP: the same host, OTLP's port and path.
 *
 * @returns undefined when `endpoint` is not at Jaeger's own port and path (a proxy, an ingress): nobody knows then
 */
export function otlpUrlOfCollector(endpoint: string): URL | undefined {
  const url = toHttpUrl(endpoint)
  if (url?.port !== '14268' || url.pathname !== '/api/traces') return undefined
  url.port = OTLP_PORT
  url.pathname = OTLP_PATH
  url.search = ''
  return url
}

/** Where the host of a Jaeger agent takes OTLP: agents are gone, collectors stand in their place. */
export function otlpUrlOfAgent(host: string): URL | undefined {
  return toHttpUrl(`http://${host.includes(':') ? `[${host}]` : host}:${OTLP_PORT}${OTLP_PATH}`)
}

/** Basic authentication, as jaeger-client has it for its collector. */
export function toAuthorization(username: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}
