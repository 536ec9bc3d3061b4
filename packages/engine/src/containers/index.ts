export type { ContainersConfig } from './context.ts';
export { type ContainerDependencies, ContainerService } from './service.ts';
