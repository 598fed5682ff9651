// The meter's page of text.

import type { FormatName } from './find-headers.ts'
import type { CallerCounts, FormatCounts, IncomingCounts, MeterReading } from './meter.ts'

const NAMED_CALLERS = 5
const COLUMNS = ['seen', 'used', 'needed', 'conflict', 'rejected', 'dropped'] as const

/** Writes a reading as one page: a table per direction, and per incoming format whether it may be switched off. */
export function writeReport(reading: MeterReading, now: number): string {
  const { incoming, outgoing } = reading
  const lines = [
    `Trace headers in ${duration(now - reading.since)}, since ${new Date(reading.since).toISOString()}`,
    '',
    `Incoming: ${count(incoming.carriers)} carriers, ${count(incoming.withoutTrace)} without a valid trace`,
    ...table(incoming.formats),
    '',
    `Outgoing: ${count(outgoing.carriers)} carriers`,
    ...table(outgoing.formats),
    '',
    'May a format be taken off `extract`?',
    ...Object.keys(incoming.formats).map(name => `  ${verdict(reading, name as FormatName)}`),
    '',
    'May a format be taken off `inject`? When the meters of all receivers say so.',
  ]
  if (reading.callers.length === 0 && incoming.carriers > 0) {
    lines.push(
      '',
      'To see who sends what, name a header that tells the caller: propagation: { callerHeader }.',
    )
  }
  if (reading.otherCallers > 0) {
    lines.push('', `${count(reading.otherCallers)} carriers of further callers are not told apart.`)
  }
  return `${lines.join('\n')}\n`
}

function table(formats: Partial<Record<FormatName, FormatCounts | IncomingCounts>>): string[] {
  const rows = Object.entries(formats)
  if (rows.length === 0) return ['  no format is listed']
  const columns = COLUMNS.filter(column => column in (rows[0] as [string, object])[1])
  const line = (name: string, cells: readonly string[]) =>
    `  ${name.padEnd(14)}${cells.map(cell => cell.padStart(12)).join('')}`
  return [
    line('', columns),
    ...rows.map(([name, counts]) =>
      line(
        name,
        columns.map(column => count((counts as IncomingCounts)[column])),
      ),
    ),
  ]
}

function verdict(reading: MeterReading, name: FormatName): string {
  const { carriers, formats } = reading.incoming
  const { seen, needed } = formats[name] as IncomingCounts
  if (carriers === 0) return `${name}: not known, nothing came in yet`
  if (seen === 0) return `${name}: yes, nobody sent it`
  if (needed === 0) return `${name}: yes, nothing was told in it alone; sent${senders(reading, name, 'seen')}`
  const share = (100 * needed) / carriers
  const percent = share < 0.1 ? 'under 0.1' : share.toFixed(1)
  return `${name}: NOT YET, ${count(needed)} carriers (${percent} %) told something in it alone, sent${senders(reading, name, 'needed')}`
}

/** The callers with the highest counts; their names are the callers' own words. */
function senders(reading: MeterReading, name: FormatName, which: keyof CallerCounts): string {
  const ranked = reading.callers
    .map(({ caller, formats }) => ({ caller, times: formats[name]?.[which] ?? 0 }))
    .filter(({ times }) => times > 0)
    .sort((a, b) => b.times - a.times)
  if (ranked.length === 0) return ' by callers that gave no name'
  const named = ranked
    .slice(0, NAMED_CALLERS)
    .map(({ caller, times }) => `${printable(caller)} (${count(times)})`)
  const more = ranked.length - named.length
  return ` by ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function duration(ms: number): string {
  const minutes = Math.floor(Math.max(ms, 0) / 60_000)
  if (minutes < 1) return 'less than a minute'
  if (minutes < 120) return `${minutes} minutes`
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} hours` : `${Math.floor(minutes / 1440)} days`
}
