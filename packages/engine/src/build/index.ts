export { type BuildKit, type BuildKitOptions, openBuildKit } from './buildkit/index.ts';
export { readFromVertex } from './classic/remote.ts';
export { type BuildHostOptions, createBuildHost } from './host.ts';
export type { BuildRecord } from './records.ts';
export { buildRoutes, type OtherBuilders, toBuildCache } from './routes.ts';
export { type BuildCall, type BuildName, BuildService, type BuildServiceOptions } from './service.ts';
