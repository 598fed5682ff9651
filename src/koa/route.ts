// The template of the route that a Koa request took. @koa/router and koa-route leave theirs on the context; what
// koa-mount has cut off the path in front of them, it tells of its last mount alone, so mounts are noted as they happen.

import type { Context } from 'koa'

/** What routers leave on the context. */
interface Routed {
  /** @koa/router: the template with the prefixes of nested routers. */
  readonly _matchedRoute?: unknown
  /** @koa/router: the layers whose path matched. */
  readonly matched?: readonly { readonly path?: unknown; readonly regexp?: unknown }[]
  /** koa-route. */
  readonly routePath?: unknown
  /** koa-mount: the prefix that was cut off last. */
  readonly mountPath?: unknown
  /** Ours: all of them, in their order. */
  [MOUNTS]?: Mount[]
}

interface Mount {
  readonly prefix: string
  /** The path that the prefix was cut off from. */
  readonly path: string
}

// Registered: another copy of this package notes in the same place.
const MOUNTS: unique symbol = Symbol.for('tracing-middleware.koa-mounts') as never

/** Has koa-mount's `ctx.mountPath = prefix` noted for every request of the app. */
export function noteMounts(context: object): void {
  if (Object.hasOwn(context, 'mountPath') || !Object.isExtensible(context)) return
  Object.defineProperty(context, 'mountPath', {
    configurable: true,
    get(this: Routed): string | undefined {
      return this[MOUNTS]?.at(-1)?.prefix
    },
    set(this: Routed & { path: string }, prefix: string) {
      this[MOUNTS] ??= []
      this[MOUNTS].push({ prefix, path: this.path })
    },
  })
}

/** The template with all mounted prefixes; undefined when no route matched. */
export function routeOf(ctx: Context): string | undefined {
  const routed = ctx as Routed
  const matched = routed._matchedRoute ?? routed.routePath
  const template = matched instanceof RegExp ? matched.source : matched
  if (typeof template !== 'string') return undefined
  const mounts = routed[MOUNTS]
  if (mounts === undefined) return template
  const fits = fitOf(template, routed.matched?.find(layer => layer.path === matched)?.regexp)
  // The last mount whose rest the route takes; the others have passed the request on.
  const last = mounts.findLast(mount => fits(restOf(mount)))
  return last === undefined ? template : join(prefixesTo(last, mounts), template)
}

/** Whether a route takes a path: its own expression says so, else the number of segments. */
function fitOf(template: string, regexp: unknown): (path: string) => boolean {
  if (regexp instanceof RegExp) return path => path.search(regexp) !== -1
  if (/[*+?({]/.test(template)) return () => true
  return path => path.split('/').length === template.split('/').length
}

/** The prefixes of a mount and of those around it. */
function prefixesTo(mount: Mount, mounts: readonly Mount[]): string {
  const before = mounts.slice(0, mounts.indexOf(mount))
  const around = before.findLast(outer => restOf(outer) === mount.path)
  return around === undefined ? mount.prefix : join(prefixesTo(around, before), mount.prefix)
}

function restOf({ prefix, path }: Mount): string {
  return path.slice(prefix.length) || '/'
}

function join(prefix: string, path: string): string {
  if (path === '/') return prefix
  return prefix.replace(/\/$/, '') + (path.startsWith('/') ? path : `/${path}`)
}
