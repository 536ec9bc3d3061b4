export type { RegistrySettings, Upstream } from './context.ts';
export type * from './registry.ts';
export { registryAdminRoutes } from './routes.ts';
export { searchRoutes } from './search.ts';
export { openRegistry, type RegistryOptions } from './service.ts';
