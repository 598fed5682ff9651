// Dark or light: as the system has it, until someone says otherwise here.

const KEY = 'tracing-middleware-theme'

type Theme = 'dark' | 'light'

/** Applies what was chosen on an earlier visit. */
export function useTheme(): void {
  const chosen = read()
  if (chosen !== undefined) document.documentElement.dataset.theme = chosen
}

/** Changes to the other theme, and says which that is. */
export function toggleTheme(): Theme {
  const now =
    document.documentElement.dataset.theme ??
    (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')
  const next: Theme = now === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset.theme = next
  try {
    localStorage.setItem(KEY, next)
  } catch {
    // A browser that keeps nothing: the choice holds until the page is left.
  }
  return next
}

function read(): Theme | undefined {
  try {
    const kept = localStorage.getItem(KEY)
    return kept === 'dark' || kept === 'light' ? kept : undefined
  } catch {
    return undefined
  }
}
