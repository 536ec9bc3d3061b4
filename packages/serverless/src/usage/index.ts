export type * from './ledger.ts';
export { usageRoutes } from './routes.ts';
export { UsageService, type UsageServiceOptions } from './service.ts';
export { AWS_PRICES, type Prices } from './totals.ts';
