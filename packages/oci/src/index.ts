export * from './chain-id.ts';
export * from './digest.ts';
export * from './image-config.ts';
export { parseJson, parseJsonObject } from './json.ts';
export * from './manifest.ts';
export * from './media-types.ts';
export * from './platform.ts';
export * from './reference.ts';
