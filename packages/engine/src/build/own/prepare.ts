import { SlipwayError } from '@slipway/base';
import { parseDockerfile, parseIgnoreFile } from '@slipway/dockerfile';
import { z } from 'zod';
import type { PreparedBuild } from '../classic/prepared.ts';
import type { ClassicRequest } from '../classic/request.ts';

/** What a client that has a session sends as the request's body: the context comes when it is needed. */
export const ownBuildSchema = z.strictObject({
  dockerfile: z.string(),
  /** The text of the ignore file that counts. */
  ignore: z.string().optional(),
});

/** @throws DockerfileError; InvalidArgument for an empty one */
export function prepareOwnBuild(
  request: ClassicRequest,
  { dockerfile, ignore = '' }: z.infer<typeof ownBuildSchema>,
  session: PreparedBuild['session'],
): PreparedBuild {
  if (dockerfile.trim() === '') {
    throw new SlipwayError('InvalidArgument', `the Dockerfile (${request.dockerfile}) cannot be empty`);
  }
  parseDockerfile(dockerfile, { name: request.dockerfile });
  return {
    request,
    dockerfile,
    session,
    context: { kind: 'local', name: 'context', excludes: parseIgnoreFile(ignore) },
    [Symbol.asyncDispose]: async () => {},
  };
}
