// Which sampler the environment asks for, in OpenTelemetry's words or in jaeger-client's.
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration

import { type Environment, isSet, known, toNumber, toPairs, toText } from '../../core/settings/environment.ts'
import { remoteSampler } from '../sampling/remote-sampler.ts'
import { alwaysSampler, neverSampler, ratioSampler, type Sampler } from '../sampling/sampler.ts'
import { toSampler } from './jaeger-words.ts'

export interface EnvironmentSampler {
  sampler: Sampler
  parentBased: boolean
}

const EVERY_TRACE = 'every trace is recorded'

export function samplerOfEnvironment(env: Environment): EnvironmentSampler | undefined {
  return isSet('OTEL_TRACES_SAMPLER')
    ? env.read(['OTEL_TRACES_SAMPLER'], text => toOtelSampler(env, text), EVERY_TRACE)
    : env.read(['JAEGER_SAMPLER_TYPE'], type => toJaegerSampler(env, type), EVERY_TRACE)
}

function toOtelSampler(env: Environment, text: string): EnvironmentSampler | undefined {
  const parentBased = text.startsWith('parentbased_')
  const argument = ['OTEL_TRACES_SAMPLER_ARG']
  switch (parentBased ? text.slice('parentbased_'.length) : text) {
    case 'always_on':
      return { sampler: alwaysSampler(), parentBased }
    case 'always_off':
      return { sampler: neverSampler(), parentBased }
    case 'traceidratio':
      return {
        sampler: env.read(argument, share => ratioSampler(Number(share)), '1.0') ?? alwaysSampler(),
        parentBased,
      }
    case 'jaeger_remote':
      return { sampler: env.read(argument, toRemote, 'localhost:5778') ?? remoteSampler(), parentBased }
    default:
      return undefined
  }
}

/** `endpoint=http://collector:5778,pollingIntervalMs=5000,initialSamplingRate=0.25` */
function toRemote(text: string): Sampler {
  const { endpoint, pollingIntervalMs, initialSamplingRate } = toPairs(text, toText)
  const url = endpoint === undefined ? undefined : new URL(endpoint)
  if (url?.pathname === '/') url.pathname = '/sampling'
  return remoteSampler({
    ...(url === undefined ? undefined : { url }),
    ...(pollingIntervalMs === undefined ? undefined : { interval: Number(pollingIntervalMs) }),
    ...(initialSamplingRate === undefined
      ? undefined
      : { initial: ratioSampler(Number(initialSamplingRate)) }),
  })
}

function toJaegerSampler(env: Environment, type: string): EnvironmentSampler {
  const text = (name: string) => env.read([`JAEGER_SAMPLER_${name}`], toText, '')
  const number = (name: string) => env.read([`JAEGER_SAMPLER_${name}`], toNumber, 'as if it were not set')
  const settings = {
    param: number('PARAM'),
    hostPort: text('MANAGER_HOST_PORT'),
    host: text('HOST'),
    port: number('PORT'),
    samplingPath: text('SAMPLING_PATH'),
    refreshIntervalMs: number('REFRESH_INTERVAL'),
  }
  return { sampler: toSampler({ type, ...known(settings) }), parentBased: true }
}
