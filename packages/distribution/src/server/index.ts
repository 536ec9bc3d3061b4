export type * from './backend.ts';
export { parseName } from './names.ts';
export { registryRoutes } from './routes.ts';
