// A request's body, whole and unpacked, or a refusal that says why: too big, bombs and broken gzip included.

import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'

/** Why a request is not served: `status` and `message` go to whoever sent it. */
export class Refusal extends Error {
  override readonly name: string = 'Refusal'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Reads bodies of at most `limit` bytes, unpacked, and all at once no more than a few times that. */
export type ReadBody = (request: IncomingMessage, limit: number) => Promise<Buffer>

/** How much may be under way at once, in bytes. */
const MAX_UNDER_WAY = 128 * 1024 * 1024

/** How many times the limit a body may be that is too big and yet heard to its end. */
const MAX_HEARD_OUT = 4

const unpackers = new Map([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
])

/** Makes a reader; its readings share one allowance of memory. */
export function createReadBody(): ReadBody {
  let underWay = 0
  return async (request, limit) => {
    const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
    const unpack = unpackers.get(encoding)
    if (unpack === undefined && encoding !== 'identity') {
      throw new Refusal(
        415,
        `Content-Encoding ${encoding.slice(0, 40)} is not understood; send gzip, or none`,
      )
    }
    if (Number(request.headers['content-length'] ?? 0) > MAX_HEARD_OUT * limit) throw tooBig(limit)
    let size = 0
    let held = 0
    const chunks: Buffer[] = []
    try {
      // Not destroyed on the way out: its socket has to carry the answer.
      for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += chunk.length
        // A sender hears an answer only when it is through with its sending: what is too big is heard out, and let go.
        if (size > limit) chunks.length = 0
        else if (underWay + chunk.length > MAX_UNDER_WAY) throw busy()
        else {
          held += chunk.length
          underWay += chunk.length
          chunks.push(chunk)
        }
        if (size > MAX_HEARD_OUT * limit) break
      }
      if (size > limit) throw tooBig(limit)
      const packed = Buffer.concat(chunks)
      return unpack === undefined
        ? packed
        : await unpack(packed, { maxOutputLength: limit }).catch(explain(limit))
    } finally {
      underWay -= held
    }
  }
}

function explain(limit: number): (error: NodeJS.ErrnoException) => never {
  return error => {
    if (error.code === 'ERR_BUFFER_TOO_LARGE') throw tooBig(limit)
    throw new Refusal(400, `the body cannot be unpacked: ${error.message}`)
  }
}

function busy(): Refusal {
  return new Refusal(503, 'too much is being sent at once; send it again in a moment')
}

function tooBig(limit: number): Refusal {
  return new Refusal(413, `the body is bigger, unpacked, than the ${limit} bytes that are taken at once`)
}
