// The words on a span: the tags of OpenTracing's conventions, and ours where those end.
// https://opentracing.io/specification/conventions/

import { cleanText } from './privacy.ts'

/**
 * Methods that may stand in an operation name; any other is written as `HTTP`, so that names stay few. With the names
 * made so far, by route: a name put together for each request would be cleaned, copied and hashed for each again.
 */
const KNOWN_METHODS = [
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
]
const NAMES = new Map(KNOWN_METHODS.map(method => [method, new Map<string, string>()]))
// Templates are few; what makes them up for every request must not fill the memory.
const REMEMBERED_ROUTES = 1000

/**
 * The operation name of an exchange: `GET /users/:id`, or the method alone where no route is known.
 *
 * @see OpenTelemetry semantic conventions, HTTP spans, "Name"
 */
export function operationNameOf(method: string, route: string | undefined): string {
  const names = NAMES.get(method)
  if (names === undefined) return operationNameOf('HTTP', route)
  if (route === undefined || route === '') return method
  let name = names.get(route)
  if (name === undefined) {
    name = cleanText(`${method} ${route}`, MAX_NAME_LENGTH)
    if (names.size < REMEMBERED_ROUTES) names.set(route, name)
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
