// The page in chromium: keyboard, contrast, themes, narrow windows, screen readers.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { skipWithoutChromium } from './support/chromium.ts'
import { failedSpan, failedTrace, goodTrace, usePage } from './support/page.ts'

describe('access to the page', { skip: skipWithoutChromium }, () => {
  const ui = usePage()

  test('all views can be used with the keyboard', async () => {
    await ui.show('#/')
    await ui.count(ui.traces(), 19)
    await ui.page.keyboard.press('/')
    assert.equal(await ui.page.evaluate(() => document.activeElement?.getAttribute('name')), 'tags')
    await ui.page.keyboard.press('Escape')
    await ui.page.keyboard.press('j')
    await ui.page.keyboard.press('j')
    await ui.page.keyboard.press('Enter')
    await ui.count(ui.rows(), 14)
    await ui.page.keyboard.press('e')
    assert.equal(await ui.page.locator('.row.is-selected').getAttribute('data-index'), '0')
    await ui.page.keyboard.press('e')
    assert.equal(await ui.page.locator('.row.is-selected').getAttribute('data-index'), '2')
    await ui.page.keyboard.press('Shift+E')
    assert.equal(await ui.page.locator('.row.is-selected').getAttribute('data-index'), '0')
    await ui.page.keyboard.press('ArrowLeft')
    await ui.count(ui.rows(), 1)
    await ui.page.keyboard.press('ArrowRight')
    await ui.count(ui.rows(), 14)
    await ui.page.keyboard.press('End')
    assert.equal(await ui.page.locator('.row.is-selected').getAttribute('data-index'), '13')
    await ui.page.keyboard.press('-')
    await ui.count(ui.rows(), 1)
    await ui.page.keyboard.press('+')
    await ui.count(ui.rows(), 14)
    await ui.page.keyboard.press('p')
    assert.equal(
      await ui.page.getByRole('button', { name: 'Critical path' }).getAttribute('aria-pressed'),
      'false',
    )
    await ui.page.keyboard.press('z')
    assert.notEqual(await ui.page.locator('.ruler span').first().textContent(), '0')
    await ui.page.keyboard.press('?')
    assert.equal(await ui.page.getByRole('dialog').isVisible(), true)
    assert.match(
      (await ui.page.getByRole('dialog').textContent()) ?? '',
      /OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/tempo:4318/,
    )
    await ui.page.keyboard.press('Escape')
    await ui.page.locator('dialog').waitFor({ state: 'hidden' })
    await ui.page.keyboard.press('Escape')
    await ui.page.locator('.details').waitFor({ state: 'hidden' })
    await ui.page.keyboard.press('Escape')
    await ui.count(ui.traces(), 19)
    await ui.page.keyboard.press('j')
    await ui.page.keyboard.press('x')
    await ui.page.keyboard.press('j')
    await ui.page.keyboard.press('x')
    await ui.page.keyboard.press('c')
    await ui.page.locator('.pair').first().waitFor()
    await ui.page.keyboard.press('2')
    await ui.page.locator('.map-drawing').waitFor()
    await ui.page.keyboard.press('1')
    await ui.count(ui.traces(), 19)
    ui.assertNoErrors()
  })

  for (const scheme of ['light', 'dark'] as const) {
    test(`the ${scheme} theme has enough contrast`, async () => {
      await ui.page.emulateMedia({ colorScheme: scheme })
      await ui.show(`#/trace/${failedTrace}/span/${failedSpan}`)
      await ui.count(ui.rows(), 14)
      const poor = await ui.page.evaluate(lowContrast)
      assert.deepEqual(poor, [])
      await ui.show('#/')
      await ui.count(ui.traces(), 19)
      assert.deepEqual(await ui.page.evaluate(lowContrast), [])
    })
  }

  test('the theme can be changed, and is stored', async () => {
    await ui.show('#/')
    const ground = () => ui.page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const light = await ground()
    await ui.page.keyboard.press('t')
    const dark = await ground()
    assert.notEqual(light, dark)
    await ui.page.reload()
    assert.equal(await ground(), dark)
    await ui.page.keyboard.press('t')
    assert.equal(await ground(), light)
    await ui.page.evaluate(() => localStorage.clear())
  })

  test('the page fits a narrow window', async () => {
    await ui.page.setViewportSize({ width: 360, height: 640 })
    for (const hash of [
      '#/',
      `#/trace/${failedTrace}/span/${failedSpan}`,
      '#/map',
      `#/compare/${goodTrace}/${failedTrace}`,
    ]) {
      await ui.show(hash)
      const wider = await ui.page.evaluate(() => {
        const view = document.querySelector('.view') as Element
        return Math.max(document.documentElement.scrollWidth, view.scrollWidth) - innerWidth
      })
      assert.ok(wider <= 0, `${hash} is ${wider} px too wide`)
    }
  })

  test('screen readers get names for all controls and rows', async () => {
    await ui.show(`#/trace/${failedTrace}/span/${failedSpan}`)
    await ui.count(ui.rows(), 14)
    const tree = ui.page.getByRole('tree', { name: 'Spans' })
    assert.equal(await tree.getAttribute('aria-activedescendant'), 'row-11')
    const label = await ui.rows().nth(11).getAttribute('aria-label')
    assert.match(
      label ?? '',
      /^payments, POST \/charges, .* status 500, error PaymentDeclined: the card was declined/,
    )
    assert.equal(await ui.rows().nth(11).getAttribute('aria-level'), '5')
    for (const hash of ['#/', `#/trace/${failedTrace}/span/${failedSpan}`, '#/map']) {
      await ui.show(hash)
      const nameless = await ui.page
        .locator('button, a[href], input, select')
        .evaluateAll(all =>
          all
            .filter(
              element =>
                !(
                  element.getAttribute('aria-label') ||
                  element.textContent?.trim() ||
                  element.closest('label')?.textContent
                ),
            )
            .map(element => element.outerHTML),
        )
      assert.deepEqual(nameless, [], hash)
      assert.equal(await ui.page.locator('h1').count(), 1, hash)
    }
  })
})

/** Texts with a contrast below 4.5 to 1, which WCAG 2.1 requires (1.4.3). Runs in the page. */
function lowContrast(): string[] {
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = 1
  const pen = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D
  const toRgb = (colours: string[]) => {
    pen.clearRect(0, 0, 1, 1)
    for (const colour of colours) {
      pen.fillStyle = colour
      pen.fillRect(0, 0, 1, 1)
    }
    return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)]
  }
  const luminance = (rgb: number[]) => {
    const [r = 0, g = 0, b = 0] = rgb.map(value => {
      const part = value / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const poor: string[] = []
  for (const element of document.querySelectorAll('body *')) {
    const ownText = [...element.childNodes].some(
      node => node.nodeType === 3 && (node.textContent ?? '').trim() !== '',
    )
    const box = element.getBoundingClientRect()
    if (
      !ownText ||
      box.width < 2 ||
      element.closest('.visually-hidden, .toast, :disabled, .is-within') !== null
    )
      continue
    const behind: string[] = []
    for (let at: Element | null = element; at !== null; at = at.parentElement)
      behind.unshift(getComputedStyle(at).backgroundColor)
    const ground = luminance(toRgb(behind))
    const ink = luminance(toRgb([...behind, getComputedStyle(element).color]))
    const ratio = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05)
    if (ratio < 4.5)
      poor.push(`${element.className} "${element.textContent?.slice(0, 30)}" ${ratio.toFixed(2)}`)
  }
  return [...new Set(poor)]
}
