// The collectors of each vendor, which count what reaches them. Each server has its own, so that it is known whose spans
// arrive.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { msgpackSpans, protobufSpans, thriftSpans } from './count.js'

const opened = []

process.on('message', async ({ open, counts, close }) => {
  if (open) process.send(await openBackends())
  else if (counts !== undefined) process.send(opened[counts].counts)
  else {
    opened[close].end()
    process.send('closed')
  }
})
process.on('disconnect', () => process.exit())

async function openBackends() {
  const counts = { spans: 0, batches: 0, errors: 0 }
  const otlp = collector('/v1/traces', protobufSpans, counts, { type: 'application/x-protobuf', body: '' })
  const datadog = collector('/v0.4/traces', msgpackSpans, counts, {
    type: 'application/json',
    body: '{"rate_by_service":{"service:,env:":1}}',
  })
  const jaeger = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 })
  jaeger.on('message', bytes => count(thriftSpans, bytes, counts))

  const servers = { otlp, datadog }
  const ports = {}
  for (const [name, server] of Object.entries(servers)) {
    server.keepAliveTimeout = 60_000
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports[name] = server.address().port
  }
  jaeger.bind(0, '127.0.0.1')
  await once(jaeger, 'listening')
  ports.jaeger = jaeger.address().port
  const end = () => {
    jaeger.close()
    for (const server of Object.values(servers)) {
      server.close()
      server.closeAllConnections()
    }
  }
  return { id: opened.push({ counts, end }) - 1, ports }
}

/** An HTTP door that takes what a vendor posts there, and answers everything as its collector does. */
function collector(path, spansOf, counts, answer) {
  return createServer((request, response) => {
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      if (request.url === path) count(spansOf, Buffer.concat(chunks), counts)
      response.setHeader('content-type', answer.type)
      response.end(answer.body)
    })
  })
}

function count(spansOf, bytes, counts) {
  counts.batches++
  try {
    counts.spans += spansOf(bytes)
  } catch (error) {
    counts.errors++
    console.error(error)
  }
}
