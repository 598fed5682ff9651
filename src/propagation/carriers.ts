// OpenTracing's three formats of carriers: HTTP headers, text maps and binary ones.

import opentracing from 'opentracing'
import type { Report } from '../core/settings/report.ts'
import { fromBinary, toBinary } from './binary.ts'
import type { Propagation, TraceContext } from './index.ts'

const { FORMAT_HTTP_HEADERS, FORMAT_TEXT_MAP, FORMAT_BINARY } = opentracing

/** Writes a context into a carrier; what is none is reported. */
export function writeCarrier(
  propagation: Propagation<unknown>,
  context: TraceContext,
  format: string,
  carrier: unknown,
  report: Report,
): void {
  if (!isCarrier(carrier)) report('inject', new TypeError('the carrier is no object'))
  else if (format === FORMAT_HTTP_HEADERS) propagation.inject(context, carrier)
  else if (format === FORMAT_TEXT_MAP) propagation.injectText(context, carrier)
  else if (format === FORMAT_BINARY) carrier.buffer = toBinary(map => propagation.injectText(context, map))
  else report('inject', unknownFormat(format))
}

/** What a carrier says; undefined: nothing. */
export function readCarrier<Context>(
  propagation: Propagation<Context>,
  format: string,
  carrier: unknown,
  report: Report,
): TraceContext | Context | undefined {
  if (!isCarrier(carrier)) return undefined
  if (format === FORMAT_HTTP_HEADERS) return propagation.extract(carrier)
  if (format === FORMAT_TEXT_MAP) return propagation.extractText(carrier)
  if (format !== FORMAT_BINARY) {
    report('extract', unknownFormat(format))
    return undefined
  }
  const map = fromBinary(carrier.buffer)
  return map === undefined ? undefined : propagation.extractText(map)
}

function unknownFormat(format: string): TypeError {
  return new TypeError(`'${String(format)}' is no format of OpenTracing's`)
}

function isCarrier(carrier: unknown): carrier is Record<string, unknown> {
  return typeof carrier === 'object' && carrier !== null
}
