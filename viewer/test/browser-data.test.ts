// How the page in chromium follows the viewer's data: new, refused, removed, saved and very many spans.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { startViewer } from '../src/index.ts'
import { skipWithoutChromium } from './support/chromium.ts'
import { idOf, sendOtlp, toOtlp } from './support/otlp.ts'
import { failedTrace, usePage } from './support/page.ts'
import { browse, sendShop, wide } from './support/shop.ts'
import { FREE_PORTS } from './support/viewer.ts'

describe('the data of the page', { skip: skipWithoutChromium }, () => {
  const ui = usePage()

  test('new traces and spans are shown when they arrive', async () => {
    await ui.show('#/')
    await ui.count(ui.traces(), 19)
    await ui.traces().nth(3).locator('input').check()
    const port = ui.viewer.ports.otlp as number
    await sendOtlp(port, toOtlp('live', Date.now(), browse(1).slice(0, 2)))
    await ui.count(ui.traces(), 20)
    assert.equal(await ui.traces().nth(4).locator('input').isChecked(), true)
    await ui.show(`#/trace/${idOf('live', 32)}`)
    await ui.count(ui.rows(), 2)
    await ui.page.getByText('GET', { exact: true }).click()
    await sendOtlp(port, toOtlp('live', Date.now(), browse(1).slice(3)))
    await ui.page.getByText('The parent of 1 span has not arrived').waitFor()
    await sendOtlp(port, toOtlp('live', Date.now(), browse(1).slice(2, 3)))
    await ui.count(ui.rows(), 4)
    assert.equal(await ui.page.locator('.row.is-selected').getAttribute('data-index'), '1')
    ui.assertNoErrors()
  })

  test('refused spans and removed traces are mentioned', async () => {
    await fetch(`http://127.0.0.1:${ui.viewer.ports.zipkin}/api/v2/spans`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '[{"traceId":"<b>zz</b>","id":"1"}]',
    })
    await ui.show('#/')
    await ui.page.getByText(/malformed span.*<b>zz<\/b>/).waitFor()
    const small = await startViewer({ ports: FREE_PORTS, limits: { traces: 2 } })
    try {
      await sendShop(small.ports.otlp as number, Date.now())
      await ui.page.goto(small.url)
      await ui.count(ui.traces(), 2)
      await ui.page.getByText('17 old traces').waitFor()
    } finally {
      await small.close()
    }
  })

  test('a trace can be saved and opened again', async () => {
    await ui.show(`#/trace/${failedTrace}`)
    await ui.count(ui.rows(), 14)
    const saving = ui.page.waitForEvent('download')
    await ui.page.getByRole('button', { name: 'Save' }).click()
    const download = await saving
    assert.equal(download.suggestedFilename(), `trace-${failedTrace}.json`)
    const path = await download.path()
    const before = ui.viewer.trace(failedTrace)?.spans
    assert.equal(JSON.parse(await readFile(path, 'utf8')).data[0].spans.length, 14)
    await ui.show('#/')
    await ui.count(ui.traces(), 19)
    await ui.page.getByRole('button', { name: 'Remove all' }).click()
    await ui.page.getByText('Waiting for spans').waitFor()
    await ui.page.locator('input[type=file]').setInputFiles(path)
    await ui.count(ui.rows(), 14)
    assert.deepEqual(ui.viewer.trace(failedTrace)?.spans, before)
    ui.assertNoErrors()
  })

  test('a trace of 10,000 spans: only the visible rows are in the document', async () => {
    await sendOtlp(ui.viewer.ports.otlp as number, toOtlp('wide', Date.now(), wide(10_000)))
    const started = Date.now()
    await ui.show(`#/trace/${idOf('wide', 32)}`)
    await ui.page.getByText('10,000 spans', { exact: true }).waitFor()
    await ui.rows().first().waitFor()
    const loaded = Date.now() - started
    assert.ok(loaded < 4000, `shown after ${loaded} ms`)
    const drawn = await ui.page.evaluate(async () => {
      const list = document.querySelector('.rows') as Element
      for (let i = 0; i < 90; i++) {
        list.scrollTop += 700
        await new Promise(resolve => requestAnimationFrame(resolve))
      }
      await new Promise(resolve => requestAnimationFrame(resolve))
      const rows = [...document.querySelectorAll<HTMLElement>('[role=treeitem]')]
      const indexes = rows.map(row => Number(row.dataset.index))
      const first = list.scrollTop / 30
      return { count: rows.length, hasVisible: indexes.some(index => Math.abs(index - first) <= 1) }
    })
    assert.ok(drawn.count > 10 && drawn.count < 80, `${drawn.count} rows exist`)
    assert.equal(drawn.hasVisible, true, 'the visible rows are drawn')
    const keyed = await ui.page.evaluate(async () => {
      const before = performance.now()
      for (const key of ['End', 'Home', '-', '+', 'e']) {
        dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
      }
      return performance.now() - before
    })
    assert.ok(keyed < 1500, `keys took ${keyed} ms`)
  })
})
