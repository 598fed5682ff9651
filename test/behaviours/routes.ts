// The route in the name: templates with all mounted prefixes, never the text of a path.

import assert from 'node:assert/strict'
import { activeSpan } from '../../src/core/scope.ts'
import { getSpan } from '../../src/core/server/index.ts'
import { ask } from '../support/client.ts'
import { CALLER_ID, caller, names, type Row, row, user } from './row.ts'

export const routeRows: Row[] = [
  row({
    id: 'R-MOUNT-TEMPLATE',
    title: 'a mounted prefix with a parameter is in the name as a template, never as an id',
    app: { routes: [{ mount: '/tenants/:tenant', path: '/users/:id', handle: () => 'x' }] },
    request: port => ask(port, '/tenants/42/users/7'),
    expect(seen) {
      assert.deepEqual(names(seen), ['GET /tenants/:tenant/users/:id'])
      assert.equal(seen.span.tags['http.route'], '/tenants/:tenant/users/:id')
    },
  }),
  row({
    id: 'R-MOUNT-SAME-TEXT',
    title: 'a parameter with the same text as a literal segment of its prefix is told apart',
    app: { routes: [{ mount: '/42/:tenant', path: '/:id', handle: () => 'x' }] },
    request: port => ask(port, '/42/42/42'),
    expect(seen) {
      assert.deepEqual(names(seen), ['GET /42/:tenant/:id'])
    },
  }),
  row({
    id: 'R-TWICE',
    title: 'mounted twice (app and router): still one span (F077)',
    app: { tracing: 'twice', routes: [{ mount: '/api', path: '/users/:id', handle: () => 'x' }] },
    request: port => ask(port, '/api/users/1'),
    expect({ all, span }) {
      assert.equal(all.length, 1)
      assert.equal(span.operationName, 'GET /api/users/:id')
      assert.equal(span.finishCount, 1)
    },
  }),
  row({
    id: 'R-ON-ROUTE',
    title: 'mounted on routes alone: those are traced as on the app',
    app: { tracing: 'routes', routes: [{ mount: '/api', path: '/users/:id', handle: () => 'x' }] },
    request: async port => {
      await ask(port, '/elsewhere')
      return ask(port, '/api/users/1')
    },
    expect(seen) {
      assert.deepEqual(names(seen), ['GET /api/users/:id'])
    },
  }),
  row({
    id: 'R-NESTED-THREE',
    title: 'routers three deep, a parameter in each: the whole template, and every parameter',
    app: {
      routes: [
        { mount: ['/a/:x', '/b/:y', '/c'], path: '/d/:z', handle: () => 'x' },
        { mount: ['/a/:x', '/b/:y', '/c'], path: '/e', handle: () => 'x' },
      ],
    },
    options: { tracedRequestAttributes: ['params.x', 'params.y', 'params.z', 'params'] },
    request: async port => [await ask(port, '/a/1/b/2/c/d/3'), await ask(port, '/a/1/b/2/c/e')],
    spans: 2,
    expect(seen) {
      assert.deepEqual(names(seen), ['GET /a/:x/b/:y/c/d/:z', 'GET /a/:x/b/:y/c/e'])
      const { 'params.x': x, 'params.y': y, 'params.z': z, params } = seen.span.tags
      assert.deepEqual([x, y, z], ['1', '2', '3'])
      assert.deepEqual(JSON.parse(String(params)), { x: '1', y: '2', z: '3' })
    },
  }),
  row({
    id: 'R-SAME-PARAMETER',
    title: 'a parameter of the same name in the prefix and in the route: the template has both',
    app: { routes: [{ mount: '/:id', path: '/:id', handle: () => 'x' }] },
    request: port => ask(port, '/1/2'),
    expect(seen) {
      assert.deepEqual(names(seen), ['GET /:id/:id'])
    },
  }),
  row({
    id: 'R-MOUNT-ROOT',
    title: "the root of a mounted router has the mount's template",
    app: { routes: [{ mount: '/tenants/:tenant', path: '/', handle: () => 'x' }] },
    request: async port => [await ask(port, '/tenants/42'), await ask(port, '/tenants/43/')],
    spans: 2,
    expect(seen, answers) {
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200],
      )
      for (const name of names(seen)) assert.match(name, /^GET \/tenants\/:tenant\/?$/)
    },
  }),
  row({
    id: 'R-CASE',
    title:
      'another case or a slash at the end: the template as it was written, or no route; never a new name',
    app: { routes: [{ mount: '/tenants/:tenant', path: '/users/:id', handle: () => 'x' }] },
    async request(port) {
      const answers = []
      for (const path of ['/TENANTS/42/Users/7', '/Tenants/AbC/users/x', '/tenants/42/users/7/'])
        answers.push(await ask(port, path))
      return answers
    },
    spans: 3,
    expect({ spans }, answers) {
      assert.deepEqual(
        spans.map(span => span.operationName),
        answers.map(({ status }) => (status === 200 ? 'GET /tenants/:tenant/users/:id' : 'GET')),
      )
    },
  }),
  row({
    id: 'R-ENCODED',
    title: 'encoded text in parameters is theirs: the template stays, the parameter is decoded',
    app: { routes: [{ mount: '/tenants/:tenant', path: '/users/:id', handle: () => 'x' }] },
    options: { tracedRequestAttributes: ['params.tenant', 'params.id'] },
    request: port => ask(port, '/tenants/a%20b/users/%C3%BC%3A'),
    expect({ span }) {
      assert.equal(span.operationName, 'GET /tenants/:tenant/users/:id')
      assert.deepEqual([span.tags['params.tenant'], span.tags['params.id']], ['a b', 'ü:'])
    },
  }),
  row({
    id: 'R-WRONG-METHOD',
    title: 'a known path with another method: the method alone',
    app: user,
    request: port => ask(port, '/users/1', { method: 'DELETE' }),
    expect(seen) {
      assert.deepEqual(names(seen), ['DELETE'])
      assert.equal(seen.span.tags['http.status_code'], 404)
    },
  }),
  row({
    id: 'R-IGNORE-MOUNTED',
    title: 'mounted on routes, ignore still means the path as the client sent it',
    app: {
      tracing: 'routes',
      routes: ['/health', '/users'].map(path => ({ mount: '/api', path, handle: () => 'x' })),
    },
    options: { ignore: '/api/health' },
    request: async port => [await ask(port, '/api/health'), await ask(port, '/api/users')],
    expect(seen) {
      assert.deepEqual(names(seen), ['GET /api/users'])
    },
  }),
  row({
    id: 'R-BEHIND-PARSING',
    title: 'mounted behind body parsing: traced from there on, with what came before (F078)',
    app: {
      tracing: 'behind parsing',
      parses: true,
      routes: [
        {
          method: 'post',
          path: '/orders',
          handle: ({ req }) => ({ same: activeSpan() === getSpan(req) }),
        },
      ],
    },
    options: { tracedRequestAttributes: ['body.id'] },
    request: port =>
      ask(port, '/orders', {
        method: 'POST',
        headers: { ...caller, 'content-type': 'application/json' },
        body: '{"id":12}',
      }),
    unchanged: true,
    expect({ span }, answer) {
      assert.equal(answer.body, '{"same":true}')
      assert.equal(span.parentId, CALLER_ID)
      assert.equal(span.tags['body.id'], 12)
    },
  }),
  row({
    id: 'R-BEHIND-ROUTES',
    title: 'mounted behind the routes: what they answer is not traced, what is left over is (F078)',
    app: { ...user, tracing: 'behind routes' },
    request: async port => [await ask(port, '/users/1'), await ask(port, '/nowhere')],
    // A Fastify hook is the whole app's, wherever it is added.
    spans: host => (host.component === 'fastify' ? 2 : 1),
    unchanged: true,
    expect(seen) {
      assert.deepEqual(names(seen), seen.host.component === 'fastify' ? ['GET /users/:id', 'GET'] : ['GET'])
    },
  }),
]
