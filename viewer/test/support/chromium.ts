// Starts chromium, for the tests of the page and for the screenshots.

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** The path of chromium: `CHROMIUM_PATH`, or the first on the PATH; undefined without one. */
function findChromium(): string | undefined {
  const configured = process.env.CHROMIUM_PATH
  if (configured !== undefined) return configured
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.flatMap(folder => NAMES.map(name => join(folder, name))).find(isExecutable)
}

const isCi = process.env.CI !== undefined && process.env.CI !== ''

/** For the option `skip` of a test. Without chromium a test is skipped, but fails in CI. */
export const skipWithoutChromium: string | false =
  findChromium() === undefined && !isCi ? 'chromium is not installed, and this is not CI' : false

/** Starts chromium with an empty profile, and without requests of its own. */
export function launchChromium(): Promise<Browser> {
  const executablePath = findChromium()
  if (executablePath === undefined) {
    throw new Error('chromium is not installed: apt-get install chromium, or set CHROMIUM_PATH')
  }
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Opens an address of the viewer's page, and waits until its view is drawn. */
export async function showView(page: Page, url: string, hash: string): Promise<void> {
  await page.goto(`${url}/${hash}`)
  for (const selector of lastDrawnIn(hash)) await page.locator(selector).first().waitFor()
}

/** What a view draws last. */
function lastDrawnIn(hash: string): string[] {
  const [, view, , third] = hash.split('/')
  switch (view) {
    case 'trace':
      return third === 'span' ? ['[role=treeitem]', '.details .tags'] : ['[role=treeitem]']
    case 'map':
      return ['.figures td']
    case 'compare':
      return [third === undefined ? '.choices li, .empty' : '.pair[role=option]']
    default:
      return ['.trace, .empty']
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
