// The traces of `npm run demo` on the page, in chromium. Needs `npm run build` of both packages.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { launchChromium, skipWithoutChromium } from './support/chromium.ts'
import { eventually } from './support/viewer.ts'

test('the traces of the demo can be searched, opened, collapsed and compared', {
  skip: skipWithoutChromium,
}, async t => {
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
  let output = ''
  for (const stream of [demo.stdout, demo.stderr]) {
    stream.on('data', data => {
      output += data
    })
  }
  const addressAfterTraces = /traces are whole.*(http:\/\/(?:127\.0\.0\.1|localhost):\d+)\s/s
  const hasEnded = () => demo.exitCode !== null
  await eventually(() => addressAfterTraces.test(output) || hasEnded(), 'the demo prints its address', 30_000)
  const url = addressAfterTraces.exec(output)?.[1] ?? assert.fail(`the demo printed no address:\n${output}`)

  const browser = await launchChromium()
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
  assert.equal(await traces.count(), 2, 'one with an error and one that the client aborted')

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
