export { logOperations } from './routes.ts';
export { LogService, type LogServiceOptions } from './service.ts';
export type * from './writer.ts';
