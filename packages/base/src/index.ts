export * from './async.ts';
export * from './brands.ts';
export * from './clock.ts';
export * from './errors.ts';
export * from './logger.ts';
export * from './random.ts';
