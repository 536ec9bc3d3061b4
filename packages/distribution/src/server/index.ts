export type * from './backend.ts';
export { KEEPER } from './backend.ts';
export { isDigestReference, parseName } from './names.ts';
export { registryRoutes } from './routes.ts';
