// Help: the keys, how to send spans, and how to switch to another backend.

import { type About, loadAbout } from './api.ts'
import { type Child, copyButton, fill, h, iconButton } from './dom.ts'

const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['1 2', 'traces, services'],
  ['/', 'search; in a trace: find'],
  ['↑ ↓ k j', 'move'],
  ['Enter', 'open the trace'],
  ['x', 'select a trace; c compares two selected ones'],
  ['← →', 'collapse, expand; to the parent, to the first child'],
  ['+ −', 'expand all, collapse all'],
  ['e E', 'next and previous error or abort'],
  ['n', 'next match'],
  ['p', 'critical path'],
  ['z', 'zoom to the selected span, and back'],
  ['y', 'copy a link to the selected span'],
  ['s', 'save the trace'],
  ['t', 'dark or light'],
  ['Esc', 'close; back to the list'],
]

// The names of the settings: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and jaeger-client's README.
const BACKENDS: readonly (readonly [name: string, setting: string])[] = [
  ['Jaeger', 'OTEL_EXPORTER_OTLP_ENDPOINT=http://jaeger:4318'],
  ['Grafana Tempo', 'OTEL_EXPORTER_OTLP_ENDPOINT=http://tempo:4318'],
  ['Any other OTLP backend', 'OTEL_EXPORTER_OTLP_ENDPOINT=https://otlp.example.com'],
  ['Jaeger, from jaeger-client', 'JAEGER_ENDPOINT=http://jaeger:14268/api/traces'],
]

/** The help dialog. */
export function helpDialog(): HTMLDialogElement {
  const dialog = h('dialog', { class: 'help', attributes: { 'aria-label': 'Help' } })
  dialog.append(
    h(
      'header',
      {},
      h('h2', {}, 'Help'),
      iconButton('close', 'Close', () => dialog.close()),
    ),
    h(
      'section',
      {},
      h('h3', {}, 'Keys'),
      h(
        'dl',
        { class: 'keys' },
        KEYS.map(([keys, what]) =>
          h(
            'div',
            {},
            h(
              'dt',
              {},
              keys.split(' ').map(key => h('kbd', {}, key)),
            ),
            h('dd', {}, what),
          ),
        ),
      ),
    ),
    h(
      'section',
      {},
      h('h3', {}, 'Other backends'),
      h(
        'p',
        {},
        'This viewer is for development: it keeps traces in memory, within limits, on one machine. To use another backend, set one environment variable in your services:',
      ),
      settings(BACKENDS),
      h(
        'p',
        { class: 'faint' },
        'Headers for authentication go into OTEL_EXPORTER_OTLP_HEADERS. Jaeger’s page can open traces that are saved here, and this page can open traces that are saved there.',
      ),
    ),
  )
  dialog.addEventListener('click', event => {
    // A click on the backdrop has the dialog itself as its target.
    if (event.target === dialog) dialog.close()
  })
  return dialog
}

/** Shown in the list until spans arrive: how to send them. */
export function welcome(): HTMLElement {
  const destinations = h('div', {})
  void loadAbout().then(
    about => fill(destinations, settings(destinationsOf(about))),
    () => undefined,
  )
  return h(
    'div',
    { class: 'empty' },
    h('h2', {}, 'Waiting for spans'),
    h('p', {}, 'Traces appear here when they arrive. Configure your services to send them:'),
    destinations,
  )
}

function destinationsOf({ ports }: About): [string, string][] {
  const host = location.hostname
  const destinations: [string, string][] = []
  if (ports.otlp !== undefined)
    destinations.push([
      'OpenTelemetry, tracing-middleware/tracer',
      `OTEL_EXPORTER_OTLP_ENDPOINT=http://${host}:${ports.otlp}`,
    ])
  if (ports.jaegerBinary !== undefined)
    destinations.push([
      'jaeger-client over UDP',
      `JAEGER_AGENT_HOST=${host} JAEGER_AGENT_PORT=${ports.jaegerBinary}`,
    ])
  if (ports.jaeger !== undefined)
    destinations.push([
      'jaeger-client over HTTP',
      `JAEGER_ENDPOINT=http://${host}:${ports.jaeger}/api/traces`,
    ])
  if (ports.zipkin !== undefined)
    destinations.push(['Zipkin reporters (v2 JSON)', `http://${host}:${ports.zipkin}/api/v2/spans`])
  return destinations
}

function settings(list: readonly (readonly [string, string])[]): Child {
  return h(
    'dl',
    { class: 'settings' },
    list.map(([name, setting]) =>
      h('div', {}, h('dt', {}, name), h('dd', {}, h('code', {}, setting), copyButton(setting, 'setting'))),
    ),
  )
}
