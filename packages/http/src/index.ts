export * from './reply.ts';
export type * from './route.ts';
