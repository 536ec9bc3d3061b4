export type * from './spec/oci-spec.ts';
export type * from './spec/options.ts';
export type * from './task.ts';
