// Objects whose prototype a framework sets for each request, as Express does. Before Node 24, V8 gives each of them a shape
// of its own. A property that is read by name is looked for by shape, in a memory where these shapes are never found: each
// read costs a call into V8, 0.4 microseconds, and leaves garbage in the old generation. Reflect.get looks at the object
// itself. A property that is added costs ten times as much. Node 24's V8 shares the shapes.

import type { IncomingMessage, ServerResponse } from 'node:http'

/** Whether an object loses its shape when its prototype is set. Seen on Node 20 and 22, not on 24 and 26. */
export const settingPrototypesLosesShapes: boolean = Number.parseInt(process.versions.node, 10) < 24

type Get = <T extends object, K extends keyof T>(object: T, name: K) => T[K]

/** Reads a property of an object that has lost its shape. */
export const get: Get = Reflect.get

/** What is read of a request, at once. */
export function requestApart(req: IncomingMessage): Pick<IncomingMessage, 'headers' | 'method' | 'socket'> {
  return { headers: get(req, 'headers'), method: get(req, 'method'), socket: get(req, 'socket') }
}

/** What is read of a response, at once. */
export function responseApart(res: ServerResponse): Pick<ServerResponse, 'statusCode' | 'writableEnded'> {
  return { statusCode: get(res, 'statusCode'), writableEnded: get(res, 'writableEnded') }
}
