// Requests' spans in protocol buffers, but for what every span begins with. Most bytes of such a span are those of all others
// of its route and outcome, or of the same peer: they are written once, and copied.

import { addPeer, type Peer, type RequestFacts } from '../core/index.ts'
import {
  KINDS,
  nameOf,
  type SemanticConventions,
  URL_FULL,
  writeAttributes,
  writeOrigin,
  writePath,
} from './attributes.ts'
import { NO_ORIGIN, readOrigin } from './origin.ts'
import type { ProtobufSink } from './otlp-attributes.ts'
import type { ProtobufWriter } from './protobuf.ts'
import { TagShape } from './shape.ts'
import type { TagValue } from './value.ts'

// Fields of a span that are written here and elsewhere.
export const NAME = 0x2a
export const KIND = 0x30
export const ATTRIBUTES = 0x4a

const HTTP_URL = nameOf('http.url')

/** What the spans of a route and outcome have in common. */
interface Template {
  readonly kind: RequestFacts['kind']
  readonly component: string
  readonly method: string
  /** Of requests that came in: how they asked for us. */
  readonly origin: string
  readonly route: string | undefined
  readonly statusCode: number | undefined
  readonly bytes: Uint8Array
  /** Another of the same name: of another outcome, nearly always. */
  readonly next: Template | undefined
  /** How many there are, from here on. */
  readonly length: number
}

// Routes and hosts may be made up by callers, or by the app: what is more is forgotten, or not remembered.
const MAX_NAMES = 1000
const MAX_OF_A_NAME = 8
const MAX_BYTES = 2048

export class RequestEncoder {
  readonly #out: ProtobufWriter
  readonly #sink: ProtobufSink
  readonly #conventions: SemanticConventions
  readonly #templates = new Map<string, Template>()

  constructor(out: ProtobufWriter, sink: ProtobufSink, conventions: SemanticConventions) {
    this.#out = out
    this.#sink = sink
    this.#conventions = conventions
  }

  /** Name, kind and attributes; false: they cannot be put together from parts. */
  write(name: string, facts: RequestFacts): boolean {
    const template = this.#templateFor(name, facts)
    if (template === undefined) return false
    const out = this.#out
    const sink = this.#sink
    const { kind, origin, path } = facts
    const peer = this.#peer(kind, facts.peer)
    out.reserve(template.bytes.length + peer.length)
    out.bytes(template.bytes)
    out.bytes(peer)
    sink.tag = ATTRIBUTES
    if (this.#conventions !== 'opentelemetry') sink.put(HTTP_URL, origin.text + path)
    if (this.#conventions !== 'opentracing') {
      if (kind === 'server') writePath(sink, path, 0)
      else sink.put(URL_FULL, origin.text + path)
    }
    return true
  }

  #templateFor(name: string, facts: RequestFacts): Template | undefined {
    const first = this.#templates.get(name)
    let template = first
    while (template !== undefined && !fits(template, facts)) template = template.next
    return template ?? this.#make(name, facts, first)
  }

  #make(name: string, facts: RequestFacts, first: Template | undefined): Template | undefined {
    const { kind, component, method, route, statusCode } = facts
    if (first === undefined && this.#templates.size >= MAX_NAMES) return undefined
    const { text } = facts.origin
    const origin = kind === 'server' ? readOrigin(text + facts.path) : NO_ORIGIN
    // A Host header may hold anything.
    if (kind === 'server' && (text === '' || origin.text !== text)) return undefined
    const out = this.#out
    const bytes = this.#written(() => {
      out.text(NAME, name)
      out.reserve(2)
      out.byte(KIND)
      out.byte(KINDS[kind])
      const tags: Record<string, TagValue> = { 'span.kind': kind, component, 'http.method': method }
      if (statusCode !== undefined) tags['http.status_code'] = statusCode
      if (route !== undefined) tags['http.route'] = route
      this.#attributes(tags)
      if (this.#conventions !== 'opentracing') writeOrigin(this.#sink, origin)
    })
    if (bytes.length > MAX_BYTES) return undefined
    const next = first !== undefined && first.length < MAX_OF_A_NAME ? first : undefined
    const length = 1 + (next?.length ?? 0)
    const made = { kind, component, method, origin: text, route, statusCode, bytes, next, length }
    this.#templates.set(name, made)
    return made
  }

  #peer(kind: RequestFacts['kind'], peer: Peer): Uint8Array {
    const known = peer.written as { by: RequestEncoder; bytes: Uint8Array } | undefined
    if (known?.by === this) return known.bytes
    const bytes = this.#written(() => {
      const tags: Record<string, TagValue> = { 'span.kind': kind }
      addPeer(tags, peer)
      this.#attributes(tags)
    })
    peer.written = { by: this, bytes }
    return bytes
  }

  #attributes(tags: Readonly<Record<string, TagValue>>): void {
    const shape = new TagShape(Object.keys(tags), false)
    this.#sink.tag = ATTRIBUTES
    writeAttributes({ shape, values: Object.values(tags), extra: undefined }, this.#conventions, this.#sink)
  }

  /** The bytes that somebody writes, which do not stay where they are. */
  #written(write: () => void): Uint8Array {
    const out = this.#out
    const start = out.position
    write()
    const bytes = Uint8Array.from(out.buffer.subarray(start, out.position))
    out.position = start
    return bytes
  }
}

function fits(
  template: Template,
  { kind, component, method, origin, route, statusCode }: RequestFacts,
): boolean {
  return (
    template.kind === kind &&
    template.statusCode === statusCode &&
    template.route === route &&
    template.method === method &&
    template.origin === origin.text &&
    template.component === component
  )
}
