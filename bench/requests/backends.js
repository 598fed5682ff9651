// The collectors of each vendor, which count what reaches them.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { msgpackSpans, protobufSpans, thriftSpans } from './count.js'
import { answerParent, listen } from './opened.js'

answerParent(openBackends)

async function openBackends() {
  const counts = { spans: 0, batches: 0, errors: 0 }
  const otlp = collector('/v1/traces', protobufSpans, counts, { type: 'application/x-protobuf', body: '' })
  const datadog = collector('/v0.4/traces', msgpackSpans, counts, {
    type: 'application/json',
    body: '{"rate_by_service":{"service:,env:":1}}',
  })
  const jaeger = createSocket({ type: 'udp4', recvBufferSize: 1 << 22 })
  jaeger.on('message', bytes => count(thriftSpans, bytes, counts))

  const { ports, end } = await listen({ otlp, datadog })
  jaeger.bind(0, '127.0.0.1')
  await once(jaeger, 'listening')
  ports.jaeger = jaeger.address().port
  return {
    counts,
    ports,
    end: () => {
      jaeger.close()
      end()
    },
  }
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
