// Other majors of the frameworks, installed under names of their own, and what comes without types.
declare module 'express4'
declare module 'express50'
declare module 'fastify4'
declare module 'koa2'
declare module 'koa-route'
declare module 'router20'
