// The template of the route that an Express request took, and its parameters. Express has neither: `req.baseUrl` holds
// the concrete text of a mounted prefix (`/tenants/42`), and both it and `req.params` are put back when an error passes
// by. So the way from the app to the route is found once, and followed with the path of each request.

import {
  decode,
  type Layer,
  type Match,
  matchLayer,
  mountTemplate,
  type Params,
  type Route,
  templateOf,
  withoutEndSlash,
} from './layer.ts'

interface App {
  readonly mountpath?: string | readonly string[]
  readonly parent?: App
  readonly _router?: { stack?: readonly Layer[] }
  readonly lazyrouter?: unknown
  readonly router?: { stack?: readonly Layer[] }
}

/** What is read of an Express request. */
interface RoutedRequest {
  readonly route?: Route | undefined
  readonly baseUrl?: string | undefined
  readonly url: string
  readonly app?: App | undefined
  readonly params?: object
}

/** The template with all mounted prefixes: `/tenants/:tenant/users/:id`; undefined when no route matched. */
export function routeOf(of: object): string | undefined {
  const request = of as RoutedRequest
  const { route } = request
  if (route?.path === undefined) return undefined
  if (isOnTop(request, route)) return templateOf(route.path, pathOf(request))
  const trail = trailOf(request, route)
  return join(trail.prefix, templateOf(route.path, trail.rest))
}

/** The parameters of the route and of the mounted prefixes before it, as Koa's and Fastify's routers give them. */
export function paramsOf(of: object): object | undefined {
  const request = of as RoutedRequest
  const { params, route } = request
  return route === undefined ? params : { ...trailOf(request, route).params, ...params }
}

/** How a request got to its route. */
interface Trail {
  prefix: string
  params: Params
  /** What is left of the concrete path. */
  rest: string
}

/** The layers that lead to a route: its mounts, outermost first, and its own. */
interface Way {
  mounts: readonly Layer[]
  own: Layer
}

/** Where a route sits: more than one way leads there when a router is mounted more than once. */
interface Place {
  readonly app: App | undefined
  readonly ways: readonly Way[]
}

/** The ordinary case, for which nothing has to be followed. */
function isOnTop(request: RoutedRequest, route: Route): boolean {
  const { app, ways } = placeOf(route, request.app)
  return !request.baseUrl && ways.length === 1 && ways[0]?.mounts.length === 0 && app?.parent === undefined
}

function trailOf(request: RoutedRequest, route: Route): Trail {
  const start: Trail = { prefix: '', params: {}, rest: pathOf(request) }
  const { app, ways } = placeOf(route, request.app)
  if (app !== undefined) followApps(app, start)
  for (const way of ways) {
    const trail = { ...start, params: { ...start.params } }
    if (follow(way, trail)) return trail
  }
  const [way] = ways
  if (way === undefined) guess(request, route, start)
  else imagine(way, request, start)
  return start
}

/** Sub-apps know where they are mounted, as templates. */
function followApps(app: App, trail: Trail, depth = 0): void {
  if (app.parent === undefined || app.mountpath === undefined || depth > MAX_DEPTH) return
  followApps(app.parent, trail, depth + 1)
  const template = withoutEndSlash(templateOf(app.mountpath, trail.rest))
  const given = trail.rest.split('/')
  const wanted = template.split('/')
  wanted.forEach((part, i) => {
    const value = given[i]
    if (/^:\w+$/.test(part) && value !== undefined) trail.params[part.slice(1)] = decode(value)
  })
  step(trail, template, given.slice(0, wanted.length).join('/').length)
}

/** Goes on along the trail as far as the way fits; true when that is to its end. */
function follow({ mounts, own }: Way, trail: Trail): boolean {
  for (const layer of mounts) {
    const match = matchLayer(layer, trail.rest)
    if (match === undefined) return false
    Object.assign(trail.params, match.params)
    step(trail, mountTemplate(layer, match), match.path.length)
  }
  const match = matchLayer(own, trail.rest)
  Object.assign(trail.params, match?.params)
  return match !== undefined
}

/** The way without the path, which does not fit: the app sits in a router that it does not know of. */
function imagine({ mounts }: Way, { baseUrl = '' }: RoutedRequest, trail: Trail): void {
  for (const layer of mounts) step(trail, mountTemplate(layer, { path: '', params: {} }), 0)
  if (baseUrl.split('/').length > trail.prefix.split('/').length) trail.prefix = `/*${trail.prefix}`
}

function step(trail: Trail, template: string, taken: number): void {
  trail.prefix = join(trail.prefix, template)
  trail.rest = trail.rest.slice(taken) || '/'
}

const MAX_DEPTH = 20
const MAX_WAYS = 8
const known = new WeakMap<Route, Map<App | undefined, Place>>()

function placeOf(route: Route, app: App | undefined): Place {
  const places = known.get(route) ?? new Map<App | undefined, Place>()
  let place = places.get(app)
  if (place === undefined) {
    const ways: Way[] = []
    search(route, stackOf(app) ?? [], [], ways)
    place = { app, ways }
    known.set(route, places.set(app, place))
  }
  if (place.ways.length > 0) return place
  // An error has left the sub-app that the route sits in, and `req.app` is the parent again.
  for (const other of places.values()) if (other.ways.length > 0) return other
  return place
}

function search(route: Route, stack: readonly Layer[], mounts: readonly Layer[], found: Way[]): void {
  if (mounts.length > MAX_DEPTH) return
  for (const layer of stack) {
    if (found.length >= MAX_WAYS) return
    if (layer.route === route) found.push({ mounts, own: layer })
    else if (layer.route === undefined) {
      const below = stackOf(layer.handle)
      if (below !== undefined) search(route, below, [...mounts, layer], found)
    }
  }
}

/** The layers of a router or of an app; Express 4 throws when an app is asked for `router`. */
function stackOf(handler: unknown): readonly Layer[] | undefined {
  if ((typeof handler !== 'function' && typeof handler !== 'object') || handler === null) return undefined
  const own = (handler as { stack?: unknown }).stack
  if (Array.isArray(own)) return own as Layer[]
  const app = handler as App
  const router = app._router ?? ('lazyrouter' in app ? undefined : app.router)
  return router?.stack
}

/**
 * A router inside somebody's closure cannot be walked into: the mounts that can be seen name their part, and what is
 * left of the concrete prefix becomes a `*`.
 */
function guess(request: RoutedRequest, route: Route, trail: Trail): void {
  const end = trail.rest.length - prefixLength(request, route)
  let best: { layer: Layer; match: Match } | undefined
  for (const layer of stackOf(request.app) ?? []) {
    if (layer.route !== undefined) continue
    const match = matchLayer(layer, trail.rest)
    if (
      match &&
      trail.rest.length - match.path.length >= end &&
      match.path.length >= (best?.match.path.length ?? 1)
    ) {
      best = { layer, match }
    }
  }
  if (best !== undefined) {
    Object.assign(trail.params, best.match.params)
    step(trail, mountTemplate(best.layer, best.match), best.match.path.length)
  }
  if (trail.rest.length > end) step(trail, '/*', trail.rest.length - end)
}

/** How much of the path mounted prefixes took; after an error only the template of the route can tell. */
function prefixLength(request: RoutedRequest, { path }: Route): number {
  if (request.baseUrl) return request.baseUrl.length
  if (typeof path !== 'string' || /[*+?({]/.test(path)) return 0
  const segments = withoutEndSlash(pathOf(request)).split('/')
  return segments.slice(0, segments.length - withoutEndSlash(path).split('/').length + 1).join('/').length
}

function join(prefix: string, path: string): string {
  if (prefix === '' || prefix === '/') return path
  return path === '/' || path === ''
    ? prefix
    : withoutEndSlash(prefix) + (path.startsWith('/') ? path : `/${path}`)
}

/** The path that routers see: `originalUrl` is not the one that a rewritten request is routed by. */
function pathOf({ baseUrl = '', url }: RoutedRequest): string {
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  return baseUrl + (path.startsWith('/') ? path : path.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, ''))
}
