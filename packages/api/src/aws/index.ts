export * from './codec.ts';
export * from './event-stream.ts';
export * from './services.ts';
export type * from './table.ts';
