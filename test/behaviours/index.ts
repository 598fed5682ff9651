// The behaviour table: what one life of a request must look like, the same in every framework. One row, one promise;
// ids never change. test/server.test.ts runs each row on each host, on real sockets.

import { contextRows } from './context.ts'
import { failureRows } from './failures.ts'
import { headerRows } from './headers.ts'
import { lifeRows } from './life.ts'
import { optionRows } from './options.ts'
import { protocolRows } from './protocols.ts'
import { routeRows } from './routes.ts'
import type { Row } from './row.ts'
import { spanRows } from './span.ts'
import { wireRows } from './wire.ts'

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
