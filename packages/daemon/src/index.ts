export type { Config } from './config.ts';
export { loadConfig } from './config.ts';
export { openDaemon } from './daemon.ts';
