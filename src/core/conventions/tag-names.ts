// The names of OpenTracing's tags and log fields that this package sets or reads. Where OpenTracing's conventions end
// (`http.route`, `aborted`), the name is ours.
// https://opentracing.io/specification/conventions/

export const SPAN_KIND = 'span.kind'
export const COMPONENT = 'component'
export const ERROR = 'error'
export const SAMPLING_PRIORITY = 'sampling.priority'
export const HTTP_METHOD = 'http.method'
export const HTTP_URL = 'http.url'
export const HTTP_ROUTE = 'http.route'
export const HTTP_STATUS_CODE = 'http.status_code'
export const PEER_HOSTNAME = 'peer.hostname'
export const PEER_IPV4 = 'peer.ipv4'
export const PEER_IPV6 = 'peer.ipv6'
export const PEER_PORT = 'peer.port'
export const PEER_SERVICE = 'peer.service'
/** `'before response'` or `'during response'` on a server, `true` on a client: the caller did not wait for the end. */
export const ABORTED = 'aborted'
export const ERROR_TYPE = 'error.type'
export const JAEGER_DEBUG_ID = 'jaeger-debug-id'

/** Tags as OpenTracing takes them. */
export type Tags = Record<string, unknown>
