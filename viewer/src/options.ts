// The options of startViewer(): checked, and completed with defaults, before any port is opened.

import type { StoreLimits } from './store.ts'

/** The ports of the viewer. Each is a number, 0 for any free port, or `false` for none. */
export interface ViewerPorts {
  /** OTLP over HTTP, protobuf and JSON. @default 4318 */
  otlp?: number | false
  /** Jaeger's thrift over HTTP. @default 14268 */
  jaeger?: number | false
  /** Jaeger's compact thrift over UDP. @default 6831 */
  jaegerCompact?: number | false
  /** Jaeger's binary thrift over UDP, which jaeger-client for Node sends. @default 6832 */
  jaegerBinary?: number | false
  /** Zipkin's v2 JSON over HTTP. @default 9411 */
  zipkin?: number | false
  /** The page and Jaeger's query API. @default 16686 */
  page?: number
}

/** How much is kept. When a limit is reached, the oldest traces are removed. */
export interface ViewerLimits {
  /** @default 2000 */
  traces?: number
  /** @default 200000 */
  spans?: number
  /** Bytes of memory, estimated. @default 268435456 (256 MiB) */
  bytes?: number
}

/** Options of `startViewer`. All are optional. */
export interface ViewerOptions {
  /**
   * The address to listen on. There is no login: every client that can connect to it can read and write traces.
   * @default '127.0.0.1', which only this machine can connect to
   */
  host?: string
  /** @default the standard port of each format */
  ports?: ViewerPorts
  /** @default 2000 traces, 200000 spans, 256 MiB */
  limits?: ViewerLimits
}

/** The names of the viewer's ports. */
export type PortName = keyof ViewerPorts

/** The options with their defaults. */
export interface ViewerSettings {
  readonly host: string
  readonly ports: Readonly<Record<PortName, number | false>>
  readonly limits: StoreLimits
}

const PORTS: Readonly<Record<PortName, number>> = {
  otlp: 4318,
  jaeger: 14268,
  jaegerCompact: 6831,
  jaegerBinary: 6832,
  zipkin: 9411,
  page: 16686,
}

const LIMITS: StoreLimits = { traces: 2000, spans: 200_000, bytes: 256 * 1024 * 1024 }

const OPTIONS: Readonly<Record<keyof ViewerOptions, true>> = { host: true, ports: true, limits: true }

/**
 * Checks the options and adds the defaults.
 *
 * @throws TypeError that names the option, its value and the fix
 */
export function resolveViewerOptions(options: ViewerOptions | undefined): ViewerSettings {
  const given = options ?? {}
  checkKeys(given, OPTIONS, '')
  const { host = '127.0.0.1', ports = {}, limits = {} } = given
  if (typeof host !== 'string' || host.trim() === '') fail('host', "an address, such as '127.0.0.1'", host)
  checkKeys(ports, PORTS, 'ports.')
  checkKeys(limits, LIMITS, 'limits.')
  for (const [name, port] of Object.entries(ports)) {
    const isOff = port === false && name !== 'page'
    if (port === undefined || isOff) continue
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      fail(`ports.${name}`, `a port from 0 to 65535${name === 'page' ? '' : ', or false'}`, port)
    }
  }
  for (const [name, limit] of Object.entries(limits)) {
    if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1)) {
      fail(`limits.${name}`, 'a whole number of 1 or more', limit)
    }
  }
  return { host, ports: complete(PORTS, ports), limits: complete(LIMITS, limits) }
}

function complete<T extends object>(defaults: T, given: object): T {
  const named = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...defaults, ...Object.fromEntries(named) }
}

function checkKeys(given: object, known: object, prefix: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    fail(prefix === '' ? 'the argument' : prefix.slice(0, -1), 'an object', given)
  }
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(known, key)) continue
    const near = Object.keys(known).find(name => name.toLowerCase() === key.toLowerCase())
    const fix =
      near === undefined ? `the options are ${Object.keys(known).join(', ')}` : `did you mean '${near}'?`
    throw new TypeError(`startViewer(): unknown option '${prefix}${key}'; ${fix}`)
  }
}

function fail(name: string, expected: string, value: unknown): never {
  // JSON would show NaN as null.
  const shown = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  throw new TypeError(`startViewer(): ${name} must be ${expected}, not ${shown}`)
}
