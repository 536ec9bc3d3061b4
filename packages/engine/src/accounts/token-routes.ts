import { collectBytes, isSlipwayError, SlipwayError } from '@slipway/base';
import type { RegistryAction } from '@slipway/distribution/server';
import { json, ociErrorReply, type Reply, type Route, type RouteRequest } from '@slipway/http';
import { parseAuthorization } from './credentials.ts';
import type { AccountService } from './service.ts';
import { ALL_ACTIONS, EVERYWHERE, type KnownVisitor } from './visitor.ts';

const MOST_SCOPES = 100;
const LONGEST_FORM_BYTES = 256 * 1024;

interface Asked {
  readonly scopes: readonly string[];
  readonly isOffline: boolean;
}

/**
 * Where clients of the registry get their tokens, with GET as docker does and with POST as OAuth 2 does.
 * @see https://distribution.github.io/distribution/spec/auth/token/
 * @see https://distribution.github.io/distribution/spec/auth/oauth/
 */
export function tokenRoutes(accounts: AccountService): Route[] {
  return [
    {
      method: 'GET',
      path: '/token',
      handler: (request) =>
        challenged(async () =>
          answer(accounts, await admitted(accounts, request), {
            scopes: request.query.getAll('scope'),
            isOffline: request.query.get('offline_token') === 'true',
          }),
        ),
    },
    {
      method: 'POST',
      path: '/token',
      handler: (request) =>
        challenged(async () => {
          const form = await readForm(request);
          const asked = { scopes: form.getAll('scope'), isOffline: form.get('access_type') === 'offline' };
          return await answer(accounts, await granted(accounts, form), asked);
        }),
    },
  ];
}

/** A client without a name gets a token for what anybody may do, or, when that is nothing, is asked for one. */
async function admitted(accounts: AccountService, { headers }: RouteRequest): Promise<KnownVisitor> {
  if (parseAuthorization(headers['authorization']).kind === 'bearer') {
    throw unauthorized('send the user name and password here, not a token');
  }
  const visitor = await accounts.admit(headers);
  if (visitor.name === undefined && !visitor.may('pull', '*')) throw unauthorized('authentication required');
  return visitor;
}

async function granted(accounts: AccountService, form: URLSearchParams): Promise<KnownVisitor> {
  const grant = form.get('grant_type');
  switch (grant) {
    case 'password':
      return await accounts.logIn(form.get('username') ?? '', form.get('password') ?? '');
    case 'refresh_token':
      return await accounts.refresh(form.get('refresh_token') ?? '');
    default:
      throw new SlipwayError(
        'InvalidArgument',
        `grant_type: "${grant ?? ''}": must be password or refresh_token`,
      );
  }
}

async function answer(
  accounts: AccountService,
  visitor: KnownVisitor,
  { scopes, isOffline }: Asked,
): Promise<Reply> {
  const wanted = parseScopes(scopes);
  const { token, expiresInSeconds, issuedAtMs } = await accounts.issueToken(visitor, wanted);
  const body = {
    token,
    access_token: token,
    scope: scopes.join(' '),
    expires_in: expiresInSeconds,
    issued_at: new Date(issuedAtMs).toISOString(),
    refresh_token: isOffline ? await accounts.issueRefreshToken(visitor) : undefined,
  };
  return json(200, body, { 'cache-control': 'no-store' });
}

/**
 * `repository:team/app:pull,push`, several in one text or in several. `registry:catalog:*` is leave to see what the
 * account may pull; other kinds of resources are left out.
 */
export function parseScopes(texts: readonly string[]): { repository: string; actions: RegistryAction[] }[] {
  const scopes = texts.flatMap((text) => text.split(' ')).filter((text) => text !== '');
  if (scopes.length > MOST_SCOPES) {
    throw new SlipwayError(
      'InvalidArgument',
      `scope: ${scopes.length} of them; at most ${MOST_SCOPES} at once`,
    );
  }
  return scopes.flatMap((scope) => {
    if (scope === 'registry:catalog:*') return [{ repository: EVERYWHERE, actions: ['pull' as const] }];
    const [, repository, actions = ''] = /^repository(?:\([^)]*\))?:(.+):([^:]*)$/.exec(scope) ?? [];
    // A star would be a pattern in the token.
    if (repository === undefined || repository.includes('*')) return [];
    const named = actions.split(',');
    return [
      { repository, actions: ALL_ACTIONS.filter((action) => named.includes(action) || named.includes('*')) },
    ];
  });
}

async function readForm({ headers, body }: RouteRequest): Promise<URLSearchParams> {
  const mediaType = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (mediaType !== 'application/x-www-form-urlencoded') {
    throw new SlipwayError(
      'InvalidArgument',
      `Content-Type: "${mediaType ?? ''}": must be application/x-www-form-urlencoded`,
    );
  }
  return new URLSearchParams(Buffer.from(await collectBytes(body, LONGEST_FORM_BYTES)).toString('utf8'));
}

/** The token server itself takes a name and password. */
async function challenged(work: () => Promise<Reply>): Promise<Reply> {
  try {
    return await work();
  } catch (error) {
    if (!isSlipwayError(error, 'Unauthenticated')) throw error;
    return ociErrorReply(error, { 'www-authenticate': 'Basic realm="slipway"' });
  }
}

const unauthorized = (message: string) =>
  new SlipwayError('Unauthenticated', message, { reason: 'UNAUTHORIZED' });
