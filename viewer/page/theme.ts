// The theme: as in the system's settings, until the user changes it.

const KEY = 'tracing-viewer-theme'

type Theme = 'dark' | 'light'

/** Applies the theme that was stored on an earlier visit. */
export function useTheme(): void {
  const stored = read()
  if (stored !== undefined) document.documentElement.dataset.theme = stored
}

/** Changes to the other theme and returns it. */
export function toggleTheme(): Theme {
  const now =
    document.documentElement.dataset.theme ??
    (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')
  const next: Theme = now === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset.theme = next
  try {
    localStorage.setItem(KEY, next)
  } catch {
    // Storage is disabled: the theme lasts until the page is closed.
  }
  return next
}

function read(): Theme | undefined {
  try {
    const stored = localStorage.getItem(KEY)
    return stored === 'dark' || stored === 'light' ? stored : undefined
  } catch {
    return undefined
  }
}
