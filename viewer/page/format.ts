// Numbers and times as text.

export { formatDuration } from '../src/duration.ts'

/** `14:03:07.512`, with the date when it is not today. */
export function formatTime(microseconds: number): string {
  const date = new Date(microseconds / 1000)
  const time = `${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}:${twoDigits(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`
  return date.toDateString() === new Date().toDateString() ? time : `${formatDate(date)} ${time}`
}

function formatDate(date: Date): string {
  return `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}

/** `5 spans`, `1 span`. */
export function plural(count: number, noun: string, nouns: string = `${noun}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? noun : nouns}`
}

/** `1.2 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** A share as a whole per cent; `< 1 %` for a small share that is not zero. */
export function formatShare(part: number, whole: number): string {
  if (part === 0 || whole === 0) return '0 %'
  const share = (part / whole) * 100
  return share < 1 ? '< 1 %' : `${Math.round(share)} %`
}
