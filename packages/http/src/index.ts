export * from './body.ts';
export type * from './dialects/dialect.ts';
export * from './dialects/docker.ts';
export * from './query.ts';
export * from './reply.ts';
export type * from './route.ts';
export * from './server.ts';
export * from './version.ts';
