// A sampler per kind of trace: by operation, route, method or tag.

import { type Checks, checkOptions, show } from '../../core/settings/check-options.ts'
import { aText, isObject } from '../../core/settings/option-kinds.ts'
import { pathOf, RouteTable } from './route-table.ts'
import { alwaysSampler, aSampler, type Sampler, type SampleState } from './sampler.ts'

/** One rule: all that it names must fit. */
export interface SamplingRule {
  /** The name of the span at its start. A request's is its method (with Fastify method and route): use `route` for those. */
  operation?: string | RegExp
  /**
   * A route's template, `'/users/:id'` or `'/static/*'`: the tag `http.route` if the framework knows it at the start,
   * else what the path of `http.url` has to fit.
   */
  route?: string
  /** The tag `http.method`. */
  method?: string | readonly string[]
  /** Tags that the span has at its start, with these values; text may be a pattern. */
  tags?: Readonly<Record<string, string | number | boolean | RegExp>>
  /** Who decides about what fits. */
  sampler: Sampler
}

type Test = (state: SampleState) => boolean

const isWanted = (value: unknown): boolean =>
  value instanceof RegExp || ['string', 'number', 'boolean'].includes(typeof value)

const RULE: Checks<SamplingRule> = {
  operation: [value => typeof value === 'string' || value instanceof RegExp, 'a text or a RegExp'],
  route: [value => typeof value === 'string' && value.startsWith('/'), "a template, such as '/users/:id'"],
  method: [
    value => [value].flat().length > 0 && [value].flat().every(method => aText[0](method)),
    "a method, or a list of them, such as 'GET'",
  ],
  tags: [
    value => isObject(value) && Object.values(value).every(isWanted),
    "an object of texts, numbers, booleans and patterns, such as { 'user.plan': 'gold' }",
  ],
  sampler: aSampler,
}

/**
 * Asks the sampler of the first rule that fits.
 *
 * @param otherwise for what no rule fits
 * @throws TypeError naming the rule, the value and the fix
 * @example
 * rulesSampler([
 *   { route: '/health', sampler: neverSampler() },
 *   { route: '/checkout', method: 'POST', sampler: alwaysSampler() },
 * ], ratioSampler(0.1))
 */
export function rulesSampler(rules: readonly SamplingRule[], otherwise: Sampler = alwaysSampler()): Sampler {
  if (!Array.isArray(rules)) throw new TypeError(`rulesSampler takes a list of rules, not ${show(rules)}`)
  if (!aSampler[0](otherwise))
    throw new TypeError(`rulesSampler: otherwise must be ${aSampler[1]}, not ${show(otherwise)}`)
  const tested = rules.map((rule: SamplingRule, i) => {
    if (!isObject(rule)) throw new TypeError(`rulesSampler: rules[${i}] must be a rule, not ${show(rule)}`)
    checkOptions('rulesSampler', RULE, rule, { prefix: `rules[${i}].` })
    if (rule.sampler === undefined)
      throw new TypeError(`rulesSampler: rules[${i}].sampler is missing; give it ${aSampler[1]}`)
    return { sampler: rule.sampler, fits: createTest(rule) }
  })
  const samplers = new Set([...tested.map(({ sampler }) => sampler), otherwise])
  return {
    sample(state) {
      for (const { fits, sampler } of tested) if (fits(state)) return sampler.sample(state)
      return otherwise.sample(state)
    },
    start(serviceName, onError) {
      for (const sampler of samplers) sampler.start?.(serviceName, onError)
    },
    close() {
      for (const sampler of samplers) sampler.close?.()
    },
  }
}

function createTest({ operation, route, method, tags }: SamplingRule): Test {
  const tests: Test[] = []
  if (operation !== undefined) {
    const fits = createValueTest(operation)
    tests.push(state => fits(state.operationName))
  }
  if (method !== undefined) {
    const methods = new Set([method].flat())
    tests.push(state => methods.has(state.tags['http.method'] as string))
  }
  for (const [tag, wanted] of Object.entries(tags ?? {})) {
    const fits = createValueTest(wanted)
    tests.push(state => fits(state.tags[tag]))
  }
  if (route !== undefined) {
    const table = new RouteTable<true>()
    table.add(route, true)
    tests.push(({ tags: { 'http.route': known, 'http.url': url } }) =>
      typeof known === 'string'
        ? known === route
        : typeof url === 'string' && table.find(pathOf(url)) === true,
    )
  }
  return state => tests.every(test => test(state))
}

function createValueTest(wanted: string | number | boolean | RegExp): (value: unknown) => boolean {
  if (!(wanted instanceof RegExp)) return value => value === wanted
  // Without g and y: those make a pattern remember where its last match ended.
  const pattern = new RegExp(wanted.source, wanted.flags.replace(/[gy]/g, ''))
  return value => typeof value === 'string' && pattern.test(value)
}
