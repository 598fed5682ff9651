// What two processes beside the servers have in common: they open doors for each server, so that it is known whose spans
// and calls arrive, and are asked for the counts.

import { once } from 'node:events'

// Milliseconds. Connections outlast the time in which a server waits for its turn.
const KEEP_ALIVE = 60_000

/**
 * Answers the parent's messages: `{ open: true }` with `{ id, ports }`, `{ counts: id }`, `{ close: id }`.
 *
 * @param open gives { counts, ports, end }
 * @param otherwise answers any other message
 */
export function answerParent(open, otherwise) {
  const opened = []
  const answer = async message => {
    if (message.open) {
      const doors = await open()
      return { id: opened.push(doors) - 1, ports: doors.ports }
    }
    if (message.counts !== undefined) return opened[message.counts].counts
    if (message.close === undefined) return otherwise(message)
    opened[message.close].end()
    return 'closed'
  }
  process.on('message', async message => process.send(await answer(message)))
  process.on('disconnect', () => process.exit())
}

/** Has HTTP servers listen: their ports, by the same names, and `end`. */
export async function listen(servers) {
  const ports = {}
  for (const [name, server] of Object.entries(servers)) {
    server.keepAliveTimeout = KEEP_ALIVE
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports[name] = server.address().port
  }
  const end = () => {
    for (const server of Object.values(servers)) {
      server.close()
      server.closeAllConnections()
    }
  }
  return { ports, end }
}
