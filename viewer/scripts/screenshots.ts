// Takes the pictures in the docs: list, timeline and map, light and dark, of an imagined shop's traces.
//
//   node scripts/build-viewer.mjs --page && node --import tsx scripts/viewer-screenshots.ts [folder]

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startViewer } from '../src/index.ts'
import { findChromium, launchChromium } from '../test/support/chromium.ts'
import { idOf, sendShop } from '../test/support/samples.ts'

const folder = process.argv[2] ?? 'docs/images'

async function main(): Promise<void> {
  const path = findChromium()
  if (path === undefined) throw new Error('chromium is not installed')
  await mkdir(folder, { recursive: true })
  const viewer = await startViewer({
    ports: { otlp: 0, jaeger: 0, jaegerCompact: 0, jaegerBinary: 0, zipkin: 0, page: 0 },
  })
  const browser = await launchChromium(path)
  try {
    await sendShop(viewer.ports.otlp as number, Date.now())
    const failed = idOf('checkout 4', 32)
    const views = {
      list: '#/',
      timeline: `#/trace/${failed}/span/${idOf('checkout 4 pm', 16)}`,
      map: '#/map',
      compare: `#/compare/${idOf('checkout 1', 32)}/${failed}`,
    }
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await browser.newPage({
        viewport: { width: 1360, height: 820 },
        colorScheme,
      })
      for (const [name, hash] of Object.entries(views)) {
        await page.goto(`${viewer.url}/${hash}`)
        await page.waitForTimeout(600)
        await page.screenshot({ path: join(folder, `viewer-${name}-${colorScheme}.png`) })
      }
      await page.close()
    }
  } finally {
    await browser.close()
    await viewer.close()
  }
}

await main()
