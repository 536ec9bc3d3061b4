import { type Clock, isSlipwayError, type Logger, type Random, SlipwayError } from '@slipway/base';
import {
  type Dispatch,
  type HttpRequest,
  type HttpResponse,
  isConnectionLost,
  isUnreachable,
  readAll,
} from './http.ts';
import type { RegistryEndpoint } from './registry.ts';
import { backOffMs, pause, type RetryPolicy } from './retry.ts';

/** What the parts of the client share. */
export interface ClientContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly retry: RetryPolicy;
  /** How long a registry may take to store what it was sent, e.g. to copy it within an object store. */
  readonly commitTimeoutMs: number;
  /** Blobs up to this size are sent with one PUT. */
  readonly monolithicMaxBytes: number;
}

/** One endpoint, with one login. */
export interface Session {
  readonly endpoint: RegistryEndpoint;
  /** `registry docker.io`, or `mirror https://m of registry docker.io`. */
  readonly place: string;
  /** Authorizes, follows redirects, and tries again what may be. */
  readonly dispatch: Dispatch;
  readonly context: ClientContext;
}

/** One repository at one endpoint. */
export interface RepositorySession extends Session {
  readonly domain: string;
  readonly path: string;
}

export const PULL = ['pull'] as const;
export const PUSH = ['pull', 'push'] as const;

/** What a token must allow for these actions on a repository. */
export const repositoryScope = (path: string, actions: readonly string[]): string =>
  `repository:${path}:${actions.join(',')}`;

const PATH = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/;

/** Whether it may stand in a URL as a repository's name. */
export const isRepositoryPath = (path: string): boolean => path.length <= 255 && PATH.test(path);

export function forRepository(session: Session, domain: string, path: string): RepositorySession {
  if (!isRepositoryPath(path)) {
    throw new SlipwayError('InvalidArgument', `${path} is not a repository's name`, {
      reason: 'NAME_INVALID',
    });
  }
  const place = `${session.place}, repository ${path}`;
  return {
    ...session,
    place,
    domain,
    path,
    dispatch: async (request) => {
      try {
        return await session.dispatch(request);
      } catch (error) {
        throw inPlace(error, place);
      }
    },
  };
}

/** `https://…/v2/PATH/SUFFIX` of an endpoint. */
export const urlOf = ({ endpoint }: Session, suffix: string): URL => new URL(`${endpoint.url}/v2/${suffix}`);

/** Names registry and repository in an error that came from below. */
export function inPlace(error: unknown, place: string): unknown {
  if (
    !isSlipwayError(error) ||
    error.message.startsWith('registry ') ||
    error.message.startsWith('mirror ')
  ) {
    return error;
  }
  return new SlipwayError(error.code, `${place}: ${error.message}`, {
    cause: error,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
  });
}

/** Asks for a document and reads it when it comes with 200; asks again when the connection is lost within it. */
export async function fetchDocument(
  session: Session,
  request: HttpRequest,
  maxBytes: number,
): Promise<{ readonly response: HttpResponse; readonly bytes: Buffer | undefined }> {
  const { clock, random, retry } = session.context;
  for (let attempt = 1; ; attempt++) {
    const response = await session.dispatch(request);
    if (response.status !== 200) return { response, bytes: undefined };
    try {
      return { response, bytes: await readAll(response, maxBytes) };
    } catch (error) {
      if (attempt >= retry.attempts || !isConnectionLost(error)) throw inPlace(error, session.place);
    }
    await pause(clock, backOffMs(retry, random, attempt), request.signal);
  }
}

/** How long a mirror that could not be reached is passed over. */
const MIRROR_REST_MS = 60_000;

/** Mirrors that could not be reached, until when they are not asked, in monotonic milliseconds. */
export type RestingMirrors = Map<string, number>;

/** The sessions to ask, in order: without mirrors that were not there a moment ago. */
export function awake<S extends Session>(sessions: readonly S[], resting: RestingMirrors): readonly S[] {
  return sessions.filter(({ endpoint, context }) => {
    const untilMs = resting.get(endpoint.url);
    if (untilMs === undefined || !endpoint.isMirror) return true;
    if (context.clock.monotonicMs() < untilMs) return false;
    resting.delete(endpoint.url);
    return true;
  });
}

/** A mirror failed, in whatever way: says so, and remembers it where it was not there. Others' errors are thrown. */
export function passOver(
  { endpoint, place, context }: Session,
  error: unknown,
  resting: RestingMirrors,
): void {
  if (!endpoint.isMirror) throw error;
  if (isUnreachable(error)) resting.set(endpoint.url, context.clock.monotonicMs() + MIRROR_REST_MS);
  context.logger.info({ place, error }, 'a mirror failed, the next endpoint is asked');
}

/** Asks one endpoint after another until one answers. @throws what the last one, the registry itself, throws */
export async function askInTurn<S extends Session, T>(
  sessions: readonly S[],
  resting: RestingMirrors,
  ask: (session: S) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (const session of awake(sessions, resting)) {
    try {
      return await ask(session);
    } catch (error) {
      signal?.throwIfAborted();
      passOver(session, error, resting);
    }
  }
  throw new SlipwayError('Unavailable', 'no endpoint of the registry is configured: add the registry itself');
}
