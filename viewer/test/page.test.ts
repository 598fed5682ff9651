// The page in a real browser. Needs chromium (`apt-get install chromium`, or CHROMIUM_PATH): without one these tests are
// skipped, except where the environment says CI, where they fail.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { after, before, beforeEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { startViewer, type Viewer } from '../src/index.ts'
import { findChromium, launchChromium } from './support/chromium.ts'
import { browse, idOf, sendOtlp, sendShop, toOtlp, wide } from './support/samples.ts'

const chromium = findChromium()
const isCi = process.env.CI !== undefined && process.env.CI !== ''
const skip = chromium === undefined && !isCi ? 'chromium is not installed, and this is not CI' : false

const ANY = { otlp: 0, jaeger: 0, jaegerCompact: 0, jaegerBinary: 0, zipkin: 0, page: 0 }

describe("the viewer's page", { skip }, () => {
  let browser: Browser
  let viewer: Viewer
  let page: Page
  const complaints: string[] = []

  before(async () => {
    assert.ok(chromium, 'chromium must be installed in CI')
    execFileSync(process.execPath, [
      fileURLToPath(new URL('../scripts/build.mjs', import.meta.url)),
      '--page',
    ])
    browser = await launchChromium(chromium)
    viewer = await startViewer({ ports: ANY })
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    page.setDefaultTimeout(5000)
    // tsx names functions by a helper of its own, which those that run in the page would miss.
    await page.addInitScript('globalThis.__name = value => value')
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', error => complaints.push(String(error)))
  })

  after(async () => {
    await browser?.close()
    await viewer?.close()
  })

  beforeEach(async () => {
    // To nowhere, and first: an address that differs by its fragment alone would not load the page anew, and a page that
    // still shows a trace asks for it once more when it is cleared.
    await page.goto('about:blank')
    viewer.clear()
    complaints.length = 0
    await sendShop(viewer.ports.otlp as number, Date.now())
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.emulateMedia({ colorScheme: 'light' })
  })

  const show = (hash: string) => page.goto(`${viewer.url}/${hash}`)
  const failed = idOf('checkout 4', 32)
  const rows = () => page.locator('[role=treeitem]')
  const traces = () => page.locator('.trace')
  const count = async (what: ReturnType<typeof rows>, wanted: number) => {
    for (let i = 0; i < 100 && (await what.count()) !== wanted; i++) await page.waitForTimeout(20)
    assert.equal(await what.count(), wanted)
  }
  /** Nothing was refused by the page's policy, nothing threw. */
  const isQuiet = () => assert.deepEqual(complaints, [])

  test('lists traces, newest first, and finds them by service, operation, tag, duration and failure', async () => {
    await show('#/')
    await count(traces(), 19)
    assert.match((await traces().first().textContent()) ?? '', /GET \/products\/:id/)
    await page.getByLabel('Service').selectOption('payments')
    await count(traces(), 4)
    await page.getByLabel('Failed or aborted').check()
    await count(traces(), 1)
    assert.match(page.url(), /service=payments&errors=true/)
    await page.getByLabel('Failed or aborted').uncheck()
    await page.getByLabel('Service').selectOption('')
    await page.getByLabel('Tags').fill('risk.score=0.12 payment.provider=acme')
    await count(page.locator('.empty h2'), 1)
    await page.getByLabel('Tags').fill('payment.provider=acme')
    await count(traces(), 4)
    await page.getByLabel('Longer than').fill('300ms')
    await count(traces(), 2)
    await page.getByLabel('Shorter than').fill('350ms')
    await count(traces(), 1)
    await page.getByLabel('Longer than').fill('soon')
    await page.getByText('minDuration must be a duration').waitFor()
    await page.getByLabel('Longer than').fill('')
    await page.getByLabel('Shorter than').fill('')
    await page.getByLabel('Tags').fill('')
    await page.getByLabel('Service').selectOption('orders')
    await page.getByLabel('Operation').selectOption('INSERT order')
    await count(traces(), 3)
    // The address carries the search.
    await page.reload()
    await count(traces(), 3)
    assert.equal(await page.getByLabel('Operation').inputValue(), 'INSERT order')
    complaints.splice(0, complaints.length, ...complaints.filter(text => !text.includes('400')))
    isQuiet()
  })

  test('opens a trace, collapses it, shows a span with its ids, tags and stack, and links to it', async () => {
    await show('#/')
    await traces().nth(1).locator('.trace-link').click()
    await count(rows(), 14)
    assert.equal(await page.locator('h1').textContent(), 'gateway POST /checkout/:id')
    assert.equal(await page.locator('.row.has-error').count(), 6)
    await rows().nth(3).locator('.caret').click()
    await count(rows(), 4)
    assert.equal(await rows().nth(3).getAttribute('aria-expanded'), 'false')
    await rows().nth(3).locator('.caret').click()
    await count(rows(), 14)
    await page.getByText('POST /charges').click()
    const details = page.locator('.details')
    const spanId = idOf('checkout 4 pm', 16)
    assert.equal(new URL(page.url()).hash, `#/trace/${failed}/span/${spanId}`)
    const text = (await details.textContent()) ?? ''
    assert.match(text, new RegExp(`00-${failed}-${spanId}-01`))
    assert.match(text, new RegExp(`${failed}:${spanId}:${idOf('checkout 4 pay', 16)}:1`))
    assert.match(text, /payment\.provider/)
    const stack = await details.locator('.stack').textContent()
    assert.match(stack ?? '', /^PaymentDeclined: .*\n {4}at charge \(/)
    assert.equal(await details.locator('.stack .faint').count(), 2)
    await page.reload()
    await details.getByText('payment.provider').waitFor()
    assert.equal(await page.locator('.row.is-selected').getAttribute('data-span'), spanId)
    await details.getByLabel('Close').click()
    assert.equal(await details.isVisible(), false)
    isQuiet()
  })

  test('copies ids, and lets its text be selected', async () => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: viewer.url })
    await show(`#/trace/${failed}/span/${idOf('checkout 4 pm', 16)}`)
    await page.getByLabel('Copy traceparent').focus()
    await page.keyboard.press('Enter')
    await page.getByText('traceparent copied').first().waitFor({ state: 'attached' })
    const copied = await page.evaluate(() => navigator.clipboard.readText())
    assert.equal(copied, `00-${failed}-${idOf('checkout 4 pm', 16)}-01`)
    const selected = await page.evaluate(() => {
      getSelection()?.selectAllChildren(document.querySelector('.row-operation') as Element)
      return String(getSelection())
    })
    assert.equal(selected, 'POST /checkout/:id')
  })

  test('marks the critical path: its stretches fill the root without an overlap', async () => {
    await show(`#/trace/${idOf('checkout 1', 32)}`)
    await count(rows(), 16)
    const stretches = await page
      .locator('.critical')
      .evaluateAll(all =>
        all.map(({ style }) => [
          Number.parseFloat((style as CSSStyleDeclaration).left),
          Number.parseFloat(style.width),
        ]),
      )
    const sum = stretches.reduce((total, [, width = 0]) => total + width, 0)
    // The root's share of the trace, which a consumer outlives.
    assert.ok(Math.abs(sum - (212 / 252) * 100) < 0.1, String(sum))
    assert.equal(await page.locator('.critical').first().isVisible(), true)
    await page.getByRole('button', { name: 'Critical path' }).click()
    assert.equal(await page.locator('.critical').first().isVisible(), false)
  })

  test('is used by the keyboard alone', async () => {
    await show('#/')
    await count(traces(), 19)
    await page.keyboard.press('/')
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'tags')
    await page.keyboard.press('Escape')
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await count(rows(), 14)
    await page.keyboard.press('e')
    assert.equal(await page.locator('.row.is-selected').getAttribute('data-index'), '0')
    await page.keyboard.press('e')
    assert.equal(await page.locator('.row.is-selected').getAttribute('data-index'), '2')
    await page.keyboard.press('Shift+E')
    assert.equal(await page.locator('.row.is-selected').getAttribute('data-index'), '0')
    await page.keyboard.press('ArrowLeft')
    await count(rows(), 1)
    await page.keyboard.press('ArrowRight')
    await count(rows(), 14)
    await page.keyboard.press('End')
    assert.equal(await page.locator('.row.is-selected').getAttribute('data-index'), '13')
    await page.keyboard.press('-')
    await count(rows(), 1)
    await page.keyboard.press('+')
    await count(rows(), 14)
    await page.keyboard.press('p')
    assert.equal(
      await page.getByRole('button', { name: 'Critical path' }).getAttribute('aria-pressed'),
      'false',
    )
    await page.keyboard.press('z')
    assert.notEqual(await page.locator('.ruler span').first().textContent(), '0')
    await page.keyboard.press('?')
    assert.equal(await page.getByRole('dialog').isVisible(), true)
    assert.match(
      (await page.getByRole('dialog').textContent()) ?? '',
      /OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/tempo:4318/,
    )
    await page.keyboard.press('Escape')
    await page.locator('dialog').waitFor({ state: 'hidden' })
    await page.keyboard.press('Escape')
    await page.locator('.details').waitFor({ state: 'hidden' })
    await page.keyboard.press('Escape')
    await count(traces(), 19)
    await page.keyboard.press('j')
    await page.keyboard.press('x')
    await page.keyboard.press('j')
    await page.keyboard.press('x')
    await page.keyboard.press('c')
    await page.locator('.pair').first().waitFor()
    await page.keyboard.press('2')
    await page.locator('.map-drawing').waitFor()
    await page.keyboard.press('1')
    await count(traces(), 19)
    isQuiet()
  })

  test('lays two traces side by side', async () => {
    await show('#/')
    await count(traces(), 19)
    const good = idOf('checkout 1', 32)
    for (const id of [good, failed]) await page.locator(`.trace:has(a[href="#/trace/${id}"]) input`).check()
    await page.getByRole('button', { name: 'Compare (2 of 2)' }).click()
    await page.getByText('14 spans in both, 2 only in A, 0 only in B').waitFor()
    const alone = page.locator('.only-a')
    assert.deepEqual(await alone.locator('.row-operation').allTextContents(), [
      'INSERT order',
      'send confirmation',
    ])
    assert.equal(await page.locator('.row.pair').first().locator('.difference').textContent(), '+21.2 ms')
    await page.keyboard.press('x')
    await page.getByText('14 spans in both, 0 only in A, 2 only in B').waitFor()
    // From a trace: others of the same operation are offered.
    await show(`#/compare/${good}`)
    await count(page.locator('.choices li'), 3)
    isQuiet()
  })

  test('an attack in a span stays text', async () => {
    const attacks = [
      '<img src=x onerror="window.pwned=1">',
      '</script><script>window.pwned=2</script>',
      'javascript:window.pwned=3',
      '"><svg onload=window.pwned=4>',
      "{{constructor.constructor('window.pwned=5')()}}",
      '__proto__',
      '\u202egnp.exe',
    ]
    const tags = Object.fromEntries(attacks.map(attack => [attack, attack]))
    await sendOtlp(
      viewer.ports.otlp as number,
      toOtlp('attack', Date.now(), [
        {
          id: 'a',
          service: attacks[0] as string,
          name: attacks[1] as string,
          kind: 'server',
          at: 0,
          ms: 10,
          tags: { ...tags, aborted: attacks[3] as string, 'http.status_code': attacks[0] as string },
          error: attacks[0] as string,
          events: [{ at: 1, name: attacks[0] as string, fields: { stack: attacks[1] as string, ...tags } }],
        },
        { id: 'b', parent: 'a', service: attacks[3] as string, name: attacks[2] as string, at: 1, ms: 2 },
      ]),
    )
    const trace = idOf('attack', 32)
    const span = idOf('attack a', 16)
    for (const hash of [
      '#/',
      `#/trace/${trace}/span/${span}`,
      '#/map',
      `#/compare/${trace}/${failed}`,
      `#/compare/${trace}`,
    ]) {
      await show(hash)
      await page.locator(':text("<img src=x"):visible').first().waitFor()
      await page.waitForTimeout(100)
      assert.equal(await page.evaluate(() => 'pwned' in window), false, hash)
      assert.equal(await page.locator('img, script:not([src]), iframe, [onload], [onerror]').count(), 0, hash)
      const addresses = await page.locator('[href]').evaluateAll(all => all.map(a => a.getAttribute('href')))
      assert.deepEqual(
        addresses.filter(href => !/^(#|data:,$|page\.css$)/.test(href ?? '')),
        [],
        hash,
      )
    }
    await show('#/')
    await page.getByLabel('Service').selectOption(attacks[0] as string)
    await count(traces(), 1)
    isQuiet()
  })

  test('runs under a policy that lets nothing else run', async () => {
    const response = await show('#/')
    const policy = response?.headers()['content-security-policy'] ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /script-src 'self'(;|$)/)
    assert.match(policy, /require-trusted-types-for 'script'/)
    const blocked = await page.evaluate(() => {
      try {
        document.body.innerHTML = '<b>no</b>'
        return false
      } catch {
        return true
      }
    })
    assert.equal(blocked, true)
  })

  for (const scheme of ['light', 'dark'] as const) {
    test(`has contrast enough in the ${scheme} theme`, async () => {
      await page.emulateMedia({ colorScheme: scheme })
      await show(`#/trace/${failed}/span/${idOf('checkout 4 pm', 16)}`)
      await count(rows(), 14)
      const poor = await page.evaluate(lowContrast)
      assert.deepEqual(poor, [])
      await show('#/')
      await count(traces(), 19)
      assert.deepEqual(await page.evaluate(lowContrast), [])
    })
  }

  test('changes between dark and light, and remembers', async () => {
    await show('#/')
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const light = await ground()
    await page.keyboard.press('t')
    const dark = await ground()
    assert.notEqual(light, dark)
    await page.reload()
    assert.equal(await ground(), dark)
    await page.keyboard.press('t')
    assert.equal(await ground(), light)
    await page.evaluate(() => localStorage.clear())
  })

  test('fits a narrow window', async () => {
    await page.setViewportSize({ width: 360, height: 640 })
    const good = idOf('checkout 1', 32)
    for (const hash of [
      '#/',
      `#/trace/${failed}/span/${idOf('checkout 4 pm', 16)}`,
      '#/map',
      `#/compare/${good}/${failed}`,
    ]) {
      await show(hash)
      await page.waitForTimeout(200)
      const wider = await page.evaluate(() => {
        const view = document.querySelector('.view') as Element
        return Math.max(document.documentElement.scrollWidth, view.scrollWidth) - innerWidth
      })
      assert.ok(wider <= 0, `${hash} is ${wider} px too wide`)
    }
  })

  test('tells a screen reader what is there', async () => {
    await show(`#/trace/${failed}/span/${idOf('checkout 4 pm', 16)}`)
    await count(rows(), 14)
    const tree = page.getByRole('tree', { name: 'Spans' })
    assert.equal(await tree.getAttribute('aria-activedescendant'), 'row-11')
    const label = await rows().nth(11).getAttribute('aria-label')
    assert.match(
      label ?? '',
      /^payments, POST \/charges, .* status 500, error PaymentDeclined: the card was declined/,
    )
    assert.equal(await rows().nth(11).getAttribute('aria-level'), '5')
    for (const hash of ['#/', `#/trace/${failed}/span/${idOf('checkout 4 pm', 16)}`, '#/map']) {
      await show(hash)
      await page.waitForTimeout(150)
      const nameless = await page
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
      assert.equal(await page.locator('h1').count(), 1, hash)
    }
  })

  test('stays smooth with 10,000 spans', async () => {
    await sendOtlp(viewer.ports.otlp as number, toOtlp('wide', Date.now(), wide(10_000)))
    const started = Date.now()
    await show(`#/trace/${idOf('wide', 32)}`)
    await page.getByText('10,000 spans', { exact: true }).waitFor()
    await rows().first().waitFor()
    const loaded = Date.now() - started
    assert.ok(loaded < 4000, `shown after ${loaded} ms`)
    const frames = await page.evaluate(async () => {
      const list = document.querySelector('.rows') as Element
      const times: number[] = []
      let last = performance.now()
      for (let i = 0; i < 90; i++) {
        list.scrollTop += 700
        await new Promise(resolve => requestAnimationFrame(resolve))
        const now = performance.now()
        times.push(now - last)
        last = now
      }
      times.sort((a, b) => a - b)
      return {
        median: times[45] ?? 0,
        p95: times[85] ?? 0,
        drawn: document.querySelectorAll('[role=treeitem]').length,
      }
    })
    assert.ok(frames.drawn > 10 && frames.drawn < 80, `${frames.drawn} rows exist`)
    assert.ok(frames.median < 40 && frames.p95 < 120, `frames of ${frames.median} ms, p95 ${frames.p95} ms`)
    const keyed = await page.evaluate(async () => {
      const before = performance.now()
      for (const key of ['End', 'Home', '-', '+', 'e']) {
        dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
      }
      return performance.now() - before
    })
    assert.ok(keyed < 1500, `keys took ${keyed} ms`)
  })

  test('shows what arrives, while it arrives', async () => {
    await show('#/')
    await count(traces(), 19)
    await traces().nth(3).locator('input').check()
    const port = viewer.ports.otlp as number
    await sendOtlp(port, toOtlp('live', Date.now(), browse(1).slice(0, 2)))
    await count(traces(), 20)
    assert.equal(await traces().nth(4).locator('input').isChecked(), true)
    await show(`#/trace/${idOf('live', 32)}`)
    await count(rows(), 2)
    await page.getByText('GET', { exact: true }).click()
    await sendOtlp(port, toOtlp('live', Date.now(), browse(1).slice(3)))
    await page.getByText('The parent of 1 span has not arrived').waitFor()
    await sendOtlp(port, toOtlp('live', Date.now(), browse(1).slice(2, 3)))
    await count(rows(), 4)
    assert.equal(await page.locator('.row.is-selected').getAttribute('data-index'), '1')
    isQuiet()
  })

  test('says what was refused and what went', async () => {
    await fetch(`http://127.0.0.1:${viewer.ports.zipkin}/api/v2/spans`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '[{"traceId":"<b>zz</b>","id":"1"}]',
    })
    await show('#/')
    await page.getByText(/malformed span.*<b>zz<\/b>/).waitFor()
    const small = await startViewer({ ports: ANY, limits: { traces: 2 } })
    try {
      await sendShop(small.ports.otlp as number, Date.now())
      await page.goto(small.url)
      await count(traces(), 2)
      await page.getByText('17 old traces').waitFor()
    } finally {
      await small.close()
    }
  })

  test('saves a trace and opens it again', async () => {
    await show(`#/trace/${failed}`)
    await count(rows(), 14)
    const saving = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Save' }).click()
    const download = await saving
    assert.equal(download.suggestedFilename(), `trace-${failed}.json`)
    const path = await download.path()
    const before = viewer.trace(failed)?.spans
    assert.equal(JSON.parse(await readFile(path, 'utf8')).data[0].spans.length, 14)
    await show('#/')
    await count(traces(), 19)
    await page.getByRole('button', { name: 'Remove all' }).click()
    await page.getByText('Waiting for spans').waitFor()
    await page.locator('input[type=file]').setInputFiles(path)
    await count(rows(), 14)
    assert.deepEqual(viewer.trace(failed)?.spans, before)
    isQuiet()
  })

  test('draws the services and their calls', async () => {
    await show('#/map')
    await count(page.locator('.node'), 5)
    await count(page.locator('.call'), 5)
    const label = page.locator('.call-label', { hasText: 'gateway calls stock' })
    assert.match((await label.textContent()) ?? '', /^15 calls17\.6 ms \/ 32 ms/)
    const row = page.locator('.figures').nth(1).locator('tr', { hasText: 'orderspayments' })
    assert.match((await row.textContent()) ?? '', /orderspayments425 %/)
    await page.locator('.node', { hasText: 'payments' }).click()
    await count(traces(), 4)
    isQuiet()
  })

  test("moves spans of a clock that is wrong, and says so; a shared id's halves are two rows", async () => {
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
    const response = await fetch(`http://127.0.0.1:${viewer.ports.zipkin}/api/v2/spans`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([
        span('CLIENT', 'front', '1', at, 100_000),
        span('SERVER', 'back', '1', at - 5_000_000, 60_000, { shared: true }),
      ]),
    })
    assert.equal(response.status, 202)
    await show('#/trace/abc')
    await count(rows(), 2)
    await page.getByText('The clocks of the services differ: 1 span shown').waitFor()
    await rows().nth(1).click()
    await page.getByText('Shown 5.02 s later than').waitFor()
    assert.match(page.url(), /span\/0000000000000001\.server$/)
    assert.match((await page.locator('.trace-facts').textContent()) ?? '', /^100 ms/)
  })
})

/** Texts whose colour is too near to what is behind them: under 4.5 to 1. Runs in the page. */
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
