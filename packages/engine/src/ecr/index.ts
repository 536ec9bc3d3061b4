export { ECR_TARGET, ecrRoutes } from './routes.ts';
export { type Ecr, type EcrOptions, openEcr } from './service.ts';
