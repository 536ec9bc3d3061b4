export { ecrRoutes } from './routes.ts';
export { type Ecr, type EcrOptions, openEcr } from './service.ts';
