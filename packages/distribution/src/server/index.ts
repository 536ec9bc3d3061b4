export type * from './backend.ts';
export { registryRoutes } from './routes.ts';
