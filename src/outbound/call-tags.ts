// The tags of an outbound call's span: what is known before it is sent, and what its response says.

import { MAX_NAME_LENGTH } from '../core/conventions/operation-name.ts'
import { isFailedStatus } from '../core/conventions/status.ts'
import { ERROR, HTTP_STATUS_CODE, PEER_SERVICE, type Tags } from '../core/conventions/tag-names.ts'
import { cleanText, redactUrl } from '../core/text/redact.ts'
import type { IsSecret } from '../core/text/secret-keys.ts'

/**
 * @param component the client, such as `fetch`
 * @param service the name that the user gives to the service that is called
 */
export function callTags(
  component: string,
  method: string,
  url: URL,
  secret: IsSecret,
  service: string | undefined,
): Tags {
  const { href, hostname, port, protocol } = url
  // A fragment is never sent, and may hold a token.
  const hash = href.indexOf('#')
  const tags: Tags = {
    'span.kind': 'client',
    component,
    'http.method': cleanText(method, MAX_NAME_LENGTH),
    'http.url': redactUrl(hash === -1 ? href : href.slice(0, hash), secret),
    'peer.hostname': hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    'peer.port': port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
  }
  if (service !== undefined) tags[PEER_SERVICE] = service
  return tags
}

/**
 * @param statusCode 0 for what has none (`Response.error()`, an opaque response)
 * @param isError the user's own rule; undefined leaves it to the status
 */
export function responseTags(statusCode: number, isError: boolean | undefined): Tags {
  const byStatus = isFailedStatus('client', statusCode)
  const failed = isError ?? byStatus
  const tags: Tags = statusCode > 0 ? { [HTTP_STATUS_CODE]: statusCode } : {}
  // `false` is written for a 4xx: a tracer that knows the status rule of its format must not know better.
  if (failed || byStatus) tags[ERROR] = failed
  return tags
}
