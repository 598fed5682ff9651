// Keeps traces in memory, within bounds: when a bound is reached, the oldest traces are evicted and counted.

import type { Tag, ViewerSpan } from './model.ts'

/** The bounds of a store. */
export interface StoreLimits {
  readonly traces: number
  readonly spans: number
  readonly bytes: number
}

/** The spans of a trace that have arrived. Immutable; the same object until more spans arrive. */
export interface ViewerTrace {
  /** 32 lower-case hex digits. */
  readonly traceId: string
  /** In the order of arrival. */
  readonly spans: readonly ViewerSpan[]
  /** The arrival of its first and of its latest span; milliseconds since the epoch. */
  readonly firstSeen: number
  readonly lastSeen: number
}

/** What the store holds, evicted and dropped. */
export interface StoreStats {
  readonly traces: number
  readonly spans: number
  readonly bytes: number
  /** Traces that were removed to make room for newer ones. */
  readonly evictedTraces: number
  readonly evictedSpans: number
  /** Spans that were not kept because their trace alone fills the store. */
  readonly droppedSpans: number
}

/** Called when spans of these traces have arrived; with an empty list when the store has been cleared. */
export type StoreListener = (traceIds: readonly string[]) => void

/** Keeps spans by trace. */
export interface TraceStore {
  /** Adds spans. A span that is sent again, as in a retry, replaces the earlier one. */
  add(spans: readonly ViewerSpan[]): void
  get(traceId: string): ViewerTrace | undefined
  /** All traces, newest first by the arrival of their first span. */
  all(): ViewerTrace[]
  clear(): void
  stats(): StoreStats
  /** Adds a listener; the returned function removes it. */
  listen(listener: StoreListener): () => void
}

interface Entry {
  readonly traceId: string
  readonly spans: ViewerSpan[]
  /** The position of each span in `spans`. */
  readonly index: Map<string, number>
  readonly firstSeen: number
  lastSeen: number
  bytes: number
  /** The object that callers got; undefined when spans have arrived since. */
  snapshot: ViewerTrace | undefined
}

/** Makes an empty store. */
export function createStore(limits: StoreLimits): TraceStore {
  // A Map keeps the order of insertion: the first entry is the oldest trace.
  const entries = new Map<string, Entry>()
  const listeners = new Set<StoreListener>()
  let spans = 0
  let bytes = 0
  let evictedTraces = 0
  let evictedSpans = 0
  let droppedSpans = 0

  function remove(entry: Entry): void {
    entries.delete(entry.traceId)
    spans -= entry.spans.length
    bytes -= entry.bytes
  }

  /** Evicts old traces until there is room; false when there is not enough room even then. */
  function makeRoom(traceId: string, moreSpans: number, moreBytes: number): boolean {
    const isFull = () => spans + moreSpans > limits.spans || bytes + moreBytes > limits.bytes
    const isCrowded = () => !entries.has(traceId) && entries.size >= limits.traces
    if (!isFull() && !isCrowded()) return true
    for (const oldest of entries.values()) {
      if (oldest.traceId === traceId) continue
      remove(oldest)
      evictedTraces++
      evictedSpans += oldest.spans.length
      if (!isFull() && !isCrowded()) return true
    }
    return !isFull() && !isCrowded()
  }

  function keep(span: ViewerSpan, now: number): boolean {
    const size = sizeOf(span)
    // In Zipkin's model a client and its server may share an id: they are two spans.
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

/** An estimate of a span's memory in bytes, for the store's bound. */
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
  // V8 stores a character in one or two bytes; counting two keeps the estimate on the safe side.
  return 96 + 2 * key.length + (typeof value === 'string' ? 2 * value.length : 8)
}
