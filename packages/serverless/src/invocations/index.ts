export type * from './invoker.ts';
