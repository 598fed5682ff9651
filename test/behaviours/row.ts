// What a row is made of, and the pieces that many rows share.

import type { Server } from 'node:http'
import type { ServerTracingOptions } from '../../src/core/server/options.ts'
import type { RecordedSpan, RecordingTracer } from '../../src/testing/index.ts'
import type { Host, SampleApp } from '../hosts/sample.ts'

/** Where a request is made. */
export interface Scene {
  server: Server
  tracer: RecordingTracer
  /** How long to wait for spans, in ms. */
  patience: number
}

/** What there is to be looked at afterwards. */
export interface Seen {
  /** Server spans, in the order of their start. */
  spans: RecordedSpan[]
  /** The first server span. */
  span: RecordedSpan
  /** Every span, those of the app's own work included. */
  all: readonly RecordedSpan[]
  host: Host
  port: number
  tracer: RecordingTracer
  /** What tracing was given. */
  // biome-ignore lint/suspicious/noExplicitAny: callbacks get each framework's own request
  options: ServerTracingOptions<any>
}

/** One promise, kept by every host. */
export interface Row<Got = unknown> {
  /** Never changes, and is never given to another row. */
  id: string
  title: string
  app: SampleApp | ((host: Host) => SampleApp)
  // biome-ignore lint/suspicious/noExplicitAny: callbacks get each framework's own request
  options?: ServerTracingOptions<any> | ((host: Host) => ServerTracingOptions<any>)
  request(port: number, host: Host, scene: Scene): Promise<Got>
  /** How many server spans there must be. @default 1 */
  spans?: number | ((host: Host) => number)
  /** The client gets the very bytes that it gets from the same app without tracing: both are run and compared. */
  unchanged?: true
  /** Places that are reported to `onError`, each once. @default none */
  reports?: string[]
  expect?(seen: Seen, got: Got): void | Promise<void>
}

export const row = <Got>(definition: Row<Got>): Row => definition as Row

export const hello: SampleApp = { routes: [{ path: '/hello', handle: () => 'hello' }] }
export const user: SampleApp = { routes: [{ path: '/users/:id', handle: () => ({ ok: true }) }] }

export const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
export const CALLER_ID = 'b7ad6b7169203331'
export const caller = { 'uber-trace-id': `${TRACE_ID}:${CALLER_ID}:0:1` }

/** A request as bytes; `more` is header lines, each with its CRLF. */
export const GET = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
export const CLOSE = 'Connection: close\r\n'

export function names(seen: Seen): string[] {
  return seen.spans.map(span => span.operationName)
}

export function logged(span: RecordedSpan, event: string): Record<string, unknown> | undefined {
  return span.logs.find(log => log.fields.event === event)?.fields
}

/** The status on the first line of an answer in bytes; past interim ones. */
export function statusIn(bytes: string): number {
  const statuses = [...bytes.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status))
  return statuses.find(status => status >= 200) ?? 0
}
