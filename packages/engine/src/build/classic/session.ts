import { SlipwayError } from '@slipway/base';
import type { BuildSession } from '@slipway/build';
import type { Credentials } from '@slipway/distribution/client';
import type { OwnSession } from '../own/session.ts';
import { sessionCredentials } from '../session-credentials.ts';
import { type ClassicContext, moveContext } from './context.ts';

/** A client that has sent all it has: its context, its logins, and the secrets of our own client, who may have an ssh agent. */
export function classicSession(
  context: ClassicContext | undefined,
  credentials: (domain: string) => Credentials | undefined,
  secrets: ReadonlyMap<string, Buffer>,
  sshAgent?: OwnSession['sshAgent'],
): BuildSession {
  let left = context;
  return {
    sharedKey: undefined,
    async syncLocal(source, folder) {
      if (left === undefined) {
        throw new SlipwayError(
          'FailedPrecondition',
          `the client of this build sent no context "${source.name}"`,
        );
      }
      moveContext(left, folder);
      left = undefined;
    },
    secret: async (id) => secrets.get(id),
    sshAgent: async (id) => await sshAgent?.(id),
    credentials: sessionCredentials(credentials),
  };
}
