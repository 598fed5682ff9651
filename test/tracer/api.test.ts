// The checks that ship in the opentracing package, on our tracer. They are written for mocha: node:test has the words
// that they need under the same names.

import { createRequire } from 'node:module'
import { after, beforeEach, describe, it } from 'node:test'
import { createTracer, type LeanTracer } from '../../src/tracer/index.ts'

Object.assign(globalThis, { describe, it, beforeEach })
const require = createRequire(import.meta.url)
const { default: apiCompatibilityChecks } = require('opentracing/lib/test/api_compatibility.js')
const { default: noopChecks } = require('opentracing/lib/test/noop_implementation.js')

const tracers: LeanTracer[] = []

function makeTracer(): LeanTracer {
  const tracer = createTracer({ serviceName: 'orders', exporter: { export() {} } })
  tracers.push(tracer)
  return tracer
}

describe("opentracing's own checks", () => {
  apiCompatibilityChecks(makeTracer, { skipBaggageChecks: false, skipInjectExtractChecks: false })
  noopChecks(makeTracer)
  after(() => Promise.all(tracers.map(tracer => tracer.close())))
})
