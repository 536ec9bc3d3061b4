export type * from './invoker.ts';
export type { FunctionMetrics } from './metrics.ts';
export { type InvokeContext, invocationOperations } from './operations.ts';
export { POOL_DEFAULTS } from './pool/defaults.ts';
export type { PoolSettings } from './pool/pool.ts';
export { type InvocationRoutesOptions, invocationRoutes } from './routes.ts';
export { type InvocationService, type InvocationsOptions, openInvocations } from './service.ts';
export { functionUrlSite, type UrlSiteOptions } from './urls/site.ts';
