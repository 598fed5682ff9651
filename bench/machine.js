// Where the numbers come from, and where they go.

import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'

/** One line on the machine and the method of a run. */
export function describeMachine({ pinned, rounds, seconds }) {
  const [cpu] = cpus()
  const cores = pinned
    ? 'server on one core, clients and backends on another'
    : 'server and clients not pinned'
  const date = new Date().toISOString().slice(0, 10)
  return `${date}, Node ${process.versions.node}, ${cpu.model.trim()} x ${cpus().length}, ${cores}; ${rounds} rounds, ${seconds} s for each route and variant in each.`
}

// What the page is written for; a run on another has its own place there.
const NODE = '20'

/** Replaces a part of docs/performance.md: between `<!-- name -->` and `<!-- /name -->`, or `<!-- name, Node 24 -->`. */
export async function publish(name, text) {
  const file = new URL('../docs/performance.md', import.meta.url)
  const page = await readFile(file, 'utf8')
  const [major] = process.versions.node.split('.')
  const place = major === NODE ? name : `${name}, Node ${major}`
  const start = `<!-- ${place} -->`
  const end = `<!-- /${place} -->`
  const [before, rest] = page.split(start)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`docs/performance.md has no ${start} ... ${end}`)
  await writeFile(file, `${before}${start}\n${text}\n${end}${after}`)
}
