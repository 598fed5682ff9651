// The door for adapters, and the start of a request's life; its end is in exchange.ts.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Span } from 'opentracing'
import { requestApart } from './apart.ts'
import type { Caller } from './beyond-opentracing.ts'
import { follow } from './events.ts'
import { TracedExchange } from './exchange.ts'
import { factsOf, NO_TAGS, type RequestFacts } from './facts.ts'
import { alreadyHeldBy, heldBy, hold } from './held.ts'
import { operationNameOf, padTraceId } from './names.ts'
import { resolveOptions, type ServerSettings, type ServerTracingOptions, stateOf } from './options.ts'
import type { Exchange, Framework, Handling, ServerTracing } from './seam.ts'
import { extract, startSpan, startTags } from './start.ts'
import { ask } from './trouble.ts'
import { NOOP_CONTEXT } from './work.ts'

const QUIET: Handling = { span: undefined, run: next => next(), fail() {} }

/**
 * The door for an adapter: checks the options once and gives the `begin` that takes each request in hand.
 *
 * @throws TypeError naming the option, the value and the fix
 * @example
 * const tracing = createServerTracing({
 *   component: 'mine',
 *   made: 'myPlugin(options)',
 *   route: ({ request }) => request.route,
 *   read: (request, name) => request[name],
 * }, options)
 * const handling = tracing.begin({ req, res, target: req.url, request })
 * handling.run(next)
 */
export function createServerTracing<Request>(
  framework: Framework<Request>,
  options?: ServerTracingOptions<Request>,
): ServerTracing<Request> {
  const settings = resolveOptions(options, framework.made)
  return {
    begin(exchange) {
      try {
        return alreadyHeldBy(framework, exchange.req) ?? begin(framework, settings, exchange)
      } catch (error) {
        settings.report('begin', error)
        return QUIET
      }
    },
  }
}

/** The request's handling, for an adapter's later hooks: given what `getSpan` is given. */
export function getHandling(request: object): Handling | undefined {
  const { raw, req } = request as { raw?: IncomingMessage; req?: IncomingMessage }
  return heldBy(request) ?? (raw && heldBy(raw)) ?? (req && heldBy(req))
}

/**
 * The span of a request: of Node's `IncomingMessage`, an Express request, a Koa context or a Fastify request.
 *
 * @returns undefined for a request that is not traced, or has ended
 * @example
 * app.use((req, res, next) => { getSpan(req)?.setTag('tenant', req.get('x-tenant')); next() })
 */
export function getSpan(request: object): Span | undefined {
  return getHandling(request)?.span
}

function begin<Request>(
  framework: Framework<Request>,
  settings: ServerSettings<Request>,
  exchange: Exchange<Request>,
): Handling {
  const { report } = settings
  if (settings.ignored?.(exchange)) return QUIET
  const { req, res } = exchange
  const { headers, method = 'GET', socket } = framework.losesShapes ? requestApart(req) : req
  const caller = extract(settings, headers)
  if (caller === NOOP_CONTEXT) return QUIET
  const { isPublic, prioritises, operationName } = settings
  const isStranger =
    isPublic !== undefined && ask(report, 'publicEndpoint', isPublic, stateOf(exchange)) === true
  const isRecorded = isStranger || prioritises ? undefined : (caller as Caller | null)?.isRecorded
  let facts: RequestFacts | undefined
  let tags: Record<string, unknown> | undefined
  if (isRecorded === false) {
    tags = NO_TAGS
  } else {
    const known = factsOf(framework, settings, exchange, method, headers, socket)
    if (prioritises || settings.addsTags) {
      tags = startTags(framework, settings, exchange, known)
    } else {
      facts = known
      if (isRecorded === undefined) tags = known.tags = known.toTags()
    }
  }

  const name = typeof operationName === 'string' ? operationName : operationNameOf(method, exchange.route)
  const span = startSpan(settings, name, caller, isStranger, tags, facts)
  if (span === undefined) return QUIET
  const isHttp2 = headers[':path'] !== undefined
  const connection = isHttp2 ? undefined : socket
  const handling = new TracedExchange(framework, settings, exchange, span, name, method, connection)
  hold(framework, req, res, handling)
  follow(framework, req, res, socket, handling)
  if (settings.traceResponseHeader !== undefined) writeTraceId(settings, res, span)
  if (settings.decorateSpan !== undefined)
    ask(report, 'decorateSpan', settings.decorateSpan, { ...stateOf(exchange), phase: 'start', span })
  return handling
}

function writeTraceId(settings: ServerSettings<never>, res: ServerResponse, span: Span): void {
  try {
    const id = span.context().toTraceId()
    if (id !== '' && !res.headersSent) res.setHeader(settings.traceResponseHeader as string, padTraceId(id))
  } catch (error) {
    settings.report('traceResponseHeader', error)
  }
}
