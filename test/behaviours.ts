// The behaviour table: what one life of a request must look like, the same in every framework. One row, one promise;
// ids never change. test/server.test.ts runs each row on each host, on real sockets.

import { contextRows } from './behaviours/context.ts'
import { failureRows } from './behaviours/failures.ts'
import { headerRows } from './behaviours/headers.ts'
import { lifeRows } from './behaviours/life.ts'
import { optionRows } from './behaviours/options.ts'
import { protocolRows } from './behaviours/protocols.ts'
import { routeRows } from './behaviours/routes.ts'
import type { Row } from './behaviours/row.ts'
import { spanRows } from './behaviours/span.ts'
import { wireRows } from './behaviours/wire.ts'

export const rows: Row[] = [
  ...spanRows,
  ...routeRows,
  ...failureRows,
  ...lifeRows,
  ...wireRows,
  ...protocolRows,
  ...headerRows,
  ...contextRows,
  ...optionRows,
]
