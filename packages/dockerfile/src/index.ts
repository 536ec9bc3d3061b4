export { type CheckOptions, type CheckResult, checkDockerfile, type KnownVariables } from './check/index.ts';
export { parseDurationNs } from './duration.ts';
export { DockerfileError } from './error.ts';
export { formatExcerpt } from './excerpt.ts';
export {
  type Environment,
  type ExpandOptions,
  type Expansion,
  expand,
  expandWord,
  expandWords,
  parseEnvironment,
} from './expand.ts';
export { createGlob, type Glob, type GlobOptions, hasWildcard, unescapeGlob } from './glob.ts';
export { heredocScript } from './heredoc.ts';
export { createIgnoreMatcher, type IgnoreMatcher, type IgnoreVerdict, parseIgnoreFile } from './ignore.ts';
export type * from './instructions.ts';
export { parseDockerfile, parseInstruction } from './parse.ts';
export { exposedPorts, type PortSpec, parsePortSpec } from './ports.ts';
export {
  type ApplyOptions,
  applyToConfig,
  CONFIG_KINDS,
  type ConfigInstruction,
  commandArgs,
  type Healthcheck,
  isConfigInstruction,
  type RunConfig,
  resolveWorkdir,
  withVariables,
} from './run-config.ts';
export { suggest } from './suggest.ts';
