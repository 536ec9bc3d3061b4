export { servesPlatform } from './choose-platform.ts';
export { parseRegistryConfig } from './credentials.ts';
export { packageUrl } from './push-images.ts';
export { pullHandler, transferRoutes } from './routes.ts';
export { TransferService, type TransferServiceOptions } from './service.ts';
export type { Upload } from './upload.ts';
