// A sampler that Jaeger decides about: it is asked over HTTP what this service should record.
// https://www.jaegertracing.io/docs/latest/architecture/sampling/#remote-sampling

import { AsyncResource } from 'node:async_hooks'
import { type Checks, checkOptions } from '../../core/settings/check-options.ts'
import { aUrl, isObject, milliseconds, toHttpUrl } from '../../core/settings/option-kinds.ts'
import { HttpConnection } from '../export/http-connection.ts'
import { pathOf, RouteTable } from './route-table.ts'
import {
  aSampler,
  createRateLimit,
  rateLimitSampler,
  ratioSampler,
  type Sampler,
  type SampleState,
} from './sampler.ts'

/** Options of `remoteSampler`. */
export interface RemoteSamplerOptions {
  /** Who is asked; the service's name is added as `?service=`. @default 'http://localhost:5778/sampling' */
  url?: string | URL
  /** How often, in milliseconds. @default 60000 */
  interval?: number
  /** Who decides until the first answer. @default ratioSampler(0.001) */
  initial?: Sampler
}

const OPTIONS: Checks<RemoteSamplerOptions> = { url: aUrl, interval: milliseconds, initial: aSampler }

const MAX_ANSWER = 1024 * 1024
const TIMEOUT = 5000
const HEADERS = { 'user-agent': 'tracing-middleware', connection: 'close' }

/**
 * Records what Jaeger's sampling endpoint says for this service: a share, a rate, or a share per operation with a rate
 * that each gets at least. An answer that cannot be had or understood is reported, and the last one stays in force.
 *
 * An operation like `GET /users/:id` fits a request by method and path, since requests get that name at their end only.
 *
 * @throws TypeError naming the option, the value and the fix
 * @example
 * createTracer({ serviceName: 'orders', sampler: remoteSampler({ url: 'http://jaeger:5778/sampling' }) })
 */
export function remoteSampler(options: RemoteSamplerOptions = {}): Sampler {
  checkOptions('remoteSampler(options)', OPTIONS, options)
  const { interval = 60_000, initial = ratioSampler(0.001) } = options
  const url = toHttpUrl(options.url ?? 'http://localhost:5778/sampling') as URL
  // Made outside of any request: timers and sockets keep the data of the request that they are made in.
  const outside = new AsyncResource('tracing-middleware.sampling')
  let current = initial
  let before = ''
  let timer: NodeJS.Timeout | undefined
  let connection: HttpConnection | undefined
  let isClosed = false

  function take(answer: string): void {
    if (answer === before) return
    current = toSampler(JSON.parse(answer))
    before = answer
  }

  return {
    sample: state => current.sample(state),
    start(serviceName, onError) {
      url.searchParams.set('service', serviceName)
      const asked = new HttpConnection(url, HEADERS, {}, MAX_ANSWER)
      connection = asked
      const ask = async (): Promise<void> => {
        try {
          take(await answerOf(asked, url))
        } catch (error) {
          // A question that close() cuts off is no failure.
          if (!isClosed) onError(error)
        }
        if (isClosed) return
        // Not all processes at the same moment.
        timer = setTimeout(ask, interval * (0.9 + 0.2 * Math.random()))
        timer.unref()
      }
      outside.runInAsyncScope(ask)
    },
    close() {
      isClosed = true
      clearTimeout(timer)
      connection?.close()
    },
  }
}

async function answerOf(connection: HttpConnection, { origin }: URL): Promise<string> {
  const timer = setTimeout(() => connection.close(new Error('it does not answer')), TIMEOUT)
  timer.unref()
  try {
    const { status, body } = await connection.get()
    if (status !== 200) throw new Error(`it answers ${status}`)
    return body.toString()
  } catch (error) {
    throw new Error(`${origin}: ${(error as Error).message || 'no answer'}`)
  } finally {
    clearTimeout(timer)
    // The next question is a minute away.
    connection.close()
  }
}

interface Strategy {
  strategyType?: unknown
  probabilisticSampling?: { samplingRate?: unknown }
  rateLimitingSampling?: { maxTracesPerSecond?: unknown }
  operationSampling?: {
    defaultSamplingProbability?: unknown
    defaultLowerBoundTracesPerSecond?: unknown
    perOperationStrategies?: { operation?: unknown; probabilisticSampling?: { samplingRate?: unknown } }[]
  }
}

/**
 * The two forms of an answer: one strategy for all, or one per operation. The type of strategy is a name in one
 * generation of Jaeger's JSON and a number in another; what stands beside it tells as much. The OpenTelemetry collector
 * leaves out whatever is zero.
 *
 * @see https://github.com/jaegertracing/jaeger-idl/blob/main/proto/api_v2/sampling.proto
 * @throws for anything else
 */
function toSampler(strategy: Strategy | null): Sampler {
  const { operationSampling, rateLimitingSampling, probabilisticSampling, strategyType } = strategy ?? {}
  if (isObject(operationSampling)) return perOperation(operationSampling)
  const isRate = strategyType === 'RATE_LIMITING' || strategyType === 1
  if (isRate && rateLimitingSampling) return rateSampler(rateLimitingSampling.maxTracesPerSecond ?? 0)
  if (!isRate && probabilisticSampling) return shareSampler(probabilisticSampling)
  throw new TypeError('the answer is no sampling strategy')
}

function shareSampler(share: { samplingRate?: unknown } | undefined): Sampler {
  return ratioSampler((share?.samplingRate ?? 0) as number)
}

function rateSampler(perSecond: unknown): Sampler {
  return perSecond === 0 ? ratioSampler(0) : rateLimitSampler(perSecond as number)
}

const MAX_OPERATIONS = 2000

function perOperation(strategies: NonNullable<Strategy['operationSampling']>): Sampler {
  const lowerBound = Number(strategies.defaultLowerBoundTracesPerSecond ?? 0)
  const defaultRatio = (strategies.defaultSamplingProbability ?? 0) as number
  const other = atLeast(ratioSampler(defaultRatio), lowerBound)
  const byName = new Map<string, Sampler>()
  const byRoute = new Map<string, RouteTable<Sampler>>()
  for (const { operation, probabilisticSampling } of strategies.perOperationStrategies ?? []) {
    if (typeof operation !== 'string' || byName.size === MAX_OPERATIONS) continue
    const sampler = atLeast(shareSampler(probabilisticSampling), lowerBound)
    byName.set(operation, sampler)
    const [, method, route] = /^([A-Z]+) (\/.*)$/.exec(operation) ?? []
    if (method === undefined || route === undefined) continue
    const routes = byRoute.get(method) ?? new RouteTable()
    byRoute.set(method, routes)
    routes.add(route, sampler)
  }
  const others = new Map<string, Sampler>()
  return {
    sample(state) {
      const { operationName } = state
      const known = byName.get(operationName) ?? ofRoute(byRoute, state) ?? others.get(operationName)
      if (known !== undefined) return known.sample(state)
      // Each operation gets its lower bound; beyond so many, the rest share one.
      if (byName.size + others.size >= MAX_OPERATIONS) return other.sample(state)
      const own = atLeast(ratioSampler(defaultRatio), lowerBound)
      others.set(operationName, own)
      return own.sample(state)
    },
  }
}

function ofRoute(byRoute: Map<string, RouteTable<Sampler>>, { tags }: SampleState): Sampler | undefined {
  const { 'http.method': method, 'http.url': url } = tags
  const routes = typeof method === 'string' ? byRoute.get(method) : undefined
  return routes === undefined || typeof url !== 'string' ? undefined : routes.find(pathOf(url))
}

/** A share of the traces, and so many a second at least. */
function atLeast(sampler: Sampler, perSecond: number): Sampler {
  if (!(perSecond > 0)) return sampler
  const withinBound = createRateLimit(perSecond)
  return {
    sample(state) {
      // What the share takes counts for the bound too.
      const isWithin = withinBound()
      return sampler.sample(state) || isWithin
    },
  }
}
