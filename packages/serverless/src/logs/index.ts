export type * from './writer.ts';
