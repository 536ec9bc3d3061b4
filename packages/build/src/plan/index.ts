export { ContextSources, contextVertex } from './contexts.ts';
export type {
  ContextSource,
  DockerfilePlan,
  PlannedStage,
  PlannedStep,
  PlanOptions,
  ResolveImage,
} from './options.ts';
export { planDockerfile } from './plan-dockerfile.ts';
export { isHttpUrl, parseGitSource } from './sources.ts';
