export { openRegistryClient, type RegistryClientOptions } from './client.ts';
export { createEndpointFinder, type EndpointOptions } from './endpoints.ts';
export type * from './registry.ts';
