// What a user may say about server-side tracing, checked and completed once, before the first request.

import type { IncomingMessage, ServerResponse } from 'node:http'
import opentracing, { type Span, type Tracer } from 'opentracing'
import { MAX_NAME_LENGTH } from '../conventions/operation-name.ts'
import {
  aFunction,
  aTracer,
  type Checks,
  checkOptions,
  isPlainObject,
  someTexts,
} from '../settings/check-options.ts'
import { callUser, createReport, messageOf, type OnError, type Report } from '../settings/report.ts'
import { cleanText } from '../text/redact.ts'
import { createIsSecret, type IsSecret } from '../text/secret-keys.ts'
import { type Attribute, cleanTags, parseAttributes, pathOf } from './attributes.ts'
import type { Exchange } from './seam.ts'

/** What is known of a request before its span exists. */
export interface RequestState<Request> {
  /** Your framework's request: Express `req`, Koa `ctx`, Fastify `request`. */
  request: Request
  /** Node's own response. */
  response: ServerResponse
  /** The method as the client sent it. */
  method: string
  /** The path as the client sent it, without query. */
  path: string
}

/** What is known when the response has left, or its connection is gone. */
export interface OutcomeState<Request> extends RequestState<Request> {
  span: Span
  /** The route's template with all mounted prefixes; undefined when no route matched. */
  route: string | undefined
  /** The status that was sent; undefined when the connection closed before that. */
  statusCode: number | undefined
  /** What was thrown; undefined when nothing was. */
  error: unknown
  /** Where the connection was lost; undefined for a complete response. */
  aborted: 'before response' | 'during response' | undefined
}

/** What `decorateSpan` is called with: `phase` says whether the request starts or ends. */
export type SpanState<Request> =
  | ({ phase: 'start'; span: Span } & RequestState<Request>)
  | ({ phase: 'end' } & OutcomeState<Request>)

/**
 * One thing to ignore: a path (`'/health'`; a `*` at the end stands for anything), a pattern for the path, or a
 * function that says so.
 */
export type Ignore<Request> = string | RegExp | ((state: RequestState<Request>) => boolean)

/** Options of every adapter; everything may be left out. */
export interface ServerTracingOptions<Request = IncomingMessage> {
  /** Any OpenTracing 0.14 tracer. @default opentracing.globalTracer(), also when it is installed later */
  tracer?: Tracer
  /**
   * The operation name, instead of method and route template. A function is asked when the response has left; what is
   * no string means the default. A name that your code sets on the span wins over both.
   * @default 'GET /users/:id': method and route template; the method alone when no route matched
   */
  operationName?: string | ((state: OutcomeState<Request>) => string | undefined)
  /** Tags for every span, set before the sampler decides. @default {} */
  tags?: Record<string, unknown>
  /** Requests that get no span and cost nothing: paths, patterns, functions. @default [] */
  ignore?: Ignore<Request> | readonly Ignore<Request>[]
  /**
   * Properties of the request to tag when it has them: `'headers.x-tenant'`, `'params.id'`, `'user.id'`,
   * `'body.order.id=order'` (with the tag's name). Values are cut at 1024 characters.
   * @default the environment variable TRACED_REQUEST_ATTRIBUTES, a comma-separated list
   */
  tracedRequestAttributes?: readonly string[]
  /** Called when the span starts and again before it ends, to add what you like. @default nothing */
  decorateSpan?: (state: SpanState<Request>) => void
  /**
   * Asked before the sampler: 1 samples this request, 0 does not, undefined leaves it to the sampler
   * (the OpenTracing tag `sampling.priority`). @default undefined
   */
  samplingPriority?: (state: RequestState<Request>) => number | undefined
  /**
   * Callers are strangers: their context is not trusted. The request is a new root that follows from the caller's span;
   * baggage and debug flags are dropped. @default false
   */
  publicEndpoint?: boolean | ((state: RequestState<Request>) => boolean)
  /** A response header for the trace id (16 or 32 hex digits). @default none */
  traceResponseHeader?: string
  /**
   * Whether the exchange failed (the tag `error`).
   * @default status 5xx, or an error that was thrown past the framework; a 4xx is no error
   */
  isError?: (state: OutcomeState<Request>) => boolean
  /** Further query keys, header names and fields whose values are secrets; added to the list in docs/privacy.md. @default [] */
  secretKeys?: readonly string[]
  /** Hears of a failing tracer or callback, once per place. @default process.emitWarning */
  onError?: OnError
}

/** The options, checked and completed: the request path asks nothing twice. */
export interface ServerSettings<Request> {
  readonly tracer: Tracer
  readonly operationName: ServerTracingOptions<Request>['operationName']
  readonly tags: Record<string, unknown> | undefined
  readonly ignored: ((exchange: Exchange<Request>) => boolean) | undefined
  readonly earlyAttributes: readonly Attribute[]
  readonly lateAttributes: readonly Attribute[]
  readonly decorateSpan: ((state: SpanState<Request>) => void) | undefined
  readonly samplingPriority: ((state: RequestState<Request>) => number | undefined) | undefined
  readonly isPublic: ((state: RequestState<Request>) => boolean) | undefined
  readonly traceResponseHeader: string | undefined
  readonly isError: ((state: OutcomeState<Request>) => boolean) | undefined
  /** Whether the user's options may set `sampling.priority`. */
  readonly setsPriority: boolean
  /** Whether the user's options may set further tags at the start. */
  readonly addsTags: boolean
  /** Whether any function of the user's wants to know how the request went. */
  readonly asksOutcome: boolean
  readonly secret: IsSecret
  readonly report: Report
}

const CHECKS: Checks<ServerTracingOptions> = {
  tracer: aTracer,
  operationName: [v => aFunction(v) || isText(v), 'a string or a function, such as ({ method }) => method'],
  tags: [isPlainObject, "an object of tags, such as { 'service.tier': 'gold' }"],
  ignore: [
    v => (Array.isArray(v) ? v : [v]).every(isIgnore),
    "a path ('/health', '/internal/*'), a RegExp, a function, or an array of them",
  ],
  tracedRequestAttributes: [someTexts, "an array of names, such as ['headers.x-tenant', 'params.id']"],
  decorateSpan: [aFunction, 'a function, such as ({ span, phase, request }) => { ... }'],
  samplingPriority: [aFunction, 'a function that gives 1, 0 or undefined'],
  publicEndpoint: [
    v => typeof v === 'boolean' || aFunction(v),
    'true, false or a function that gives one of them',
  ],
  traceResponseHeader: [isHeaderName, "a header's name, such as 'x-trace-id'"],
  isError: [aFunction, 'a function, such as ({ statusCode }) => statusCode >= 400'],
  secretKeys: [someTexts, "an array of keys, such as ['iban']"],
  onError: [aFunction, 'a function, such as (error, place) => logger.warn({ error, place })'],
}

/**
 * Checks options and completes them.
 *
 * @param usage what the options were given to, for the error's text: `tracingMiddleware(options)`
 * @throws TypeError naming the option, the value and the fix
 */
export function resolveOptions<Request>(
  options: ServerTracingOptions<Request> | undefined,
  usage: string,
): ServerSettings<Request> {
  const hint = 'Was the middleware itself handed over? Write app.use(tracingMiddleware()), with the call.'
  checkOptions<ServerTracingOptions<Request>>(
    usage,
    CHECKS as Checks<ServerTracingOptions<Request>>,
    options,
    { hint },
  )
  const given = options ?? {}
  const report = createReport(given.onError)
  const attributes = given.tracedRequestAttributes
    ? parseAttributes(given.tracedRequestAttributes)
    : attributesOfEnvironment(report)
  const tags = given.tags && Object.keys(given.tags).length > 0 ? cleanTags(given.tags) : undefined
  const earlyAttributes = attributes.filter(attribute => attribute.early)
  const ignores = given.ignore === undefined ? [] : [given.ignore].flat()
  const publicEndpoint = given.publicEndpoint ?? false
  return {
    tracer: given.tracer ?? opentracing.globalTracer(),
    operationName:
      typeof given.operationName === 'string'
        ? cleanText(given.operationName, MAX_NAME_LENGTH)
        : given.operationName,
    tags,
    ignored: toIgnored(ignores, report),
    earlyAttributes,
    lateAttributes: attributes.filter(attribute => !attribute.early),
    decorateSpan: given.decorateSpan,
    samplingPriority: given.samplingPriority,
    isPublic: typeof publicEndpoint === 'function' ? publicEndpoint : publicEndpoint ? () => true : undefined,
    traceResponseHeader: given.traceResponseHeader,
    isError: given.isError,
    addsTags: tags !== undefined || earlyAttributes.length > 0 || given.samplingPriority !== undefined,
    setsPriority: given.samplingPriority !== undefined || given.tags?.['sampling.priority'] !== undefined,
    asksOutcome: [given.decorateSpan, given.isError, given.operationName].some(aFunction),
    secret: createIsSecret(given.secretKeys),
    report,
  }
}

function attributesOfEnvironment(report: Report): Attribute[] {
  const names = (process.env.TRACED_REQUEST_ATTRIBUTES ?? '')
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
  try {
    return parseAttributes(names)
  } catch (error) {
    // A typing error in the environment must not keep a service from starting.
    report('TRACED_REQUEST_ATTRIBUTES', new TypeError(`${messageOf(error)}; none of its attributes is used`))
    return []
  }
}

function toIgnored<Request>(
  ignores: readonly Ignore<Request>[],
  report: Report,
): ServerSettings<Request>['ignored'] {
  const paths = new Set<string>()
  const prefixes: string[] = []
  const patterns: RegExp[] = []
  const predicates: ((state: RequestState<Request>) => boolean)[] = []
  for (const item of ignores) {
    if (typeof item === 'function') predicates.push(item)
    // Without g and y: those make a pattern remember where its last match ended.
    else if (item instanceof RegExp) patterns.push(new RegExp(item.source, item.flags.replace(/[gy]/g, '')))
    else if (item.endsWith('*')) prefixes.push(item.slice(0, -1))
    else paths.add(item)
  }
  if (ignores.length === 0) return undefined
  return exchange => {
    const path = pathOf(exchange.target)
    return (
      paths.has(path) ||
      prefixes.some(prefix => path.startsWith(prefix)) ||
      patterns.some(pattern => pattern.test(path)) ||
      predicates.some(ignored => callUser(report, 'ignore', ignored, stateOf(exchange)) === true)
    )
  }
}

/** What the user's functions are told of a request. */
export function stateOf<Request>({ req, res, target, request }: Exchange<Request>): RequestState<Request> {
  return { request, response: res, method: req.method ?? 'GET', path: pathOf(target) }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isIgnore(value: unknown): boolean {
  return value instanceof RegExp || aFunction(value) || (typeof value === 'string' && /^[/*]/.test(value))
}

function isHeaderName(value: unknown): boolean {
  return typeof value === 'string' && /^[!#$%&'*+.^_`|~0-9a-zA-Z-]+$/.test(value)
}
