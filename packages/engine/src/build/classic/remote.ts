import { SlipwayError } from '@slipway/base';
import type { BuildSession, ContextSource, Vertex } from '@slipway/build';
import { contextVertex } from '@slipway/build';
import { hostPlatform } from '@slipway/oci';
import type { BuildService } from '../service.ts';

import { readText } from './context.ts';
import type { PreparedBuild } from './prepared.ts';
import type { ClassicRequest } from './request.ts';

/**
 * A context that the daemon fetches itself: a git repository. What is fetched stays in the cache, where the build finds it.
 * @throws InvalidArgument when it has no such Dockerfile
 */
export async function openRemote(
  builds: BuildService,
  {
    request,
    url,
    session,
    signal,
  }: {
    request: ClassicRequest;
    url: string;
    session: BuildSession;
    signal: AbortSignal;
  },
): Promise<PreparedBuild> {
  const context: ContextSource = { kind: 'git', url };
  const vertex: Vertex = contextVertex(context, hostPlatform());
  const dockerfile = await readFromVertex(builds, vertex, request.dockerfile, { session, signal });
  return { request, dockerfile, context, session, [Symbol.asyncDispose]: async () => {} };
}

/** A text file of what a vertex comes to. @throws InvalidArgument when there is none */
export async function readFromVertex(
  builds: BuildService,
  vertex: Vertex,
  path: string,
  { session, signal }: { session: BuildSession; signal: AbortSignal },
): Promise<string> {
  const result = await builds.solve({ vertex }, { session, signal, onEvent: () => {} });
  await using _lease = result.lease;
  await using files = await builds.openFiles(result, signal);
  const text = readText(files.path, path);
  if (text !== undefined) return text;
  throw new SlipwayError('InvalidArgument', `Cannot locate specified Dockerfile: ${path}`);
}
