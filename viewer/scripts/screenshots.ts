// Takes the screenshots of the README: every view, light and dark, with the traces of an imagined shop.
//
//   npm run screenshots [-- folder]

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startViewer } from '../src/index.ts'
import { launchChromium, showView } from '../test/support/chromium.ts'
import { idOf } from '../test/support/otlp.ts'
import { sendShop } from '../test/support/shop.ts'
import { FREE_PORTS } from '../test/support/viewer.ts'

const folder = process.argv[2] ?? fileURLToPath(new URL('../images', import.meta.url))

async function main(): Promise<void> {
  await mkdir(folder, { recursive: true })
  const viewer = await startViewer({
    ports: FREE_PORTS,
  })
  const browser = await launchChromium()
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
        await showView(page, viewer.url, hash)
        await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) })
      }
      await page.close()
    }
  } finally {
    await browser.close()
    await viewer.close()
  }
}

await main()
