// The clients: keep-alive connections that ask one request after the other, each with trace headers of its own. Not an
// HTTP client from the registry: those cut their last requests off (an aborted request is traced as one), and repeat one
// set of headers. They never sleep: a server that has to wake its clients pays for that with every write (5 us on a
// virtual machine), and the slower it is the more often they sleep.

import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { openNext } from './next.js'
import { answerParent } from './opened.js'

const DISTINCT_REQUESTS = 2048

answerParent(openNext, message => (message.awake ? neverSleep() : load(message)))

/** From now on: for those who call the next service and are asked by nobody. */
function neverSleep() {
  stayAwake(() => true)
  return 'awake'
}

function stayAwake(isWanted) {
  if (isWanted()) setImmediate(stayAwake, isWanted)
}

/**
 * Asks for `milliseconds` or `requests`, then waits for the answers on their way: the server is idle before and after.
 * With `leave` nobody waits for an answer.
 */
async function load({
  port,
  path,
  header,
  sampled,
  connections,
  milliseconds = Infinity,
  requests: count = Infinity,
  leave = false,
}) {
  const requests = requestsFor(port, path, header, sampled)
  const start = performance.now()
  const shared = {
    port,
    requests,
    next: Math.floor(Math.random() * requests.length),
    end: start + milliseconds,
    left: count,
    latencies: [],
    errors: [],
    // The length of a whole answer: the same for every answer of a route, since ids have one width.
    length: 0,
  }
  let running = true
  stayAwake(() => running)
  const one = leave ? leaver : client
  await Promise.all(Array.from({ length: connections }, () => one(shared)))
  running = false
  const { latencies, errors } = shared
  latencies.sort((a, b) => a - b)
  return {
    requests: latencies.length,
    errors: errors.length,
    firstError: errors[0],
    milliseconds: performance.now() - start,
    p50: latencies[Math.floor(latencies.length * 0.5)],
    p99: latencies[Math.floor(latencies.length * 0.99)],
  }
}

function client(shared) {
  const { promise, resolve } = withResolvers()
  const socket = connect({ port: shared.port, host: '127.0.0.1', noDelay: true })
  let asked = 0
  let answer
  let done = false
  const ask = () => {
    asked = performance.now()
    done = asked >= shared.end || shared.left-- <= 0
    if (done) return socket.end()
    shared.next = (shared.next + 1) % shared.requests.length
    socket.write(shared.requests[shared.next])
  }
  socket.on('connect', ask)
  socket.on('data', data => {
    answer = answer === undefined ? data : Buffer.concat([answer, data])
    if (answer.length !== shared.length && !isWhole(answer)) return
    if (answer.latin1Slice(9, 12) !== '200') {
      shared.errors.push(answer.latin1Slice(0, 200))
      return socket.destroy()
    }
    shared.length = answer.length
    answer = undefined
    shared.latencies.push(performance.now() - asked)
    ask()
  })
  socket.on('error', error => shared.errors.push(error.message))
  socket.on('close', () => {
    if (!done) shared.errors.push('the server closed the connection')
    resolve()
  })
  return promise
}

/** Asks and hangs up before the answer can come, again and again. */
async function leaver(shared) {
  while (shared.left-- > 0) {
    const socket = connect({ port: shared.port, host: '127.0.0.1', noDelay: true })
    shared.next = (shared.next + 1) % shared.requests.length
    socket.on('error', error => shared.errors.push(error.message))
    const closed = new Promise(resolve => socket.on('close', resolve))
    socket.write(shared.requests[shared.next], () => setTimeout(() => socket.destroy(), 2))
    await closed
  }
}

function isWhole(answer) {
  const head = answer.indexOf('\r\n\r\n')
  if (head === -1) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.latin1Slice(0, head))?.[1]
  return length === undefined || answer.length >= head + 4 + Number(length)
}

function withResolvers() {
  let resolve
  const promise = new Promise(done => {
    resolve = done
  })
  return { promise, resolve }
}

const HEADERS = {
  traceparent: (trace, span, flag) => `00-${trace}-${span}-0${flag}`,
  'uber-trace-id': (trace, span, flag) => `${trace}:${span}:0:${flag}`,
}

/** `:id` in the path becomes a number of five digits. */
function requestsFor(port, path, header, sampled) {
  return Array.from({ length: DISTINCT_REQUESTS }, () => {
    const trace = randomBytes(16).toString('hex')
    const span = randomBytes(8).toString('hex')
    const id = String(10_000 + Math.floor(Math.random() * 90_000))
    return Buffer.from(
      `GET ${path.replace(':id', id)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: application/json\r\n` +
        `User-Agent: bench\r\n${header}: ${HEADERS[header](trace, span, sampled ? 1 : 0)}\r\n\r\n`,
    )
  })
}
