// A span's tags on their way to OpenTelemetry: at the start for the sampler, the rest at the end, when it is known what
// they say together (a late `error` or status code). The words are those of our own tracer: one table for both.

import type { Attributes, AttributeValue } from '@opentelemetry/api'
import { failureFields } from '../core/conventions/error-fields.ts'
import {
  type AttributeName,
  type AttributeSink,
  type SemanticConventions,
  type SpanFacts,
  writeAttributes,
} from '../core/conventions/otel-attributes.ts'
import { NO_NAMES, type TagShape } from '../core/conventions/tag-shape.ts'
import { type TagValue, toName, toTagValue } from '../core/conventions/tag-value.ts'
import type { Report } from '../core/settings/report.ts'
import type { SpanLog } from '../tracer/export/exporter.ts'

/** The longest text that is handed on, in UTF-16 units. */
export const MAX_VALUE_LENGTH = 8192
export const MAX_NAME_LENGTH = 256
const MAX_TAGS = 128
const MAX_FIELDS = 128

/** What is there to be told to OpenTelemetry. */
export interface Translation {
  readonly attributes: Attributes
  /** Valid until the next translation of any span. */
  readonly facts: SpanFacts
}

export class Tags {
  readonly #conventions: SemanticConventions
  readonly #values = new Map<string, TagValue>()
  /** What is beyond our bound: untranslated, for OpenTelemetry to keep or to count as dropped. */
  #surplus: Attributes | undefined
  /** What OpenTelemetry was told at the start. */
  #told: Attributes | undefined
  readonly #failures: SpanLog[] = []

  constructor(conventions: SemanticConventions) {
    this.#conventions = conventions
  }

  set(name: string, given: unknown): void {
    const value = toTagValue(given, MAX_VALUE_LENGTH)
    if (value === undefined) return
    if (this.#values.size < MAX_TAGS || this.#values.has(name)) {
      this.#values.set(toName(name, MAX_NAME_LENGTH), value)
    } else {
      this.#surplus ??= {}
      this.#surplus[toName(name, MAX_NAME_LENGTH)] = toAttribute(value)
    }
  }

  /** Sets all of them; one that cannot be read (a getter that throws) ends it. */
  setAll(tags: Readonly<Record<string, unknown>>, report: Report): void {
    try {
      for (const name in tags) this.set(name, tags[name])
    } catch (error) {
      report('tags', error)
    }
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** Remembers the log of an error, for `error.type` and the status. */
  fail(log: SpanLog): void {
    if (this.#failures.length === 0) this.#failures.push(log)
  }

  atStart(): Translation {
    const translation = this.#translate()
    const { attributes, facts } = translation
    this.#told = attributes
    // What has been told cannot be taken back, and a tag may still say that it was no error.
    if (facts.failed && !this.#values.has('error.type')) delete attributes['error.type']
    return translation
  }

  /** What was not told at the start. */
  atEnd(): Translation {
    return this.#translate()
  }

  #translate(): Translation {
    const sink = new Sink(this.#told)
    let shape: TagShape = NO_NAMES
    for (const name of this.#values.keys()) shape = shape.known(name) ?? shape.with(name)
    const source = { http: undefined, shape, values: [...this.#values.values()], logs: this.#failures }
    const facts = writeAttributes(source, this.#conventions, sink)
    if (this.#surplus !== undefined) Object.assign(sink.attributes, this.#surplus)
    this.#surplus = undefined
    return { attributes: sink.attributes, facts }
  }
}

class Sink implements AttributeSink {
  readonly attributes: Attributes = {}
  readonly #told: Attributes | undefined

  constructor(told: Attributes | undefined) {
    this.#told = told
  }

  put({ text }: AttributeName, value: TagValue): void {
    if (this.#told?.[text] !== value) this.attributes[text] = toAttribute(value)
  }

  putPart(name: AttributeName, text: string, start: number, end: number): void {
    this.put(name, text.slice(start, end))
  }
}

/** The fields of a log, cleaned as tags are. */
export function toFields(given: Readonly<Record<string, unknown>>, report: Report): Record<string, TagValue> {
  const fields: Record<string, TagValue> = Object.create(null)
  let count = 0
  try {
    const complete = withFailure(given)
    for (const key in complete) {
      if (++count > MAX_FIELDS) break
      const value = toTagValue(complete[key], MAX_VALUE_LENGTH)
      if (value !== undefined) fields[toName(key, MAX_NAME_LENGTH)] = value
    }
  } catch (error) {
    report('log', error)
  }
  return fields
}

/** An error that was logged as it is tells its kind, message and stack, like one that core has logged. */
function withFailure(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const error = fields?.['error.object']
  return error instanceof Error && fields.stack === undefined
    ? { ...failureFields(error), ...fields }
    : fields
}

/** OpenTelemetry wants the items of a list to be of one type. */
export function toAttribute(value: TagValue): AttributeValue {
  if (typeof value !== 'object') return value
  const [first] = value
  return value.every(item => typeof item === typeof first)
    ? (value as AttributeValue)
    : value.map(item => String(item))
}
