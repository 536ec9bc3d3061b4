export { parseDurationNs } from './duration.ts';
export { DockerfileError } from './error.ts';
export { formatExcerpt } from './excerpt.ts';
export { heredocScript } from './heredoc.ts';
export type * from './instructions.ts';
export { parseDockerfile, parseInstruction } from './parse.ts';
export { suggest } from './suggest.ts';
