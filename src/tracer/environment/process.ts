// What the environment says about the process: its name, its attributes, whether it is traced.
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/

import {
  type Environment,
  tagsOfJaegerEnvironment,
  toFlag,
  toPairs,
  toText,
} from '../../core/settings/environment.ts'

/** @param attributed `service.name` among the attributes of the process */
export function serviceNameOfEnvironment(
  env: Environment,
  attributed: string | undefined,
): string | undefined {
  const read = (name: string) => env.read([name], toText, '')
  return read('OTEL_SERVICE_NAME') ?? attributed ?? read('JAEGER_SERVICE_NAME')
}

/** Attributes of the process, from both families; OpenTelemetry's win. */
export function resourceOfEnvironment(env: Environment): Record<string, string> {
  return {
    ...tagsOfJaegerEnvironment(env.report),
    ...env.read(
      ['OTEL_RESOURCE_ATTRIBUTES'],
      text => toPairs(text, decodeURIComponent),
      'none of its attributes',
    ),
  }
}

export function isDisabledByEnvironment(env: Environment): boolean {
  const names = ['OTEL_SDK_DISABLED', 'JAEGER_DISABLED', 'JAEGER_DISABLE']
  return env.read(names, toFlag, 'false') ?? false
}
