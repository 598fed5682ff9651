// What a user may say about jaeger-client: the words of its own configuration, and ours for the life of the process.
// https://github.com/jaegertracing/jaeger-client-node#environment-variables

import type { SocketType } from 'node:dgram'
import type { OnError } from '../core/settings/report.ts'
import type { PropagationOptions } from '../propagation/index.ts'

/** Which traces are kept. */
export interface JaegerSamplerOptions {
  /**
   * `const`: all or none. `probabilistic`: a share of the traces. `ratelimiting`: so many traces a second. `remote`:
   * what the agent or collector says for this service. @default JAEGER_SAMPLER_TYPE, else 'remote'
   */
  type?: 'const' | 'probabilistic' | 'ratelimiting' | 'remote'
  /**
   * `const`: 1 or 0. `probabilistic`: 0 to 1. `ratelimiting`: traces per second. `remote`: the share that is kept until
   * the first answer, 0 to 1. @default JAEGER_SAMPLER_PARAM, else 1 for const, 0.001 for remote
   */
  param?: number
  /** `host:port` or `http://host:port` of who answers the remote sampler. @default JAEGER_SAMPLER_MANAGER_HOST_PORT */
  hostPort?: string
  /** Its host, when there is no `hostPort`. @default JAEGER_SAMPLER_HOST, else 'localhost' */
  host?: string
  /** Its port, when there is no `hostPort`. @default JAEGER_SAMPLER_PORT, else 5778 */
  port?: number
  /** Its path. @default JAEGER_SAMPLER_SAMPLING_PATH, else '/sampling' */
  samplingPath?: string
  /** How often it is asked, in milliseconds; 0: never. @default JAEGER_SAMPLER_REFRESH_INTERVAL, else 60000 */
  refreshIntervalMs?: number
}

/** Where spans go: to an agent over UDP, or with `collectorEndpoint` to a collector over HTTP. */
export interface JaegerReporterOptions {
  /** The agent's host. @default JAEGER_AGENT_HOST, else 'localhost' */
  agentHost?: string
  /** The agent's UDP port for the binary Thrift protocol. @default JAEGER_AGENT_PORT, else 6832 */
  agentPort?: number
  /** @default JAEGER_AGENT_SOCKET_TYPE, else 'udp4' */
  agentSocketType?: SocketType
  /** A collector, such as `'http://localhost:14268/api/traces'`; no agent is used then. @default JAEGER_ENDPOINT */
  collectorEndpoint?: string
  /** For basic authentication at the collector, with `password`. @default JAEGER_USER */
  username?: string
  /** @default JAEGER_PASSWORD */
  password?: string
  /** How long the collector may take, in milliseconds. @default JAEGER_REPORTER_TIMEOUT, else 5000 */
  timeoutMs?: number
  /** How long a finished span waits for company, in milliseconds. @default JAEGER_REPORTER_FLUSH_INTERVAL, else 1000 */
  flushIntervalMs?: number
  /** Tells `logger.info` (without a logger: the console) of every span. @default JAEGER_REPORTER_LOG_SPANS, else false */
  logSpans?: boolean
}

/** Options of `initJaegerTracer`. An option wins over its environment variable. */
export interface JaegerOptions {
  /** The service's name in Jaeger. @default JAEGER_SERVICE_NAME; without either, a TypeError */
  serviceName?: string
  sampler?: JaegerSamplerOptions
  reporter?: JaegerReporterOptions
  /** Tags of the process. @default JAEGER_TAGS: `key=value,key2=${VARIABLE:default}` */
  tags?: Record<string, string | number | boolean>
  /** No tracing at all: a tracer that does nothing. @default JAEGER_DISABLED === 'true' */
  disable?: boolean
  /** Trace ids of 128 bits for the traces that start here; false: 64 bits. @default true */
  traceId128bit?: boolean
  /** Makes it `opentracing.globalTracer()`, which the middleware and `tracedFetch` use by default. @default false */
  global?: boolean
  /** Which header formats are read and written. @default reads all; writes tracecontext, baggage and uber-trace-id */
  propagation?: PropagationOptions
  /** On SIGTERM and SIGINT, flush before the signal takes its course. @default false */
  closeOnSignals?: boolean
  /** The most that `close()`, a signal or the natural end of the process waits, in milliseconds. @default 1000 */
  closeTimeout?: number
  /** jaeger-client's logger. @default none; what it would call an error goes to `onError` */
  logger?: JaegerLogger
  /** Hears of lost spans and other failures, once per kind. @default process.emitWarning */
  onError?: OnError
}

/** Where jaeger-client writes what it does. */
export interface JaegerLogger {
  info(message: string): void
  error(message: string): void
}
