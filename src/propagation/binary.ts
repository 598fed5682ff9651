// FORMAT_BINARY: what a text map says, as bytes. OpenTracing leaves the layout to the tracer.

const MAX_LENGTH = 64 * 1024

/** JSON of the text map, in UTF-8. */
export function toBinary(write: (map: Record<string, unknown>) => void): Uint8Array {
  const map = {}
  write(map)
  return Buffer.from(JSON.stringify(map))
}

/** The text map of a binary carrier's bytes; undefined when they are none of ours. */
export function fromBinary(buffer: unknown): object | undefined {
  try {
    const bytes = ArrayBuffer.isView(buffer)
      ? Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength)
      : Buffer.from(buffer as number[])
    const map = bytes.length > MAX_LENGTH ? undefined : JSON.parse(bytes.toString())
    return typeof map === 'object' && map !== null ? map : undefined
  } catch {
    // Whatever it is, no tracer of ours has written it.
    return undefined
  }
}
