// How a tracer ends with its process: one set of handlers for all tracers, there only while a tracer is open.

/** A tracer as the end of the process sees it. */
export interface Closable {
  /**
   * Sends what is buffered; may be called any number of times until `close`.
   *
   * @param ending true when the process ends after this: what is still open should be finished first. False when
   *   another handler of the same signal goes on with its work.
   * @returns settles when the backend has it, or it was given up; undefined when there was nothing to send
   */
  flush(ending: boolean): Promise<unknown> | undefined
  /** Sends what is buffered and lets go of timers and sockets; called once at most, and by `close` alone. */
  close(): Promise<unknown> | undefined
}

/** How long the end of the process may take, and what counts as one. */
export interface LifecycleOptions {
  /** The most that `close()`, a signal or the natural end waits for this tracer, in milliseconds. */
  closeTimeout: number
  /** Flush on SIGTERM and SIGINT too, not on a natural end alone. */
  closeOnSignals: boolean
  /** Hears what `flush` or `close` throws or rejects with; must not throw. */
  onFailure: (error: unknown) => void
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
type Signal = (typeof SIGNALS)[number]

interface Member {
  readonly closable: Closable
  readonly options: LifecycleOptions
  /** What is left of `closeTimeout` for natural ends: each flush there revives the loop and leads to the next one. */
  patience: number
  closing: Promise<void> | undefined
}

interface Registry {
  readonly members: Set<Member>
  /** Takes the handlers away; undefined while none are there. */
  uninstall: (() => void) | undefined
  uninstallSignals: (() => void) | undefined
}

// One per process: two copies of this package would each take the other's signal handler for the app's own.
const KEY: unique symbol = Symbol.for('tracing-middleware.lifecycle.1') as never
const shared = globalThis as { [KEY]?: Registry }

/**
 * Lets a tracer take part in the end of the process until it is closed: a natural end flushes it, and on request
 * SIGTERM and SIGINT do, each for no longer than its `closeTimeout`. After a signal, the app's own handlers have the
 * say if there are any; else the process dies of that signal, as it would have without us.
 *
 * The process is kept alive for the length of such a flush and by nothing else: the tracer's own timers and sockets
 * are expected to be unref'ed.
 *
 * @returns the tracer's `close`: flushes, lets go, and takes the handlers away with the last tracer. It resolves when
 *   that is done or `closeTimeout` has passed; never rejects; called again, it gives the same promise.
 * @example
 * const close = joinLifecycle({ flush: () => batch.flush(), close: () => batch.close() }, options)
 */
export function joinLifecycle(closable: Closable, options: LifecycleOptions): () => Promise<void> {
  shared[KEY] ??= { members: new Set(), uninstall: undefined, uninstallSignals: undefined }
  const registry = shared[KEY]
  const member: Member = { closable, options, patience: options.closeTimeout, closing: undefined }
  registry.members.add(member)
  install(registry)
  return () => {
    member.closing ??= settled(() => closable.close(), options).then(() => {
      registry.members.delete(member)
      install(registry)
    })
    return member.closing
  }
}

/** Has the handlers there exactly while a member needs them. */
function install(registry: Registry): void {
  const members = [...registry.members]
  if (members.length === 0) {
    registry.uninstall?.()
  } else if (registry.uninstall === undefined) {
    const onNaturalEnd = () => endNaturally(registry)
    process.on('beforeExit', onNaturalEnd)
    registry.uninstall = () => {
      process.off('beforeExit', onNaturalEnd)
      registry.uninstall = undefined
    }
  }
  if (!members.some(member => member.options.closeOnSignals)) {
    registry.uninstallSignals?.()
  } else if (registry.uninstallSignals === undefined) {
    const onSignal = (signal: Signal) => void endBySignal(registry, signal)
    for (const signal of SIGNALS) process.on(signal, onSignal)
    registry.uninstallSignals = () => {
      for (const signal of SIGNALS) process.off(signal, onSignal)
      registry.uninstallSignals = undefined
    }
  }
}

function endNaturally(registry: Registry): void {
  for (const member of registry.members) {
    if (member.patience <= 0) continue
    const start = performance.now()
    void settled(() => member.closable.flush(true), member.options, member.patience).then(() => {
      member.patience -= performance.now() - start
    })
  }
}

async function endBySignal(registry: Registry, signal: Signal): Promise<void> {
  const alone = process.listenerCount(signal) - bystanders() === 1
  const members = [...registry.members].filter(member => member.options.closeOnSignals)
  const flushed = members.map(({ closable, options, closing }) =>
    settled(() => closing ?? closable.flush(alone), options),
  )
  // Listeners that run after this one may count us too, so we leave when all have run; from then on a second signal
  // ends the process at once: somebody is pressing Ctrl-C again.
  await undefined
  if (alone) registry.uninstallSignals?.()
  await Promise.all(flushed)
  if (alone) process.kill(process.pid, signal)
}

/**
 * Listeners of the package signal-exit (it is in many dependency trees). It ends the process itself once no listener
 * but its own is left; taken for a handler of the app's it would wait for us and we for it, for ever.
 */
function bystanders(): number {
  const v4 = (globalThis as Record<symbol, unknown>)[Symbol.for('signal-exit emitter')]
  const v3 = (process as { __signal_exit_emitter__?: unknown }).__signal_exit_emitter__
  return [v3, v4].reduce<number>((sum, emitter) => {
    const count = (emitter as { count?: unknown } | undefined)?.count
    return typeof count === 'number' ? sum + count : sum
  }, 0)
}

/** Settles with `work` or after `patience`; the timer holds the process for that long at most. */
function settled(
  work: () => Promise<unknown> | undefined,
  { closeTimeout, onFailure }: LifecycleOptions,
  patience: number = closeTimeout,
): Promise<void> {
  return new Promise(resolve => {
    let running: Promise<unknown> | undefined
    try {
      running = work()
    } catch (error) {
      onFailure(error)
    }
    if (running === undefined) return resolve()
    const timer = setTimeout(resolve, patience)
    running.then(undefined, onFailure).then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
