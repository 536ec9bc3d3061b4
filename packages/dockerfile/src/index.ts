export type * from './instructions.ts';
