// When a status code means that an exchange has failed: one rule for the middleware, the traced fetch and the exporters.

/**
 * On a client every 4xx and 5xx is a failure, on a server a 5xx alone: a 4xx is the caller's fault.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status
 */
export function isFailedStatus(kind: 'server' | 'client', statusCode: number | undefined): boolean {
  return statusCode !== undefined && statusCode >= (kind === 'client' ? 400 : 500)
}
