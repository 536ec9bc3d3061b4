export * from './common.ts';
export * from './containers.ts';
export * from './detach-keys.ts';
export * from './events.ts';
export * from './framing.ts';
export * from './progress.ts';
export * from './system.ts';
