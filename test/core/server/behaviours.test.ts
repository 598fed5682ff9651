// Every row of the behaviour table on every host, on real sockets; then hosts that are broken on purpose, which must
// turn rows red.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rows } from '../../behaviours/index.ts'
import { runRow, wantedSpans } from '../../behaviours/run.ts'
import { brokenHosts, sentinels } from '../../hosts/broken.ts'
import { hosts } from '../../hosts/index.ts'

for (const host of hosts) {
  describe(host.name, () => {
    for (const id of Object.keys(host.lacks)) {
      test(`lacks ${id}: the row exists, and does not pass`, async () => {
        const row = rows.find(candidate => candidate.id === id)
        assert.ok(row, `${host.name} lacks ${id}, which is no row`)
        assert.ok(host.lacks[id], `${host.name} lacks ${id} without a reason`)
        await assert.rejects(runRow(row, host, 300), `${host.name} has ${id} after all`)
      })
    }
    for (const row of rows) {
      if (!(row.id in host.lacks)) test(`${row.id}: ${row.title}`, () => runRow(row, host))
    }
  })
}

for (const { how, hosts, red } of brokenHosts) {
  describe(`a host that ${how}`, () => {
    for (const host of hosts) {
      test(`${host.name}: turns red what it must, and nothing else`, async () => {
        const turned: string[] = []
        const wanted: string[] = []
        for (const id of sentinels) {
          const row = rows.find(candidate => candidate.id === id)
          assert.ok(row, id)
          if (red?.includes(id) ?? wantedSpans(row, host) > 0) wanted.push(id)
          // Where no span will come there is no use in waiting for it.
          await runRow(row, host, wanted.includes(id) ? 50 : 2000).catch(() => turned.push(id))
        }
        assert.deepEqual(turned, wanted)
      })
    }
  })
}

test('ids of rows are unique', () => {
  const ids = rows.map(row => row.id)
  assert.deepEqual([...new Set(ids)], ids)
})
