// For people who write an adapter for a framework: see docs/adapters.md.

export { createServerTracing, getHandling } from './core/server/index.ts'
export type {
  Ignore,
  OutcomeState,
  RequestState,
  ServerTracingOptions,
  SpanState,
} from './core/server/options.ts'
export type { Exchange, Framework, Handling, ServerTracing } from './core/server/seam.ts'
export { createReport, type OnError, type Report } from './core/settings/report.ts'
