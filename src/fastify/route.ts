// What Fastify knows of a request's route before any handler runs.

import type { FastifyContextConfig, FastifyRequest } from 'fastify'

/** `config` of a route, in which Fastify has put its template. */
export type RouteConfig = FastifyContextConfig & { readonly url?: string }

/**
 * Makes a reader of routes' `config`, for the requests of one app. `request.routeOptions` tells it, and makes an object of
 * a dozen properties for everybody who asks: that takes longer than to read a trace from the headers. What it is made from
 * is on the request, under a symbol. That is looked for once, by what is there; where it is not, `routeOptions` is asked.
 */
export function createConfigReader(): (request: FastifyRequest) => RouteConfig | undefined {
  let key: symbol | undefined
  let isSought = true
  return request => {
    if (key !== undefined) return contextAt(request, key)?.config
    const config = request.routeOptions?.config as RouteConfig | undefined
    // A request without a route has none.
    if (isSought && config !== undefined) {
      isSought = false
      key = Object.getOwnPropertySymbols(request).find(
        symbol => contextAt(request, symbol)?.config === config,
      )
    }
    return config
  }
}

function contextAt(request: FastifyRequest, key: symbol): { readonly config?: RouteConfig } | undefined {
  return (request as unknown as Record<symbol, { readonly config?: RouteConfig } | undefined>)[key]
}
