// The traces of `npm run demo` on the page, in a real browser. Needs chromium, as page.test.ts does, and `npm run build` of
// both packages.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findChromium, launchChromium } from './support/chromium.ts'

const chromium = findChromium()
const isCi = process.env.CI !== undefined && process.env.CI !== ''
const skip = chromium === undefined && !isCi ? 'chromium is not installed, and this is not CI' : false

test("the demo's traces are searched, opened, collapsed and compared", { skip }, async t => {
  assert.ok(chromium, 'chromium must be installed in CI')
  const demo = spawn(
    process.execPath,
    [fileURLToPath(new URL('../../examples/demo/run.js', import.meta.url))],
    { stdio: 'pipe' },
  )
  const ended = new Promise(resolve => demo.once('close', resolve))
  t.after(async () => {
    demo.kill('SIGTERM')
    await ended
  })
  let said = ''
  for (const stream of [demo.stdout, demo.stderr]) {
    stream.on('data', data => {
      said += data
    })
  }
  let url: string | undefined
  for (let i = 0; i < 600 && url === undefined && demo.exitCode === null; i++) {
    await new Promise(resolve => setTimeout(resolve, 50))
    url = /http:\/\/(?:127\.0\.0\.1|localhost):\d+(?=\s|$)/.exec(
      said.slice(said.indexOf('traces are whole')),
    )?.[0]
  }
  assert.ok(url, `the demo told no address:\n${said}`)

  const browser = await launchChromium(chromium)
  t.after(() => browser.close())
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  page.setDefaultTimeout(5000)
  const traces = page.locator('.trace')
  const rows = page.locator('[role=treeitem]')
  await page.goto(url)
  await traces.nth(2).waitFor()
  assert.equal(await traces.count(), 3)
  assert.equal(await page.locator('.trace .mark-aborted').count(), 1)
  const ids = await page
    .locator('.trace-link')
    .evaluateAll(all => all.map(a => a.getAttribute('href')?.slice(8)))

  await page.getByLabel('Service').selectOption('stock')
  await page.getByLabel('Failed or aborted').check()
  await page.waitForURL(/errors=true/)
  await traces.nth(2).waitFor({ state: 'detached' })
  assert.equal(await traces.count(), 2, 'the one that failed and the one that was abandoned')

  await page.locator('.trace.has-error .trace-link').click()
  await rows.nth(6).waitFor()
  assert.equal(await rows.count(), 7)
  await rows.nth(2).locator('.caret').click()
  await rows.nth(3).waitFor({ state: 'detached' })
  await page.keyboard.press('e')
  await page.keyboard.press('End')
  await page.locator('.details .tags').first().waitFor()
  const header = await page.getByLabel('Copy traceparent').count()
  assert.equal(header, 1)

  await page.goto(`${url}/#/compare/${ids[2]}/${ids[1]}`)
  await page.getByText('7 spans in both, 0 only in A, 0 only in B').waitFor()
  await page.goto(`${url}/#/map`)
  await page.locator('.call').nth(1).waitFor()
  assert.equal(await page.locator('.node').count(), 3)
})
