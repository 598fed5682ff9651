// Second majors of the frameworks, installed under a name of their own.
declare module 'express4'
declare module 'koa2'
declare module 'fastify4'
