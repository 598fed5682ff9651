// A viewer with the traces of the shop, and its page in chromium. The page must be built: `npm run build:page`.

import assert from 'node:assert/strict'
import { after, before, beforeEach } from 'node:test'
import type { Browser, Locator, Page } from 'playwright-core'
import { startViewer, type Viewer } from '../../src/index.ts'
import { launchChromium, showView } from './chromium.ts'
import { idOf } from './otlp.ts'
import { sendShop } from './shop.ts'
import { FREE_PORTS } from './viewer.ts'

/** The trace of the shop with an error, and its span with the error. */
export const failedTrace: string = idOf('checkout 4', 32)
export const failedSpan: string = idOf('checkout 4 pm', 16)
/** A trace without an error. */
export const goodTrace: string = idOf('checkout 1', 32)

/** What the tests of the page use. */
export interface PageTest {
  readonly viewer: Viewer
  readonly page: Page
  /** Opens an address of the page, and waits until its view is drawn. */
  show(hash: string): Promise<void>
  /** The rows of the timeline. */
  rows(): Locator
  /** The rows of the trace list. */
  traces(): Locator
  /** Waits until there are so many elements. */
  count(elements: Locator, expected: number): Promise<void>
  /** Fails when the browser has logged an error or a warning, such as a violation of the content security policy. */
  assertNoErrors(except?: RegExp): void
}

/** Starts chromium and a viewer for the tests of a suite; each test begins with the traces of the shop. */
export function usePage(): PageTest {
  let browser: Browser | undefined
  let viewer: Viewer | undefined
  let page: Page | undefined
  const errors: string[] = []

  before(async () => {
    browser = await launchChromium()
    viewer = await startViewer({ ports: FREE_PORTS })
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    page.setDefaultTimeout(10_000)
    // tsx adds calls of this helper to functions, also to those that run in the page.
    await page.addInitScript('globalThis.__name = value => value')
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
    })
    page.on('pageerror', error => errors.push(String(error)))
  })

  after(async () => {
    await browser?.close()
    await viewer?.close()
  })

  beforeEach(async () => {
    assert.ok(page !== undefined && viewer !== undefined)
    // A change of the fragment alone would not reload the page.
    await page.goto('about:blank')
    viewer.clear()
    errors.length = 0
    await sendShop(viewer.ports.otlp as number, Date.now())
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.emulateMedia({ colorScheme: 'light' })
  })

  return {
    get viewer() {
      assert.ok(viewer)
      return viewer
    },
    get page() {
      assert.ok(page)
      return page
    },
    async show(hash) {
      await showView(this.page, this.viewer.url, hash)
    },
    rows() {
      return this.page.locator('[role=treeitem]')
    },
    traces() {
      return this.page.locator('.trace')
    },
    async count(elements, expected) {
      let found = -1
      const deadline = Date.now() + 10_000
      while (found !== expected && Date.now() < deadline) {
        found = await elements.count()
        if (found !== expected) await this.page.waitForTimeout(20)
      }
      assert.equal(found, expected)
    },
    assertNoErrors(except) {
      const unexpected = except === undefined ? errors : errors.filter(text => !except.test(text))
      assert.deepEqual(unexpected, [])
    },
  }
}
