// Environment variables. A value that cannot be understood is reported once and left out: a typing error there must not keep
// a service from starting.

import { redactText } from '../text/redact.ts'
import { messageOf, type Report } from './report.ts'

/** Reads environment variables. */
export interface Environment {
  /**
   * The first of `names` that is set; an empty variable counts as not set.
   *
   * @param parse gives undefined, or throws, for a text that cannot be understood; that is reported together with `instead`
   */
  read<T>(names: readonly string[], parse: (text: string) => T | undefined, instead: string): T | undefined
  /** Reports a part of a variable that is left out. */
  readonly report: Report
}

export function isSet(name: string): boolean {
  return (process.env[name]?.trim() ?? '') !== ''
}

export function createEnvironment(report: Report): Environment {
  return {
    report,
    read(names, parse, instead) {
      const name = names.find(isSet)
      if (name === undefined) return undefined
      const text = process.env[name]?.trim() ?? ''
      let reason = ''
      try {
        const value = parse(text)
        if (value !== undefined) return value
      } catch (error) {
        reason = ` (${messageOf(error)})`
      }
      // Headers hold keys of vendors, and URLs passwords: neither belongs into a log.
      const shown = name.endsWith('HEADERS') ? 'its value' : JSON.stringify(text) + reason
      report(name, new TypeError(redactText(`${shown} is not understood; instead: ${instead}`)))
      return undefined
    },
  }
}

export function toText(text: string): string {
  return text
}

export function toFlag(text: string): boolean | undefined {
  const lower = text.toLowerCase()
  return lower === 'true' ? true : lower === 'false' ? false : undefined
}

export function toNumber(text: string): number | undefined {
  const number = Number(text)
  return Number.isFinite(number) ? number : undefined
}

export function toCount(text: string): number | undefined {
  const number = Number(text)
  return Number.isSafeInteger(number) && number > 0 ? number : undefined
}

export function toMilliseconds(text: string): number | undefined {
  const number = Number(text)
  return number > 0 && number < 2 ** 31 ? number : undefined
}

export function toList(text: string): string[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

/** `key=value,key2=value2` */
export function toPairs(text: string, read: (value: string) => string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const item of toList(text)) {
    const pair = toPair(item)
    if (pair === undefined) throw new TypeError(`'${item}' is no pair of key and value`)
    found[pair[0]] = read(pair[1])
  }
  return found
}

function toPair(text: string): [key: string, value: string] | undefined {
  const equals = text.indexOf('=')
  return equals < 1 ? undefined : [text.slice(0, equals).trim(), text.slice(equals + 1).trim()]
}

/**
 * Tags of the process, `key=value,key2=${VARIABLE:default}`. A variable that is not set, without a default, gives no tag.
 *
 * @see https://github.com/jaegertracing/jaeger-client-node#environment-variables
 */
export function tagsOfJaegerEnvironment(report: Report): Record<string, string> {
  const tags: Record<string, string> = {}
  for (const item of toList(process.env.JAEGER_TAGS ?? '')) {
    const pair = toPair(item)
    if (pair === undefined) {
      report('JAEGER_TAGS', new TypeError(`'${item}' is not of the form key=value; it is left out`))
      continue
    }
    const [key, text] = pair
    const [, variable = '', fallback] = /^\$\{([^:}]*)(?::(.*))?\}$/.exec(text) ?? []
    const value = variable === '' ? text : process.env[variable] || fallback
    if (value) tags[key] = value
  }
  return tags
}

/** Without the entries that are undefined. */
export function known<T extends object>(settings: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T
}
