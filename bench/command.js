// What the command lines of all benchmarks have in common.

import { parseArgs } from 'node:util'

/**
 * The options that were given. `--help` prints `help`, and ends the process.
 *
 * @param defaults by name: a text, false for a switch, or undefined for a text that may be left out
 */
export function readOptions(help, defaults) {
  const options = { help: { type: 'boolean', default: false } }
  for (const [name, value] of Object.entries(defaults)) {
    const type = typeof value === 'boolean' ? 'boolean' : 'string'
    options[name] = value === undefined ? { type } : { type, default: value }
  }
  const { values } = parseArgs({ options })
  if (values.help) {
    console.log(help)
    process.exit()
  }
  return values
}

/** The items of an option, each of which has to be known. */
export function listed(text, known, option) {
  const items = text.split(',')
  const unknown = items.find(item => !known.includes(item))
  if (unknown !== undefined) throw new TypeError(`${option}: ${unknown} is none of ${known.join(', ')}`)
  return items
}
