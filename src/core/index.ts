// The public door: what every user of tracing-middleware may need, and what the author of an adapter needs.

export { get, settingPrototypesLosesShapes } from './apart.ts'
export { cleanTags } from './attributes.ts'
export type { Receiver, StartOptions } from './beyond-opentracing.ts'
export {
  aFunction,
  aTracer,
  type Check,
  type Checks,
  checkOptions,
  isPlainObject,
  show,
  someTexts,
} from './checks.ts'
export { activeSpan, bindSpan, liveScope, registry, runInScope, type Scope } from './context.ts'
export { addPeer, NO_ORIGIN, type Peer, RequestFacts } from './facts.ts'
export { failureFields, kindOf, logFailure } from './failure.ts'
export { MAX_NAME_LENGTH, operationNameOf, padTraceId } from './names.ts'
export type {
  Ignore,
  OutcomeState,
  RequestState,
  ServerTracingOptions,
  SpanState,
} from './options.ts'
export {
  cleanText,
  createIsSecret,
  type IsSecret,
  MAX_URL_LENGTH,
  REDACTED,
  redactText,
  redactUrl,
} from './privacy.ts'
export type { Exchange, Framework, Handling, ServerTracing } from './seam.ts'
export { createServerTracing, getHandling, getSpan } from './server.ts'
export { createReport, type OnError, type Report, watch } from './trouble.ts'
export {
  endScope,
  NOOP_SPAN,
  type SpanOptions,
  startScope,
  type TracedDecorator,
  traced,
  type WithSpanOptions,
  withSpan,
} from './work.ts'
