import { z } from 'zod';
import { action, type EcrAction, registryId } from './action.ts';
import { type EcrContext, REGISTRY_ID } from './context.ts';
import { toSeconds } from './wire.ts';

const TOKEN_SECONDS = 12 * 3600;
/** The accounts take it with a token as the password. */
const TOKEN_USER = 'AWS';

/** Logging in to the registry, and what it is. */
export function authorizationActions({ accounts }: EcrContext): EcrAction[] {
  return [
    action(
      'GetAuthorizationToken',
      z.object({ registryIds: z.array(z.string()).max(10).nullish() }),
      async (_input, { visitor, host }) => {
        const everywhere = { repository: '*', actions: ['pull', 'push', 'delete'] as const };
        const { token, expiresInSeconds, issuedAtMs } = await accounts.issueToken(visitor, [everywhere], {
          expiresInSeconds: TOKEN_SECONDS,
        });
        return {
          authorizationData: [
            {
              authorizationToken: Buffer.from(`${TOKEN_USER}:${token}`).toString('base64'),
              expiresAt: toSeconds(issuedAtMs) + expiresInSeconds,
              proxyEndpoint: `http://${host}`,
            },
          ],
        };
      },
    ),
    action('DescribeRegistry', z.object({ registryId }), () => ({
      registryId: REGISTRY_ID,
      replicationConfiguration: { rules: [] },
    })),
  ];
}
