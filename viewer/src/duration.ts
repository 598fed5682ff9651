/** A duration with three digits, in the unit that suits it: `870 µs`, `12.3 ms`, `1.25 s`, `3 min 4 s`. */
export function formatDuration(microseconds: number): string {
  if (microseconds < 999.5) return `${round(microseconds)} µs`
  if (microseconds < 999_500) return `${round(microseconds / 1000)} ms`
  if (microseconds < 59_950_000) return `${round(microseconds / 1_000_000)} s`
  const seconds = Math.round(microseconds / 1_000_000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)))
}
