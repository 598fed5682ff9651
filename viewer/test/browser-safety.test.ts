// Attacks on the page in chromium.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { skipWithoutChromium } from './support/chromium.ts'
import { idOf, sendOtlp, toOtlp } from './support/otlp.ts'
import { failedTrace, usePage } from './support/page.ts'

describe('the safety of the page', { skip: skipWithoutChromium }, () => {
  const ui = usePage()

  test('markup and scripts in a span stay text', async () => {
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
      ui.viewer.ports.otlp as number,
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
      `#/compare/${trace}/${failedTrace}`,
      `#/compare/${trace}`,
    ]) {
      await ui.show(hash)
      await ui.page.locator(':text("<img src=x"):visible').first().waitFor()
      await ui.page.evaluate(afterTwoFrames)
      assert.equal(await ui.page.evaluate(() => 'pwned' in window), false, hash)
      assert.equal(
        await ui.page.locator('img, script:not([src]), iframe, [onload], [onerror]').count(),
        0,
        hash,
      )
      const addresses = await ui.page
        .locator('[href]')
        .evaluateAll(all => all.map(a => a.getAttribute('href')))
      assert.deepEqual(
        addresses.filter(href => !/^(#|data:,$|page\.css$)/.test(href ?? '')),
        [],
        hash,
      )
    }
    await ui.show('#/')
    await ui.page.getByLabel('Service').selectOption(attacks[0] as string)
    await ui.count(ui.traces(), 1)
    ui.assertNoErrors()
  })

  test('the content security policy forbids other scripts and markup from text', async () => {
    const response = await ui.page.goto(ui.viewer.url)
    const policy = response?.headers()['content-security-policy'] ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /script-src 'self'(;|$)/)
    assert.match(policy, /require-trusted-types-for 'script'/)
    const blocked = await ui.page.evaluate(() => {
      try {
        document.body.innerHTML = '<b>no</b>'
        return false
      } catch {
        return true
      }
    })
    assert.equal(blocked, true)
  })
})

/** Runs in the page. A script that is loaded or an event handler of an element has run after two frames. */
function afterTwoFrames(): Promise<unknown> {
  return new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))
}
