export * from './runtime.ts';
export * from './spec/build-spec.ts';
export type * from './spec/oci-spec.ts';
export type * from './spec/options.ts';
export type * from './task.ts';
