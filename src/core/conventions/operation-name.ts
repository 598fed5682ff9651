// The words on a span: the tags of OpenTracing's conventions, and ours where those end.
// https://opentracing.io/specification/conventions/

import { cleanText } from '../text/redact.ts'

/** Methods that may stand in an operation name; any other is written as `HTTP`, so that names stay few. */
const KNOWN_METHODS = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'QUERY',
  'HTTP',
])
/** A route fit to be written, and with each method that has come. */
interface RouteNames {
  readonly route: string
  readonly byMethod: Map<string, string>
}

// Put together for each request, they would be cleaned, copied and hashed for each again.
const ROUTES = new Map<string, RouteNames>()
// Templates are few; what makes them up for every request must not fill the memory.
const REMEMBERED_ROUTES = 1000

function namesOf(route: string): RouteNames {
  let names = ROUTES.get(route)
  if (names === undefined) {
    names = { route: cleanText(route, MAX_NAME_LENGTH), byMethod: new Map() }
    if (ROUTES.size < REMEMBERED_ROUTES) ROUTES.set(route, names)
  }
  return names
}

/** A route as it can be written on a span. */
export function cleanRoute(route: string): string {
  return namesOf(route).route
}

/**
 * The operation name of an exchange: `GET /users/:id`, or the method alone where no route is known.
 *
 * @see OpenTelemetry semantic conventions, HTTP spans, "Name"
 */
export function operationNameOf(method: string, route: string | undefined): string {
  if (route === undefined || route === '') return KNOWN_METHODS.has(method) ? method : 'HTTP'
  const { byMethod } = namesOf(route)
  let name = byMethod.get(method)
  if (name === undefined) {
    if (!KNOWN_METHODS.has(method)) return operationNameOf('HTTP', route)
    name = cleanText(`${method} ${route}`, MAX_NAME_LENGTH)
    byMethod.set(method, name)
  }
  return name
}

/** The longest operation name that we set, in UTF-16 units. */
export const MAX_NAME_LENGTH = 256

/** A name from the user's code, as any tracer and backend can take it. */
export function cleanName(name: unknown): string {
  return typeof name === 'string' && name !== '' ? cleanText(name, MAX_NAME_LENGTH) : 'unnamed'
}

/** Ids as every format and log wants them: lower-case hex, 16 or 32 digits; jaeger-client strips leading zeros. */
export function padTraceId(id: string): string {
  return id.length > 16 ? id.padStart(32, '0') : id.padStart(16, '0')
}
