// Loaded before a documentation example: fixed ports become free ones, and a program that would run for ever ends a
// moment after it has started. An error before that still fails it.

import net from 'node:net'

const { listen } = net.Server.prototype
net.Server.prototype.listen = function (...args) {
  if (typeof args[0] === 'number') args[0] = 0
  else if (typeof args[0]?.port === 'number') args[0] = { ...args[0], port: 0 }
  return listen.apply(this, args)
}

// The example is loaded here first, so that its end is known; the command line then finds it loaded.
setTimeout(() => process.exit(), 20_000).unref()
import(process.env.DOCS_ENTRY).then(
  () => setTimeout(() => process.exit(), 250),
  error => {
    console.error(error)
    process.exit(1)
  },
)
