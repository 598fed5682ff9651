// Whole traces in memory, within stated bounds: when one is reached the oldest trace goes, and the going is counted.

import type { Tag, ViewerSpan } from './model.ts'

/** The bounds of what is kept. */
export interface StoreLimits {
  readonly traces: number
  readonly spans: number
  readonly bytes: number
}

/** A trace as it is so far. Immutable, and the same object until more spans of it come. */
export interface ViewerTrace {
  /** 32 lower-case hex digits. */
  readonly traceId: string
  /** In the order in which they came. */
  readonly spans: readonly ViewerSpan[]
  /** When its first span came, and its latest; milliseconds since the epoch. */
  readonly firstSeen: number
  readonly lastSeen: number
}

/** What the store holds and what it had to let go. */
export interface StoreStats {
  readonly traces: number
  readonly spans: number
  readonly bytes: number
  /** Traces that went to make room. */
  readonly evictedTraces: number
  readonly evictedSpans: number
  /** Spans that were not kept because their trace alone fills the store. */
  readonly droppedSpans: number
}

/** Called after spans of these traces have come, or all has been cleared. */
export type StoreListener = (traceIds: readonly string[]) => void

/** Keeps spans by trace. */
export interface TraceStore {
  /** Keeps spans; one that has come before (a sender that tried again) takes its predecessor's place. */
  add(spans: readonly ViewerSpan[]): void
  get(traceId: string): ViewerTrace | undefined
  /** Newest first, by the arrival of their first span. */
  all(): ViewerTrace[]
  clear(): void
  stats(): StoreStats
  /** Listens until the function that comes back is called. */
  listen(listener: StoreListener): () => void
}

interface Entry {
  readonly traceId: string
  readonly spans: ViewerSpan[]
  /** Where in `spans` a span is. */
  readonly index: Map<string, number>
  readonly firstSeen: number
  lastSeen: number
  bytes: number
  /** What was handed out; undefined when spans have come since. */
  snapshot: ViewerTrace | undefined
}

/** Makes an empty store. */
export function createStore(limits: StoreLimits): TraceStore {
  // A Map remembers the order in which traces first came: the first key is the oldest trace.
  const entries = new Map<string, Entry>()
  const listeners = new Set<StoreListener>()
  let spans = 0
  let bytes = 0
  let evictedTraces = 0
  let evictedSpans = 0
  let droppedSpans = 0

  function forget(entry: Entry): void {
    entries.delete(entry.traceId)
    spans -= entry.spans.length
    bytes -= entry.bytes
  }

  /** Lets old traces go until there is room; false if there is none even so. */
  function makeRoom(traceId: string, moreSpans: number, moreBytes: number): boolean {
    const isFull = () => spans + moreSpans > limits.spans || bytes + moreBytes > limits.bytes
    const isCrowded = () => !entries.has(traceId) && entries.size >= limits.traces
    if (!isFull() && !isCrowded()) return true
    for (const oldest of entries.values()) {
      if (oldest.traceId === traceId) continue
      forget(oldest)
      evictedTraces++
      evictedSpans += oldest.spans.length
      if (!isFull() && !isCrowded()) return true
    }
    return !isFull() && !isCrowded()
  }

  function keep(span: ViewerSpan, now: number): boolean {
    const size = sizeOf(span)
    // A client and a server may share an id (Zipkin): they are two spans.
    const key = `${span.spanId} ${span.kind === 'server'}`
    const known = entries.get(span.traceId)
    const place = known?.index.get(key)
    const before = place === undefined ? 0 : sizeOf(known?.spans[place] as ViewerSpan)
    if (!makeRoom(span.traceId, place === undefined ? 1 : 0, size - before)) {
      droppedSpans++
      return false
    }
    const entry = known ?? {
      traceId: span.traceId,
      spans: [],
      index: new Map<string, number>(),
      firstSeen: now,
      lastSeen: now,
      bytes: 0,
      snapshot: undefined,
    }
    if (known === undefined) entries.set(span.traceId, entry)
    entry.lastSeen = now
    entry.snapshot = undefined
    entry.bytes += size - before
    bytes += size - before
    if (place === undefined) {
      entry.index.set(key, entry.spans.push(span) - 1)
      spans++
    } else entry.spans[place] = span
    return true
  }

  return {
    add(added) {
      const now = Date.now()
      const changed = new Set<string>()
      for (const span of added) if (keep(span, now)) changed.add(span.traceId)
      if (changed.size > 0) for (const listener of listeners) listener([...changed])
    },
    get(traceId) {
      const entry = entries.get(traceId)
      return entry === undefined ? undefined : snapshotOf(entry)
    },
    all: () => [...entries.values()].reverse().map(snapshotOf),
    clear() {
      entries.clear()
      spans = 0
      bytes = 0
      for (const listener of listeners) listener([])
    },
    stats: () => ({ traces: entries.size, spans, bytes, evictedTraces, evictedSpans, droppedSpans }),
    listen(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function snapshotOf(entry: Entry): ViewerTrace {
  const { traceId, spans, firstSeen, lastSeen } = entry
  entry.snapshot ??= { traceId, spans: [...spans], firstSeen, lastSeen }
  return entry.snapshot
}

/** About how many bytes of memory a span holds: what the store's bound is counted in. */
export function sizeOf(span: ViewerSpan): number {
  let size = 600 + span.service.length + span.operation.length
  for (const tag of span.tags) size += sizeOfTag(tag)
  for (const tag of span.process) size += sizeOfTag(tag)
  for (const log of span.logs) {
    size += 120
    for (const field of log.fields) size += sizeOfTag(field)
  }
  for (const warning of span.warnings) size += 40 + warning.length
  return size + 200 * span.references.length
}

function sizeOfTag({ key, value }: Tag): number {
  // Text may be held in one byte per unit or in two; two keeps the promise of the bound.
  return 96 + 2 * key.length + (typeof value === 'string' ? 2 * value.length : 8)
}
