// The words on a span: the tags of OpenTracing's conventions, and ours where those end.
// https://opentracing.io/specification/conventions/

import { cleanText } from './privacy.ts'

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
])

/**
 * The operation name of an exchange: `GET /users/:id`, or the method alone where no route is known.
 *
 * @see OpenTelemetry semantic conventions, HTTP spans, "Name"
 */
export function operationNameOf(method: string, route: string | undefined): string {
  const known = KNOWN_METHODS.has(method) ? method : 'HTTP'
  return route === undefined || route === '' ? known : `${known} ${route}`
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
