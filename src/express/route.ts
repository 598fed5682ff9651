// The template of the route that an Express request took. `req.baseUrl` holds the concrete text of a mounted prefix
// (`/tenants/42`), so the prefix is read off the layers that lead to the route: Express 4 keeps their expression,
// Express 5 (router 2.3) their path, older routers of Express 5 only a matcher that can be asked.

/** What is read of an Express layer; none of it is documented, so all of it may be missing. */
interface Layer {
  readonly handle?: unknown
  readonly route?: Route
  /** Express 5, router 2.3 and newer. */
  readonly rawPath?: Path
  /** Express 5. */
  readonly matchers?: readonly ((path: string) => { path: string; params: Params } | false)[]
  /** Express 4. */
  readonly regexp?: RegExp & { fast_slash?: boolean }
  readonly keys?: readonly { name: string | number; optional?: boolean }[]
}

type Path = string | RegExp | readonly (string | RegExp)[]
type Params = Record<string, string | string[]>

interface Route {
  readonly path?: Path
}

interface App {
  readonly mountpath?: string | readonly string[]
  readonly parent?: App
  readonly _router?: { stack?: readonly Layer[] }
  readonly lazyrouter?: unknown
  readonly router?: { stack?: readonly Layer[] }
}

/** What is read of an Express request. */
interface RoutedRequest {
  readonly route?: Route
  readonly baseUrl?: string
  readonly originalUrl: string
  readonly app?: App
  readonly params?: object
}

/** The template with all mounted prefixes: `/tenants/:tenant/users/:id`; undefined when no route matched. */
export function routeOf(of: object): string | undefined {
  const request = of as RoutedRequest
  const { route } = request
  if (route?.path === undefined) return undefined
  if (!request.baseUrl && request.app?.parent === undefined)
    return templateOf(route.path, pathOf(request.originalUrl))
  const trail = trailOf(request, route)
  return join(trail.prefix, templateOf(route.path, trail.rest))
}

/** The parameters of the route and of the mounted prefixes before it, as Koa's and Fastify's routers give them. */
export function paramsOf(of: object): object | undefined {
  const request = of as RoutedRequest
  const { route } = request
  if (route === undefined || !request.baseUrl) return request.params
  return { ...trailOf(request, route).params, ...request.params }
}

interface Trail {
  prefix: string
  params: Params
  /** What is left of the concrete path for the route. */
  rest: string
}

function trailOf(request: RoutedRequest, route: Route): Trail {
  const trail: Trail = { prefix: '', params: {}, rest: pathOf(request.originalUrl) }
  if (request.app !== undefined) followApps(request.app, trail)
  const chains = chainsTo(route, stackOf(request.app) ?? [])
  const visible = chains.find(chain => chain.every(isMount) || followLayers(chain, { ...trail })) ?? chains[0]
  if (visible !== undefined) followLayers(visible, trail)
  else guess(request, stackOf(request.app) ?? [], trail)
  return trail
}

/** Sub-apps know where they are mounted, as templates. */
function followApps(app: App, trail: Trail, depth = 0): void {
  if (app.parent === undefined || app.mountpath === undefined || depth > MAX_DEPTH) return
  followApps(app.parent, trail, depth + 1)
  const template = templateOf(app.mountpath, trail.rest)
  step(trail, template, takeSegments(trail.rest, template))
}

function followLayers(layers: readonly Layer[], trail: Trail): boolean {
  for (const layer of layers) {
    const match = matchLayer(layer, trail.rest)
    if (match === undefined) return false
    Object.assign(trail.params, match.params)
    step(trail, mountTemplate(layer, match), match.path.length)
  }
  return true
}

function step(trail: Trail, template: string, taken: number): void {
  trail.prefix = join(trail.prefix, template)
  trail.rest = trail.rest.slice(taken) || '/'
}

function isMount(layer: Layer): boolean {
  return layer.rawPath === '/' || layer.regexp?.fast_slash === true
}

const MAX_DEPTH = 20
const MAX_CHAINS = 8
const known = new WeakMap<Route, Layer[][]>()

/** The mounts that lead to a route, outermost first; more than one when a router is mounted more than once. */
function chainsTo(route: Route, stack: readonly Layer[]): Layer[][] {
  let chains = known.get(route)
  if (chains === undefined) {
    chains = []
    search(route, stack, [], chains)
    known.set(route, chains)
  }
  return chains
}

function search(route: Route, stack: readonly Layer[], above: readonly Layer[], found: Layer[][]): void {
  if (above.length > MAX_DEPTH) return
  for (const layer of stack) {
    if (found.length >= MAX_CHAINS) return
    if (layer.route === route) found.push([...above])
    else if (layer.route === undefined) {
      const below = stackOf(layer.handle)
      if (below !== undefined) search(route, below, [...above, layer], found)
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
function guess(request: RoutedRequest, stack: readonly Layer[], trail: Trail): void {
  const base = request.baseUrl ?? ''
  const end = pathOf(request.originalUrl).length - base.length
  let best: { layer: Layer; match: Match } | undefined
  for (const layer of stack) {
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

interface Match {
  path: string
  params: Params
  matcher?: (path: string) => { path: string; params: Params } | false
}

function matchLayer(layer: Layer, path: string): Match | undefined {
  if (isMount(layer)) return { path: '', params: {} }
  for (const matcher of layer.matchers ?? []) {
    const match = matcher(path)
    if (match !== false) return { path: withoutEndSlash(match.path), params: match.params, matcher }
  }
  const match = layer.regexp?.exec(path)
  if (!match) return undefined
  const params: Params = {}
  layer.keys?.forEach((key, i) => {
    const value = match[i + 1]
    if (value !== undefined) params[key.name] = decode(value)
  })
  return { path: withoutEndSlash(match[0]), params }
}

function mountTemplate(layer: Layer, match: Match): string {
  if (isMount(layer)) return ''
  if (layer.rawPath !== undefined) return templateOf(layer.rawPath, match.path)
  if (layer.regexp !== undefined)
    return templateOf(templatesOfExpression(layer.regexp, layer.keys ?? []), match.path)
  return probe(match)
}

/** One template of those a path was given as; the one that the concrete path fits. */
function templateOf(path: Path, concrete: string): string {
  if (typeof path === 'string') return path
  if (path instanceof RegExp) return path.source
  const templates = path.map(item => (typeof item === 'string' ? item : item.source))
  return templates.find(template => fits(template, concrete)) ?? templates.join('|')
}

function fits(template: string, concrete: string): boolean {
  const wanted = template.split('/')
  const given = concrete.split('/')
  return wanted.every(
    (part, i) =>
      /[:*{(]/.test(part) || part.toLowerCase() === given[i]?.toLowerCase() || (part === '' && i > 0),
  )
}

function takeSegments(path: string, template: string): number {
  const parts = withoutEndSlash(template).split('/').length
  return path.split('/').slice(0, parts).join('/').length
}

const expressions = new WeakMap<RegExp, string[]>()

/**
 * The templates that path-to-regexp 0.1 made an Express 4 expression from: its groups are the parameters, in order.
 * An expression that the user wrote is its own name.
 */
function templatesOfExpression(
  regexp: RegExp,
  keys: readonly { name: string | number; optional?: boolean }[],
): string[] {
  let templates = expressions.get(regexp)
  if (templates === undefined) {
    const left = [...keys]
    const sources = regexp.source.split(END_OF_MOUNT)
    templates =
      sources.length === 1
        ? [regexp.source]
        : sources.slice(0, -1).map(source => unescapeSource(source.replace(/^\|?\^/, ''), left))
    expressions.set(regexp, templates)
  }
  return templates
}

const END_OF_MOUNT = '\\/?(?=\\/|$)'

function unescapeSource(source: string, keys: { name: string | number; optional?: boolean }[]): string {
  let out = ''
  for (let i = 0; i < source.length; i++) {
    const c = source[i]
    if (c === '\\') out += source[++i] ?? ''
    else if (c === '(') {
      const end = endOfGroup(source, i)
      if (source.startsWith('(?:\\/', i)) out += '/'
      const key = keys.shift()
      out +=
        key === undefined || typeof key.name === 'number' ? '*' : `:${key.name}${key.optional ? '?' : ''}`
      i = source[end + 1] === '?' ? end + 1 : end
    } else out += c
  }
  return out
}

function endOfGroup(source: string, start: number): number {
  let depth = 0
  let inClass = false
  for (let i = start; i < source.length; i++) {
    const c = source[i]
    if (c === '\\') i++
    else if (inClass) inClass = c !== ']'
    else if (c === '[') inClass = true
    else if (c === '(') depth++
    else if (c === ')' && --depth === 0) return i
  }
  return source.length
}

/**
 * A matcher that hides its template is asked: a segment that can be something else is a parameter (and the matcher
 * says which), one that cannot is literal text.
 */
function probe({ path, matcher }: Match): string {
  if (matcher === undefined) return '/*'
  const segments = path.split('/')
  const lower = path.toLowerCase()
  const literal = lower !== path && matcher(lower) ? lower.split('/') : segments
  return segments
    .map((segment, i) => {
      if (segment === '') return ''
      const other = matcher(segments.with(i, MARK).join('/'))
      const name = other && Object.keys(other.params).find(key => String(other.params[key]).includes(MARK))
      if (name) return `:${name}`
      const digits = segment.replace(/\d/g, digit => String((Number(digit) + 1) % 10))
      return digits !== segment && matcher(segments.with(i, digits).join('/')) ? '*' : (literal[i] ?? segment)
    })
    .join('/')
}

const MARK = '~any~'

function join(prefix: string, path: string): string {
  if (prefix === '' || prefix === '/') return path
  return path === '/' || path === ''
    ? prefix
    : withoutEndSlash(prefix) + (path.startsWith('/') ? path : `/${path}`)
}

function withoutEndSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
