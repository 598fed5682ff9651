// OpenTracing's tags in OpenTelemetry's words: the one table, used at export by every format.
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/ (version 1.44), test/cases/semconv.json

import type { SpanLog } from '../../tracer/export/exporter.ts'
import { type HttpParts, HttpTags } from './http-tags.ts'
import { operationNameOf } from './operation-name.ts'
import { NO_NAMES, type TagShape } from './tag-shape.ts'
import type { TagValue } from './tag-value.ts'
import { isOriginOf, NO_ORIGIN, type Origin, readOrigin } from './url-origin.ts'

/**
 * Which names attributes get: OpenTelemetry's (`http.request.method`), OpenTracing's as they were set (`http.method`), or
 * both, for the time in which dashboards move.
 */
export type SemanticConventions = 'opentelemetry' | 'opentracing' | 'both'

/** A name, and what a format likes to remember of it. */
export interface AttributeName {
  readonly text: string
  /** What a format writes for it, once it has. */
  encoded: unknown
}

/** Takes attributes, one after the other. */
export interface AttributeSink {
  put(name: AttributeName, value: TagValue): void
  /** A part of a text. */
  putPart(name: AttributeName, text: string, start: number, end: number): void
}

/** OpenTelemetry's kinds of spans, by their numbers in OTLP. */
export const KINDS = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const

/** What of a span is no attribute. One object, written anew for each span. */
export interface SpanFacts {
  kind: number
  failed: boolean
  /** The failure in words; undefined where a status code says enough. */
  message: string | undefined
}

interface Rule {
  /** The tag as it was set. */
  readonly given: AttributeName
  /** Its name in OpenTelemetry; the same object where it has no other. */
  readonly name: AttributeName
  /** How it is written there, when that is more than another name. */
  readonly write: ((sink: AttributeSink, value: TagValue, kind: number, plan: Plan) => void) | undefined
}

function name(text: string): AttributeName {
  return { text, encoded: undefined }
}

const METHOD = name('http.request.method')
const METHOD_ORIGINAL = name('http.request.method_original')
export const URL_FULL: AttributeName = name('url.full')
const URL_SCHEME = name('url.scheme')
const URL_PATH = name('url.path')
const URL_QUERY = name('url.query')
const SERVER_ADDRESS = name('server.address')
const SERVER_PORT = name('server.port')
const CLIENT_ADDRESS = name('client.address')
const PEER_ADDRESS = name('network.peer.address')
const PEER_PORT = name('network.peer.port')
const ERROR_TYPE = name('error.type')
const RULES = new Map<string, Rule>()

function rule(given: string, to: AttributeName | undefined, write?: Rule['write']): void {
  const own = name(given)
  RULES.set(given, { given: own, name: to ?? own, write })
}

/** It is a field of its own in OpenTelemetry. */
const nowhere: Rule['write'] = () => {}

rule('span.kind', undefined, nowhere)
rule('error', undefined, nowhere)
rule('http.method', METHOD, writeMethod)
rule('http.url', URL_FULL, writeUrl)
rule('http.status_code', name('http.response.status_code'))
rule('peer.hostname', SERVER_ADDRESS, writePeerName)
rule('peer.ipv4', PEER_ADDRESS, writePeerAddress)
rule('peer.ipv6', PEER_ADDRESS, writePeerAddress)
rule('peer.port', PEER_PORT, writePeerPort)
rule('db.instance', name('db.namespace'))
rule('db.statement', name('db.query.text'))
rule('db.type', name('db.system.name'))
rule('message_bus.destination', name('messaging.destination.name'))

/** Names that an app may use itself, beside the OpenTracing tags that they are derived from. */
const DERIVED = new Set([
  ...['http.request.method_original', 'url.scheme', 'url.path', 'url.query', 'server.port', 'client.address'],
  ...[...RULES.values()].filter(({ name, given }) => name !== given).map(({ name }) => name.text),
])
// Names of the app's own: remembered, so that a format meets the same object again; but not without bound.
const MAX_REMEMBERED = 2000

function ruleOf(given: string): Rule {
  const known = RULES.get(given)
  if (known !== undefined) return known
  const same = name(given)
  const made = { given: same, name: same, write: undefined }
  if (RULES.size < MAX_REMEMBERED) RULES.set(given, made)
  return made
}

/** The name that an attribute keeps. */
export function nameOf(text: string): AttributeName {
  return ruleOf(text).given
}

/** What is known of the tags of a span by their names alone. */
interface Plan {
  readonly rules: readonly Rule[]
  /** Where the tags are that tell something of the span as a whole; -1: nowhere. */
  readonly kind: number
  readonly error: number
  readonly statusCode: number
  readonly aborted: number
  readonly hasPeerName: boolean
  readonly hasPeerPort: boolean
  readonly hasErrorType: boolean
  /** It has attributes in OpenTelemetry's words from elsewhere: then what is derived must not repeat them. */
  readonly hasDerived: boolean
}

function planOf(shape: TagShape): Plan {
  shape.plan ??= makePlan(shape.names)
  return shape.plan as Plan
}

function makePlan(names: readonly string[]): Plan {
  return {
    rules: names.map(ruleOf),
    kind: names.indexOf('span.kind'),
    error: names.indexOf('error'),
    statusCode: names.indexOf('http.status_code'),
    aborted: names.indexOf('aborted'),
    hasPeerName: names.includes('peer.hostname'),
    hasPeerPort: names.includes('peer.port'),
    hasErrorType: names.includes(ERROR_TYPE.text),
    hasDerived: names.some(given => DERIVED.has(given)),
  }
}

const facts: SpanFacts = { kind: KINDS.internal, failed: false, message: undefined }

/** What is read of a span. */
export interface TagSource {
  /** What its first tags are made of, if it is a request's. */
  readonly http: HttpParts | undefined
  readonly shape: TagShape
  readonly values: readonly TagValue[]
  readonly logs: readonly SpanLog[]
}

/**
 * Puts a span's tags into `sink`, under the names asked for.
 *
 * @returns the span's kind and outcome; valid until the next call
 */
export function writeAttributes(
  source: TagSource,
  conventions: SemanticConventions,
  sink: AttributeSink,
): SpanFacts {
  const { http } = source
  const plan = planOf(source.shape)
  // What the app has set in OpenTelemetry's words must not be repeated: then the parts are tags like all others.
  if (http !== undefined && plan.hasDerived) return writeAttributes(unpacked(source, http), conventions, sink)
  const { shape, values: tags, logs } = source
  const { rules } = plan
  if (http !== undefined) {
    facts.kind = KINDS.server
    writeHttp(http, plan, conventions, sink)
  } else {
    facts.kind = plan.kind === -1 ? KINDS.internal : kindOf(tags[plan.kind])
  }
  const target = plan.hasDerived ? withoutRepeats(shape, sink) : sink
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as Rule
    const value = tags[i] as TagValue
    if (conventions !== 'opentelemetry' && i !== plan.kind) sink.put(rule.given, value)
    if (conventions === 'opentracing') continue
    if (rule.write !== undefined) rule.write(target, value, facts.kind, plan)
    else if (rule.name !== rule.given) target.put(rule.name, value)
    else if (conventions === 'opentelemetry') sink.put(rule.given, value)
  }
  const statusCode = plan.statusCode === -1 ? undefined : toStatusCode(tags[plan.statusCode])
  facts.failed = plan.error === -1 ? isFailure(facts.kind, statusCode) : isTrue(tags[plan.error])
  facts.message = undefined
  if (facts.failed) {
    writeFailure(logs, statusCode, conventions, plan, sink)
  } else if (plan.aborted !== -1 && facts.kind === KINDS.server && conventions !== 'opentracing') {
    if (!plan.hasErrorType && typeof tags[plan.aborted] === 'string') sink.put(ERROR_TYPE, CLIENT_GONE)
  }
  return facts
}

function unpacked({ shape, values, logs }: TagSource, http: HttpParts): TagSource {
  const tags = Object.entries(new HttpTags(http)) as [string, TagValue][]
  let all = NO_NAMES
  for (const name of [...tags.map(([name]) => name), ...shape.names]) all = all.known(name) ?? all.with(name)
  return { http: undefined, shape: all, values: [...tags.map(([, value]) => value), ...values], logs }
}

/** A request's first tags, from their parts: what the rules make of the tags themselves. */
function writeHttp(
  { component, method, origin, path, peer }: HttpParts,
  plan: Plan,
  conventions: SemanticConventions,
  sink: AttributeSink,
): void {
  sink.put(nameOf('component'), component)
  if (conventions !== 'opentelemetry') {
    sink.put(nameOf('http.method'), method)
    sink.put(nameOf('http.url'), origin.text + path)
    if (peer !== undefined) sink.put(nameOf(peer.isIPv4 ? 'peer.ipv4' : 'peer.ipv6'), peer.address)
    if (peer?.port !== undefined) sink.put(nameOf('peer.port'), peer.port)
  }
  if (conventions === 'opentracing') return
  writeMethod(sink, method)
  writeOrigin(sink, origin)
  writePath(sink, path, 0)
  if (peer === undefined) return
  writePeerAddress(sink, peer.address, KINDS.server, plan)
  if (peer.port !== undefined) sink.put(PEER_PORT, peer.port)
}

/** The client was gone before the answer was complete: no failure of the server's, but no success either. */
const CLIENT_GONE = 'client_disconnected'

function writeFailure(
  logs: readonly SpanLog[],
  statusCode: number | undefined,
  conventions: SemanticConventions,
  { hasErrorType }: Plan,
  sink: AttributeSink,
): void {
  const codeTells = isFailure(facts.kind, statusCode)
  const fields = logs.find(log => log.fields.event === 'error')?.fields
  if (!codeTells) facts.message = textOf(fields?.message)
  if (conventions === 'opentracing' || hasErrorType) return
  sink.put(ERROR_TYPE, codeTells ? String(statusCode) : (textOf(fields?.['error.kind']) ?? '_OTHER'))
}

function kindOf(value: TagValue | undefined): number {
  switch (value) {
    case 'server':
      return KINDS.server
    case 'client':
      return KINDS.client
    case 'producer':
      return KINDS.producer
    case 'consumer':
      return KINDS.consumer
    default:
      return KINDS.internal
  }
}

function isTrue(error: TagValue | undefined): boolean {
  return !(error === false || error === 'false' || error === 0 || error === '')
}

function toStatusCode(value: TagValue | undefined): number | undefined {
  const code = Number(value)
  return code >= 100 && code < 1000 ? code : undefined
}

function textOf(value: TagValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/**
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status a 4xx is the client's failure alone. The tag
 *   `error` has the last word: whoever set it knows more.
 */
function isFailure(kind: number, statusCode: number | undefined): boolean {
  return statusCode !== undefined && statusCode >= (kind === KINDS.client ? 400 : 500)
}

/** What the app has set itself, in OpenTelemetry's words, is not derived from its OpenTracing tags once more. */
function withoutRepeats({ names }: TagShape, sink: AttributeSink): AttributeSink {
  const isFree = ({ text }: AttributeName) => !names.includes(text)
  return {
    put(name, value) {
      if (isFree(name)) sink.put(name, value)
    },
    putPart(name, text, start, end) {
      if (isFree(name)) sink.putPart(name, text, start, end)
    },
  }
}

let lastKnownMethod: TagValue = 'GET'

function writeMethod(sink: AttributeSink, value: TagValue): void {
  if (value === lastKnownMethod) {
    sink.put(METHOD, value)
    return
  }
  // The list of known methods is the one of the operation names: any other is HTTP there.
  if (typeof value !== 'string' || (operationNameOf(value, undefined) === value && value !== 'HTTP')) {
    sink.put(METHOD, value)
    lastKnownMethod = value
  } else {
    sink.put(METHOD, '_OTHER')
    sink.put(METHOD_ORIGINAL, value)
  }
}

function writePeerName(sink: AttributeSink, value: TagValue, kind: number): void {
  sink.put(kind === KINDS.server ? CLIENT_ADDRESS : SERVER_ADDRESS, value)
}

function writePeerAddress(sink: AttributeSink, value: TagValue, kind: number, { hasPeerName }: Plan): void {
  sink.put(PEER_ADDRESS, value)
  if (kind === KINDS.server && !hasPeerName) sink.put(CLIENT_ADDRESS, value)
}

function writePeerPort(sink: AttributeSink, value: TagValue, kind: number): void {
  sink.put(kind === KINDS.client ? SERVER_PORT : PEER_PORT, value)
}

// A service has one or two names, and a few others that it calls: most URLs begin as the one before.
let lastServer = NO_ORIGIN
let lastClient = NO_ORIGIN

/** On a client the whole URL and whose it is; on a server its parts. Read by hand: it may be anything. */
function writeUrl(sink: AttributeSink, value: TagValue, kind: number, plan: Plan): void {
  if (typeof value !== 'string') return
  if (kind === KINDS.server) {
    if (!isOriginOf(lastServer, value)) lastServer = readOrigin(value)
    writeOrigin(sink, lastServer)
    writePath(sink, value, lastServer.text.length)
    return
  }
  sink.put(URL_FULL, value)
  if (kind !== KINDS.client || (plan.hasPeerName && plan.hasPeerPort)) return
  if (!isOriginOf(lastClient, value)) lastClient = readOrigin(value)
  const { address, port, scheme } = lastClient
  if (!plan.hasPeerName && address !== '') sink.put(SERVER_ADDRESS, address)
  if (!plan.hasPeerPort && scheme !== '') sink.put(SERVER_PORT, port ?? (scheme === 'https' ? 443 : 80))
}

/** Whom a request was sent to. */
export function writeOrigin(sink: AttributeSink, { scheme, address, port }: Origin): void {
  if (scheme !== '') sink.put(URL_SCHEME, scheme)
  if (address !== '') sink.put(SERVER_ADDRESS, address)
  if (port !== undefined) sink.put(SERVER_PORT, port)
}

/** Path and query of a request: of a URL, what stands from `start` on. */
export function writePath(sink: AttributeSink, url: string, start: number): void {
  const query = url.indexOf('?', start)
  const end = query === -1 ? url.length : query
  if (end === start) sink.put(URL_PATH, '/')
  else sink.putPart(URL_PATH, url, start, end)
  if (query !== -1 && query + 1 < url.length) sink.putPart(URL_QUERY, url, query + 1, url.length)
}
