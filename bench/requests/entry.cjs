// The file of an entry of the package, by the build's own `exports`: builds of other commits may be laid out otherwise.

const { readFileSync } = require('node:fs')
const { dirname, resolve } = require('node:path')

/** @param name `express`, `fetch`, ...; `''` for the package itself. `dist`: the folder of a build */
function entry(dist, name) {
  // A link or a copy: the package is where the compiler has put dist.
  const root = dirname(resolve(dist))
  const { exports } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8'))
  return resolve(root, exports[name === '' ? '.' : `./${name}`].import.default)
}

module.exports = { entry }
