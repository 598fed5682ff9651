// The fields of OTLP's messages as protocol buffers tag them: `number << 3 | wire type`. The comment behind each tag
// has its number and wire type; `length` is a length and so many bytes: a text, bytes or a message.
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto

export const EXPORT_REQUEST = {
  resourceSpans: 0x0a, // 1, length
} as const

export const RESOURCE_SPANS = {
  resource: 0x0a, // 1, length
  scopeSpans: 0x12, // 2, length
} as const

export const RESOURCE = {
  attributes: 0x0a, // 1, length
} as const

export const SCOPE_SPANS = {
  scope: 0x0a, // 1, length
  spans: 0x12, // 2, length
  schemaUrl: 0x1a, // 3, length
} as const

export const SCOPE = {
  name: 0x0a, // 1, length
  version: 0x12, // 2, length
} as const

export const SPAN = {
  traceId: 0x0a, // 1, length
  spanId: 0x12, // 2, length
  traceState: 0x1a, // 3, length
  parentSpanId: 0x22, // 4, length
  name: 0x2a, // 5, length
  kind: 0x30, // 6, varint
  startTimeUnixNano: 0x39, // 7, fixed64
  endTimeUnixNano: 0x41, // 8, fixed64
  attributes: 0x4a, // 9, length
  droppedAttributesCount: 0x50, // 10, varint
  events: 0x5a, // 11, length
  droppedEventsCount: 0x60, // 12, varint
  links: 0x6a, // 13, length
  droppedLinksCount: 0x70, // 14, varint
  status: 0x7a, // 15, length
  flags: 0x85, // 16, fixed32
} as const

export const EVENT = {
  timeUnixNano: 0x09, // 1, fixed64
  name: 0x12, // 2, length
  attributes: 0x1a, // 3, length
} as const

export const LINK = {
  traceId: 0x0a, // 1, length
  spanId: 0x12, // 2, length
  traceState: 0x1a, // 3, length
  attributes: 0x22, // 4, length
} as const

export const STATUS = {
  message: 0x12, // 2, length
  code: 0x18, // 3, varint
} as const
export const STATUS_ERROR = 2

export const KEY_VALUE = {
  key: 0x0a, // 1, length
  value: 0x12, // 2, length
} as const

export const ANY_VALUE = {
  stringValue: 0x0a, // 1, length
  boolValue: 0x10, // 2, varint
  intValue: 0x18, // 3, varint
  doubleValue: 0x21, // 4, fixed64
  arrayValue: 0x2a, // 5, length
} as const

export const ARRAY_VALUE = {
  values: 0x0a, // 1, length
} as const

/** Bit 8: bit 9 is set or cleared on purpose; bit 9: the parent is a span of another process. */
const HAS_IS_REMOTE = 0x100
const IS_REMOTE = 0x200

/** `Span.flags`: W3C's trace flags in the low byte, and whether the parent is remote. */
export function spanFlags(traceFlags: number, isParentRemote: boolean): number {
  return HAS_IS_REMOTE | traceFlags | (isParentRemote ? IS_REMOTE : 0)
}

/** What OpenTelemetry's shim for OpenTracing writes beside a reference. */
export const REFERENCE_TYPE = 'opentracing.ref_type'
