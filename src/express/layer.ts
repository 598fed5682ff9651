// One layer of an Express router: whether it takes a path, with which parameters, and the template that it was made
// from. Express 5 (router 2.3) keeps that as text, older routers of Express 5 have a matcher that can be asked, Express 4
// has the expression that it was turned into. None of it is documented, so all of it may be missing.

/** What is read of a layer. */
export interface Layer {
  readonly handle?: unknown
  readonly route?: Route
  /** Mounted at `/`: takes every path, and nothing of it. */
  readonly slash?: boolean
  /** Express 5, router 2.3 and newer. */
  readonly rawPath?: Path
  /** Express 5. */
  readonly matchers?: readonly Matcher[]
  /** Express 4. */
  readonly regexp?: RegExp & { fast_slash?: boolean }
  readonly keys?: readonly Key[]
}

export type Path = string | RegExp | readonly (string | RegExp)[]
export type Params = Record<string, string | string[]>

export interface Route {
  readonly path?: Path
}

type Matcher = (path: string) => { path: string; params: Params } | false

interface Key {
  readonly name: string | number
  readonly optional?: boolean
}

/** What a layer takes of a path. */
export interface Match {
  path: string
  params: Params
  matcher?: Matcher
}

/** What the layer takes from the start of `path`; undefined when it does not match. */
export function matchLayer(layer: Layer, path: string): Match | undefined {
  if (takesNothing(layer)) return { path: '', params: {} }
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

/** The template of a mount that took `match`. */
export function mountTemplate(layer: Layer, match: Match): string {
  if (takesNothing(layer)) return ''
  if (layer.rawPath !== undefined) return templateOf(layer.rawPath, match.path)
  if (layer.regexp !== undefined)
    return templateOf(templatesOfExpression(layer.regexp, layer.keys ?? []), match.path)
  return probe(match)
}

function takesNothing(layer: Layer): boolean {
  return layer.slash === true || layer.regexp?.fast_slash === true
}

/** One template of those a path was given as; the one that the concrete path fits. */
export function templateOf(path: Path, concrete: string): string {
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

const expressions = new WeakMap<RegExp, string[]>()

/**
 * The templates that path-to-regexp 0.1 made an Express 4 expression from: its groups are the parameters, in order.
 * An expression that the user wrote is its own name.
 */
function templatesOfExpression(regexp: RegExp, keys: readonly Key[]): string[] {
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

function unescapeSource(source: string, keys: Key[]): string {
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

export function withoutEndSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

export function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
