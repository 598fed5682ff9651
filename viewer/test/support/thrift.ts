// Encodes Jaeger batches in compact thrift with Apache's encoder, as clients in other languages do.

import thrift from 'thrift'

export interface CompactTag {
  key: string
  value: string | number | boolean | bigint
}

export interface CompactSpan {
  traceIdLow: bigint
  traceIdHigh: bigint
  spanId: bigint
  parentId: bigint
  operation: string
  start: bigint
  duration: bigint
  tags: CompactTag[]
}

const { I32, I64, STRING, STRUCT, LIST, BOOL, DOUBLE } = thrift.Thrift.Type

/** One UDP packet: a oneway call of `emitBatch`. */
export function compactBatch(batch: { service: string; spans: CompactSpan[] }): Buffer {
  let packet: Buffer | undefined
  const transport = new thrift.TBufferedTransport(undefined, bytes => {
    packet = bytes
  })
  const out = new thrift.TCompactProtocol(transport) as unknown as Writer
  const field = (type: number, id: number, write: () => void) => {
    out.writeFieldBegin('', type, id)
    write()
    out.writeFieldEnd()
  }
  const struct = (write: () => void) => {
    out.writeStructBegin('')
    write()
    out.writeFieldStop()
    out.writeStructEnd()
  }
  const int64 = (id: number, value: bigint) => field(I64, id, () => out.writeI64(toInt64(value)))
  const string = (id: number, value: string) => field(STRING, id, () => out.writeString(value))
  const list = <T>(id: number, items: T[], write: (item: T) => void) =>
    field(LIST, id, () => {
      out.writeListBegin(STRUCT, items.length)
      for (const item of items) struct(() => write(item))
      out.writeListEnd()
    })
  const tag = ({ key, value }: CompactTag) => {
    string(1, key)
    const type =
      typeof value === 'number' ? 1 : typeof value === 'boolean' ? 2 : typeof value === 'bigint' ? 3 : 0
    field(I32, 2, () => out.writeI32(type))
    if (typeof value === 'string') string(3, value)
    if (typeof value === 'number') field(DOUBLE, 4, () => out.writeDouble(value))
    if (typeof value === 'boolean') {
      out.writeFieldBegin('', BOOL, 5)
      out.writeBool(value)
    }
    if (typeof value === 'bigint') int64(6, value)
  }
  out.writeMessageBegin('emitBatch', 4, 1)
  struct(() =>
    field(STRUCT, 1, () =>
      struct(() => {
        field(STRUCT, 1, () => struct(() => string(1, batch.service)))
        list(2, batch.spans, span => {
          int64(1, span.traceIdLow)
          int64(2, span.traceIdHigh)
          int64(3, span.spanId)
          int64(4, span.parentId)
          string(5, span.operation)
          field(I32, 7, () => out.writeI32(1))
          int64(8, span.start)
          int64(9, span.duration)
          list(10, span.tags, tag)
        })
      }),
    ),
  )
  out.writeMessageEnd()
  out.flush()
  if (packet === undefined) throw new Error('the encoder gave no packet')
  return packet
}

function toInt64(value: bigint): unknown {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return new thrift.Int64(bytes)
}

interface Writer {
  writeMessageBegin(name: string, type: number, id: number): void
  writeMessageEnd(): void
  writeStructBegin(name: string): void
  writeStructEnd(): void
  writeFieldBegin(name: string, type: number, id: number): void
  writeFieldEnd(): void
  writeFieldStop(): void
  writeListBegin(type: number, size: number): void
  writeListEnd(): void
  writeI32(value: number): void
  writeI64(value: unknown): void
  writeDouble(value: number): void
  writeBool(value: boolean): void
  writeString(value: string): void
  flush(): void
}
