export type { Compute, Sandbox, SandboxRequest } from './compute/compute.ts';
export { LocalCompute, type LocalComputeOptions } from './compute/local-compute.ts';
export { TemporaryDisks, type TemporaryDisksOptions } from './compute/temporary-disks.ts';
export type * from './environment.ts';
export { ENVIRONMENT_ENDED } from './environment.ts';
export { environmentRoutes } from './routes.ts';
export { runtimeNames } from './runtimes/runtime.ts';
export type { RuntimeStatus } from './runtimes/runtime-images.ts';
export { EnvironmentService, type EnvironmentServiceOptions, RESPONSE_LIMITS } from './service.ts';
