// Reads request bodies: whole, decompressed and bounded, also against decompression bombs and many senders at once.

import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'
import { HttpError } from './http-error.ts'

/**
 * Reads a body of at most `limit` bytes after decompression.
 *
 * @throws HttpError 413 when it is larger, 415 for an unknown encoding, 400 when it cannot be decompressed, 503 when
 * all requests together hold too many bytes
 */
export type ReadBody = (request: IncomingMessage, limit: number) => Promise<Buffer>

/** The most bytes that all requests together may hold while their bodies arrive. */
const MAX_BYTES_IN_FLIGHT = 128 * 1024 * 1024

/**
 * Most clients read the response only after they have sent the whole body. So a body that is too large is read to its
 * end and dropped, up to this many times the limit; beyond that the connection is closed.
 */
const MAX_LIMITS_READ = 4

const decompressors = new Map([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
])

/** Makes a reader; all its calls share one bound of memory. */
export function createBodyReader(): ReadBody {
  let bytesInFlight = 0
  return async (request, limit) => {
    const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
    const decompress = decompressors.get(encoding)
    if (decompress === undefined && encoding !== 'identity') {
      throw new HttpError(
        415,
        `Content-Encoding ${encoding.slice(0, 40)} is not supported; send gzip, deflate or identity`,
      )
    }
    if (Number(request.headers['content-length'] ?? 0) > MAX_LIMITS_READ * limit) throw tooLarge(limit)
    let size = 0
    let kept = 0
    const chunks: Buffer[] = []
    try {
      // The default would destroy the socket when the loop ends early, and the response could not be sent.
      for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > limit) chunks.length = 0
        else if (bytesInFlight + chunk.length > MAX_BYTES_IN_FLIGHT) throw overloaded()
        else {
          kept += chunk.length
          bytesInFlight += chunk.length
          chunks.push(chunk)
        }
        if (size > MAX_LIMITS_READ * limit) break
      }
      if (size > limit) throw tooLarge(limit)
      const body = Buffer.concat(chunks)
      return decompress === undefined
        ? body
        : await decompress(body, { maxOutputLength: limit }).catch(rethrowAsHttpError(limit))
    } finally {
      bytesInFlight -= kept
    }
  }
}

function rethrowAsHttpError(limit: number): (error: NodeJS.ErrnoException) => never {
  return error => {
    if (error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit)
    throw new HttpError(400, `the body cannot be decompressed: ${error.message}`)
  }
}

function overloaded(): HttpError {
  return new HttpError(503, 'too many bytes are being received at once; retry in a moment')
}

function tooLarge(limit: number): HttpError {
  return new HttpError(413, `the body must have at most ${limit} bytes after decompression`)
}
