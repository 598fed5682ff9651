// Words for who is new here: how to send spans, which keys there are, and where to go when this viewer is outgrown.

import { type About, loadAbout } from './api.ts'
import { type Child, copyButton, fill, h, iconButton } from './dom.ts'

const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['1 2', 'traces, services'],
  ['/', 'search; in a trace: find'],
  ['↑ ↓ k j', 'move'],
  ['Enter', 'open the trace'],
  ['x', 'choose a trace to compare; c compares the two'],
  ['← →', 'collapse, expand; to the parent, to the first child'],
  ['+ −', 'expand all, collapse all'],
  ['e E', 'next and previous error or abort'],
  ['n', 'next match'],
  ['p', 'critical path'],
  ['z', 'zoom to the chosen span, and back'],
  ['y', 'copy a link to the chosen span'],
  ['s', 'save the trace'],
  ['t', 'dark or light'],
  ['Esc', 'close; back to the list'],
]

// One setting each. Names: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and jaeger-client's README.
const BACKENDS: readonly (readonly [name: string, setting: string])[] = [
  ['Jaeger', 'OTEL_EXPORTER_OTLP_ENDPOINT=http://jaeger:4318'],
  ['Grafana Tempo', 'OTEL_EXPORTER_OTLP_ENDPOINT=http://tempo:4318'],
  ['Any other OTLP backend', 'OTEL_EXPORTER_OTLP_ENDPOINT=https://otlp.example.com'],
  ['Jaeger, from jaeger-client', 'JAEGER_ENDPOINT=http://jaeger:14268/api/traces'],
]

/** The dialog of help. */
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
      h('h3', {}, 'When this is outgrown'),
      h(
        'p',
        {},
        'This is a tool for development: in memory, bounded, for this machine. Another backend is one setting in the environment of your services:',
      ),
      settings(BACKENDS),
      h(
        'p',
        { class: 'faint' },
        'Headers for a login go into OTEL_EXPORTER_OTLP_HEADERS. A trace saved here opens in Jaeger’s page too, and one saved there opens here.',
      ),
    ),
  )
  dialog.addEventListener('click', event => {
    // A click beside the dialog lands on the dialog itself.
    if (event.target === dialog) dialog.close()
  })
  return dialog
}

/** What the list shows while nothing has come. */
export function welcome(): HTMLElement {
  const places = h('div', {})
  void loadAbout().then(
    about => fill(places, settings(placesToSend(about))),
    () => undefined,
  )
  return h(
    'div',
    { class: 'empty' },
    h('h2', {}, 'Waiting for spans'),
    h('p', {}, 'Traces appear here as they come. Point your services at this viewer:'),
    places,
  )
}

function placesToSend({ ports }: About): [string, string][] {
  const host = location.hostname
  const places: [string, string][] = []
  if (ports.otlp !== undefined)
    places.push([
      'OpenTelemetry, tracing-middleware/tracer',
      `OTEL_EXPORTER_OTLP_ENDPOINT=http://${host}:${ports.otlp}`,
    ])
  if (ports.jaegerBinary !== undefined)
    places.push([
      'jaeger-client over UDP',
      `JAEGER_AGENT_HOST=${host} JAEGER_AGENT_PORT=${ports.jaegerBinary}`,
    ])
  if (ports.jaeger !== undefined)
    places.push(['jaeger-client over HTTP', `JAEGER_ENDPOINT=http://${host}:${ports.jaeger}/api/traces`])
  if (ports.zipkin !== undefined)
    places.push(['Zipkin reporters (v2 JSON)', `http://${host}:${ports.zipkin}/api/v2/spans`])
  return places
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
