#!/usr/bin/env node
// The command: npx tracing-viewer

import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { startViewer, type Viewer, type ViewerPorts } from './index.ts'
import { drawTraces } from './terminal.ts'

const HELP = `Shows traces on this machine, for development.

  npx tracing-viewer [options] [file ...]

Receives OTLP (4318), Jaeger thrift (HTTP 14268, UDP 6831 and 6832) and Zipkin JSON (9411), and shows the traces
on a page (16686). Traces are kept in memory until the command ends. Each file holds traces that were saved from
the page, or from Jaeger.

  --terminal        also draw each finished trace here, as a tree
  --port <number>   the port of the page
  --any-port        use any free ports, also for receiving
  --host <address>  listen on this address instead of 127.0.0.1; there is no login: every client that can
                    connect can read and write traces
  --help            show this text
`

async function main(): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`)
    return 2
  }
  const { values, positionals: files } = parsed
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const viewer = await startViewer({
    ...(values.host === undefined ? undefined : { host: values.host }),
    ports: toPorts(values['any-port'] === true, values.port),
  })
  printAddresses(viewer)
  const stopDrawing = values.terminal === true ? draw(viewer) : undefined
  for (const file of files) await open(viewer, file)
  await signalled()
  stopDrawing?.()
  await viewer.close()
  return 0
}

function parse() {
  return parseArgs({
    allowPositionals: true,
    options: {
      terminal: { type: 'boolean' },
      port: { type: 'string' },
      'any-port': { type: 'boolean' },
      host: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
}

function toPorts(any: boolean, port: string | undefined): ViewerPorts {
  const ports: ViewerPorts = any
    ? { otlp: 0, jaeger: 0, jaegerCompact: 0, jaegerBinary: 0, zipkin: 0, page: 0 }
    : {}
  return port === undefined ? ports : { ...ports, page: Number(port) }
}

function printAddresses({ url, ports, problems }: Viewer): void {
  const receivers: [format: string, port: number | undefined][] = [
    ['OTLP', ports.otlp],
    ['Jaeger HTTP', ports.jaeger],
    ['Jaeger UDP', ports.jaegerCompact],
    ['Jaeger UDP', ports.jaegerBinary],
    ['Zipkin', ports.zipkin],
  ]
  const open = receivers.filter(([, port]) => port !== undefined).map(receiver => receiver.join(' '))
  process.stdout.write(`Traces are shown at ${url}\nSpans are received on ${open.join(', ')}\n`)
  for (const problem of problems) process.stderr.write(`! ${problem}\n`)
  process.stdout.write('Press Ctrl+C to stop.\n\n')
}

function draw(viewer: Viewer): () => void {
  const { stdout } = process
  return drawTraces(viewer, {
    write: text => stdout.write(text),
    // https://no-color.org
    colour: stdout.isTTY === true && !process.env.NO_COLOR,
    width: () => stdout.columns ?? 100,
  })
}

async function open(viewer: Viewer, file: string): Promise<void> {
  try {
    const response = await fetch(`${viewer.url}/viewer/open`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: await readFile(file),
    })
    if (!response.ok) throw new Error((await response.text()).trim())
  } catch (error) {
    process.stderr.write(`! ${file}: ${(error as Error).message}\n`)
  }
}

function signalled(): Promise<void> {
  return new Promise(resolve => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })
}

main().then(
  code => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exitCode = 1
  },
)
