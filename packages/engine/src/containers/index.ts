export type { ContainersConfig } from './context.ts';
export type { ContainerSandbox, SandboxRequest } from './sandbox.ts';
export { type ContainerDependencies, ContainerService } from './service.ts';
