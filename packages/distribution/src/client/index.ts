export type * from './registry.ts';
