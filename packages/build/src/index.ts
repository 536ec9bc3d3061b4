export { FailedStepError } from './debug/failed-steps.ts';
export type * from './graph.ts';
export * from './plan/index.ts';
export { type OpenSolverOptions, openSolver } from './solve/open-solver.ts';
export type * from './solver.ts';
export { vertexDigest } from './vertex-digest.ts';
