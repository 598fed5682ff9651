// The views of the page in chromium.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { skipWithoutChromium } from './support/chromium.ts'
import { idOf } from './support/otlp.ts'
import { failedSpan, failedTrace, goodTrace, usePage } from './support/page.ts'

describe('the views of the page', { skip: skipWithoutChromium }, () => {
  const ui = usePage()

  test('the list shows traces, newest first, and searches them by every field', async () => {
    await ui.show('#/')
    await ui.count(ui.traces(), 19)
    assert.match((await ui.traces().first().textContent()) ?? '', /GET \/products\/:id/)
    await ui.page.getByLabel('Service').selectOption('payments')
    await ui.count(ui.traces(), 4)
    await ui.page.getByLabel('Failed or aborted').check()
    await ui.count(ui.traces(), 1)
    assert.match(ui.page.url(), /service=payments&errors=true/)
    await ui.page.getByLabel('Failed or aborted').uncheck()
    await ui.page.getByLabel('Service').selectOption('')
    await ui.page.getByLabel('Tags').fill('risk.score=0.12 payment.provider=acme')
    await ui.count(ui.page.locator('.empty h2'), 1)
    await ui.page.getByLabel('Tags').fill('payment.provider=acme')
    await ui.count(ui.traces(), 4)
    await ui.page.getByLabel('Longer than').fill('300ms')
    await ui.count(ui.traces(), 2)
    await ui.page.getByLabel('Shorter than').fill('350ms')
    await ui.count(ui.traces(), 1)
    await ui.page.getByLabel('Longer than').fill('soon')
    await ui.page.getByText('minDuration must be a duration').waitFor()
    await ui.page.getByLabel('Longer than').fill('')
    await ui.page.getByLabel('Shorter than').fill('')
    await ui.page.getByLabel('Tags').fill('')
    await ui.page.getByLabel('Service').selectOption('orders')
    await ui.page.getByLabel('Operation').selectOption('INSERT order')
    await ui.count(ui.traces(), 3)
    // The search is part of the address.
    await ui.page.reload()
    await ui.count(ui.traces(), 3)
    assert.equal(await ui.page.getByLabel('Operation').inputValue(), 'INSERT order')
    // The browser logs the response to the invalid duration.
    ui.assertNoErrors(/status of 400/)
  })

  test('a trace can be opened and collapsed; a span shows its ids, tags and stack, and has an address', async () => {
    await ui.show('#/')
    await ui.traces().nth(1).locator('.trace-link').click()
    await ui.count(ui.rows(), 14)
    assert.equal(await ui.page.locator('h1').textContent(), 'gateway POST /checkout/:id')
    assert.equal(await ui.page.locator('.row.has-error').count(), 6)
    await ui.rows().nth(3).locator('.caret').click()
    await ui.count(ui.rows(), 4)
    assert.equal(await ui.rows().nth(3).getAttribute('aria-expanded'), 'false')
    await ui.rows().nth(3).locator('.caret').click()
    await ui.count(ui.rows(), 14)
    await ui.page.getByText('POST /charges').click()
    const details = ui.page.locator('.details')
    const spanId = failedSpan
    assert.equal(new URL(ui.page.url()).hash, `#/trace/${failedTrace}/span/${spanId}`)
    const text = (await details.textContent()) ?? ''
    assert.match(text, new RegExp(`00-${failedTrace}-${spanId}-01`))
    assert.match(text, new RegExp(`${failedTrace}:${spanId}:${idOf('checkout 4 pay', 16)}:1`))
    assert.match(text, /payment\.provider/)
    const stack = await details.locator('.stack').textContent()
    assert.match(stack ?? '', /^PaymentDeclined: .*\n {4}at charge \(/)
    assert.equal(await details.locator('.stack .faint').count(), 2)
    await ui.page.reload()
    await details.getByText('payment.provider').waitFor()
    assert.equal(await ui.page.locator('.row.is-selected').getAttribute('data-span'), spanId)
    await details.getByLabel('Close').click()
    assert.equal(await details.isVisible(), false)
    ui.assertNoErrors()
  })

  test('ids can be copied, text can be selected', async () => {
    await ui.page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: ui.viewer.url })
    await ui.show(`#/trace/${failedTrace}/span/${failedSpan}`)
    await ui.page.getByLabel('Copy traceparent').focus()
    await ui.page.keyboard.press('Enter')
    await ui.page.getByText('traceparent copied').first().waitFor({ state: 'attached' })
    const copied = await ui.page.evaluate(() => navigator.clipboard.readText())
    assert.equal(copied, `00-${failedTrace}-${failedSpan}-01`)
    const selected = await ui.page.evaluate(() => {
      getSelection()?.selectAllChildren(document.querySelector('.row-operation') as Element)
      return String(getSelection())
    })
    assert.equal(selected, 'POST /checkout/:id')
  })

  test('the critical path fills the root without an overlap', async () => {
    await ui.show(`#/trace/${goodTrace}`)
    await ui.count(ui.rows(), 16)
    const segments = await ui.page
      .locator('.critical')
      .evaluateAll(all =>
        all.map(({ style }) => [
          Number.parseFloat((style as CSSStyleDeclaration).left),
          Number.parseFloat(style.width),
        ]),
      )
    const sum = segments.reduce((total, [, width = 0]) => total + width, 0)
    // The root is shorter than the trace, since a consumer ends after it.
    assert.ok(Math.abs(sum - (212 / 252) * 100) < 0.1, String(sum))
    assert.equal(await ui.page.locator('.critical').first().isVisible(), true)
    await ui.page.getByRole('button', { name: 'Critical path' }).click()
    assert.equal(await ui.page.locator('.critical').first().isVisible(), false)
  })

  test('two traces are compared', async () => {
    await ui.show('#/')
    await ui.count(ui.traces(), 19)
    for (const id of [goodTrace, failedTrace])
      await ui.page.locator(`.trace:has(a[href="#/trace/${id}"]) input`).check()
    await ui.page.getByRole('button', { name: 'Compare (2 of 2)' }).click()
    await ui.page.getByText('14 spans in both, 2 only in A, 0 only in B').waitFor()
    const alone = ui.page.locator('.only-a')
    assert.deepEqual(await alone.locator('.row-operation').allTextContents(), [
      'INSERT order',
      'send confirmation',
    ])
    assert.equal(await ui.page.locator('.row.pair').first().locator('.difference').textContent(), '+21.2 ms')
    await ui.page.keyboard.press('x')
    await ui.page.getByText('14 spans in both, 0 only in A, 2 only in B').waitFor()
    // The address with one trace lists others of the same operation.
    await ui.show(`#/compare/${goodTrace}`)
    await ui.count(ui.page.locator('.choices li'), 3)
    ui.assertNoErrors()
  })

  test('the service map shows services and calls', async () => {
    await ui.show('#/map')
    await ui.count(ui.page.locator('.node'), 5)
    await ui.count(ui.page.locator('.call'), 5)
    const label = ui.page.locator('.call-label', { hasText: 'gateway calls stock' })
    assert.match((await label.textContent()) ?? '', /^15 calls17\.6 ms \/ 32 ms/)
    const row = ui.page.locator('.figures').nth(1).locator('tr', { hasText: 'orderspayments' })
    assert.match((await row.textContent()) ?? '', /orderspayments425 %/)
    await ui.page.locator('.node', { hasText: 'payments' }).click()
    await ui.count(ui.traces(), 4)
    ui.assertNoErrors()
  })

  test('a corrected clock is mentioned; a client and a server with the same id are two rows', async () => {
    const at = Date.now() * 1000
    const span = (
      kind: string,
      service: string,
      id: string,
      timestamp: number,
      duration: number,
      more = {},
    ) => ({
      traceId: 'abc',
      id,
      kind,
      name: 'get',
      timestamp,
      duration,
      localEndpoint: { serviceName: service },
      ...more,
    })
    const response = await fetch(`http://127.0.0.1:${ui.viewer.ports.zipkin}/api/v2/spans`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([
        span('CLIENT', 'front', '1', at, 100_000),
        span('SERVER', 'back', '1', at - 5_000_000, 60_000, { shared: true }),
      ]),
    })
    assert.equal(response.status, 202)
    await ui.show('#/trace/abc')
    await ui.count(ui.rows(), 2)
    await ui.page.getByText('The clocks of the services differ: 1 span shown').waitFor()
    await ui.rows().nth(1).click()
    await ui.page.getByText('Shown 5.02 s later than').waitFor()
    assert.match(ui.page.url(), /span\/0000000000000001\.server$/)
    assert.match((await ui.page.locator('.trace-facts').textContent()) ?? '', /^100 ms/)
  })
})
