export type * from './graph.ts';
export type * from './solver.ts';
