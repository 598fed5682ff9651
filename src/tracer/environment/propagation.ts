// Which header formats OTEL_PROPAGATORS lists.
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration

import { type Environment, toList } from '../../core/settings/environment.ts'
import type { FormatName, PropagationOptions } from '../../propagation/index.ts'

export function propagationOfEnvironment(env: Environment): PropagationOptions | undefined {
  return env.read(
    ['OTEL_PROPAGATORS'],
    toPropagation,
    'all formats are read; tracecontext, baggage and uber-trace-id written',
  )
}

const FORMATS: Readonly<Record<string, FormatName>> = {
  tracecontext: 'tracecontext',
  baggage: 'baggage',
  b3: 'b3',
  b3multi: 'b3multi',
  jaeger: 'uber-trace-id',
}

function toPropagation(text: string): PropagationOptions {
  const names = [...new Set(toList(text))].filter(name => name !== 'none')
  const formats = names.map(name => {
    const format = FORMATS[name]
    if (format === undefined) throw new TypeError(`'${name}' is none of ${Object.keys(FORMATS).join(', ')}`)
    return format
  })
  return { extract: formats, inject: formats }
}
