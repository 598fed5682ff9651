// From samples to Markdown. Every number is formed within one round, from a variant and the bare server beside it; what is
// printed is the median over the rounds and, in brackets, the whole range.

import { spread, variants } from './rounds.js'

/** Requests without a call to another service. */
const SIMPLE = ['/hello', '/users/:id']
const CHAIN = '/chain'

/** What we hold ourselves to, for each framework: the cost on simple routes as a multiple of bare, ... */
const RATIO_TARGETS = {
  none: { express: 1.02, koa: 1.03, fastify: 1.04 },
  ignored: { express: 1.02, koa: 1.03, fastify: 1.04 },
  unsampled: { express: 1.12, koa: 1.18, fastify: 1.2 },
  sampled: { express: 1.18, koa: 1.32, fastify: 1.32 },
}
/** ... and what we add, sampled and exported, as a share of what a peer adds. */
const SHARE_TARGETS = [
  { peer: 'opentelemetry', of: 'added', target: { express: 1 / 6, koa: 1 / 8, fastify: 1 / 10 } },
  { peer: 'smallest-jaeger', of: 'added', target: { express: 1 / 3, koa: 1 / 2, fastify: 1 / 3 } },
  { peer: 'opentelemetry', of: 'fetch', target: { express: 1 / 3, koa: 1 / 3, fastify: 1 / 3 } },
]

export function requestTables(samples, { frameworks, names, routes }) {
  const book = openBook(samples)
  const simple = SIMPLE.filter(path => routes.includes(path))
  return [
    ...frameworks.map(framework => frameworkTable(book, framework, names, routes)),
    targetTable(book, frameworks, simple),
  ].join('\n\n')
}

/** Looks samples up: book(framework, variant, path) gives one for each round; of bare, one for each variant and round. */
function openBook(samples) {
  const pages = new Map()
  for (const sample of samples) {
    const key = `${sample.framework} ${sample.variant} ${sample.path}`
    if (!pages.has(key)) pages.set(key, [])
    pages.get(key).push(sample)
  }
  return (framework, variant, path) =>
    (pages.get(`${framework} ${variant} ${path}`) ?? []).sort((a, b) => a.round - b.round)
}

/** What was measured in each round, on average of the paths: `cpu` or `bareCpu`. */
function meanOf(book, framework, variant, paths, what = 'cpu') {
  const perPath = paths.map(path => book(framework, variant, path).map(sample => sample[what]))
  return perPath[0].map((_, round) => perPath.reduce((sum, values) => sum + values[round], 0) / paths.length)
}

const besideBare = combined => (book, framework, variant, paths) =>
  combined(meanOf(book, framework, variant, paths), meanOf(book, framework, variant, paths, 'bareCpu'))
const ratioOf = besideBare(over)
const aboveOf = besideBare(minus)

/** What a variant adds to bare on each round's simple routes, as a share of bare, and what one call more adds to that. */
function addedOf(book, framework, variant, simple) {
  const added = aboveOf(book, framework, variant, simple)
  const bare = meanOf(book, framework, variant, simple, 'bareCpu')
  const fetch = minus(aboveOf(book, framework, variant, [CHAIN]), added)
  // Two variants are measured one after the other: what the machine has become faster or slower in between, bare tells.
  return { added: over(added, bare), fetch: over(fetch, bare) }
}

function frameworkTable(book, framework, names, routes) {
  const measured = names.filter(variant => book(framework, variant, routes[0]).length > 0)
  const rows = measured.map(variant => {
    const cells = routes.flatMap(path => {
      if (variant === 'bare')
        return [`${number(spread(meanOf(book, framework, variant, [path])).median)} us`, '']
      const ratio = withRange(spread(ratioOf(book, framework, variant, [path])))
      return [ratio, number(spread(aboveOf(book, framework, variant, [path])).median)]
    })
    const all = routes.flatMap(path => book(framework, variant, path))
    const spans = routes.map(path =>
      number(spread(book(framework, variant, path).map(sample => sample.spans)).median),
    )
    const p50 = spread(book(framework, variant, routes[0]).map(sample => sample.p50)).median
    const errors = all.reduce((sum, sample) => sum + sample.errors, 0)
    return [variants[variant].label, ...cells, spans.join(' / '), number(p50, 2), errors]
  })
  const head = routes.flatMap(path => [`${path}: x bare`, '+ us'])
  return table([`${framework}`, ...head, 'spans per request', `p50 of ${routes[0]}, ms`, 'errors'], rows)
}

function targetTable(book, frameworks, simple) {
  const has = (framework, variant, path = simple[0]) => book(framework, variant, path).length > 0
  const rows = []
  for (const [variant, targets] of Object.entries(RATIO_TARGETS)) {
    const cells = frameworks.map(framework => {
      if (!has(framework, variant)) return 'not measured'
      return verdict(spread(ratioOf(book, framework, variant, simple)), targets[framework])
    })
    rows.push([`${variants[variant].label}: x bare`, ...cells])
  }
  for (const { peer, of, target } of SHARE_TARGETS) {
    const cells = frameworks.map(framework => {
      const needed = of === 'fetch' ? [simple[0], CHAIN] : [simple[0]]
      const known = needed.every(path => has(framework, 'sampled', path) && has(framework, peer, path))
      if (!known) return 'not measured'
      const own = addedOf(book, framework, 'sampled', simple)[of]
      return verdict(spread(over(own, addedOf(book, framework, peer, simple)[of])), target[framework])
    })
    const what = of === 'fetch' ? 'one traced fetch' : 'sampled and exported'
    rows.push([`${what}: added, as a share of what ${variants[peer].label} adds`, ...cells])
  }
  return table(['target', ...frameworks], rows)
}

function verdict(seen, target) {
  return `${withRange(seen)} of ${number(target, 2)}: ${seen.median <= target ? 'met' : '**missed**'}`
}

/** The median and, in brackets, the whole range. */
export function withRange({ median, min, max }, digits = 2) {
  return `${number(median, digits)} (${number(min, digits)} to ${number(max, digits)})`
}

function over(values, others) {
  return values.map((value, i) => value / others[i])
}

function minus(values, others) {
  return values.map((value, i) => value - others[i])
}

export function number(value, digits = 1) {
  return value.toFixed(digits)
}

export function table(head, rows) {
  const line = cells => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
