export { systemRoutes } from './routes.ts';
export { type DiskUsage, type EngineCounts, type SystemContext, SystemService } from './service.ts';
