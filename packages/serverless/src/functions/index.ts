export type * from './catalog.ts';
export type * from './function.ts';
