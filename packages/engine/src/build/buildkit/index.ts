export type { BuildKitOptions } from './context.ts';
export { type BuildKit, openBuildKit } from './routes.ts';
