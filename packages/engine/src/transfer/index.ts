export { pullHandler, transferRoutes } from './routes.ts';
export { TransferService, type TransferServiceOptions } from './service.ts';
