export type * from './digest.ts';
