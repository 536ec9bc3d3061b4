import { SlipwayError } from '@slipway/base';
import type { Descriptor } from '@slipway/oci';
import { headBlob, readBlob } from './blobs.ts';
import { readTags } from './listings.ts';
import { fetchManifest, resolveManifest } from './manifests.ts';
import { pushManifest, readReferrers } from './referrers.ts';
import type { Repository } from './registry.ts';
import {
  askInTurn,
  awake,
  forRepository,
  passOver,
  type RepositorySession,
  type RestingMirrors,
  type Session,
} from './session.ts';
import { pushBlob } from './upload.ts';

/**
 * A repository as the contract has it. Content is read from mirrors first; lists, which a mirror may have in part only,
 * and everything that is written go to the registry itself.
 */
export function openRepository(
  name: Repository['name'],
  resting: RestingMirrors,
  openSessions: () => Promise<readonly Session[]>,
): Repository {
  const sessions = async (): Promise<readonly RepositorySession[]> =>
    (await openSessions()).map((session) => forRepository(session, name.domain, name.path));
  const own = async (): Promise<RepositorySession> => {
    const found = (await sessions()).find(({ endpoint }) => !endpoint.isMirror);
    if (found === undefined)
      throw new SlipwayError('NotFound', `registry ${name.domain} has no endpoint of its own`);
    return found;
  };
  const inTurn = async <T>(
    ask: (session: RepositorySession) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> => askInTurn(await sessions(), resting, ask, signal);

  return {
    name,
    resolve: (target, call = {}) => inTurn((session) => resolveManifest(session, target, call), call.signal),
    getManifest: (target, call = {}) =>
      inTurn((session) => fetchManifest(session, target, call), call.signal),
    openBlob: (descriptor, { offset = 0, signal } = {}) =>
      readInTurn(sessions, resting, descriptor, offset, signal),
    findBlob: async (digest, { signal } = {}) => {
      for (const session of awake(await sessions(), resting)) {
        try {
          const found = await headBlob(session, digest, { signal });
          if (found !== undefined || !session.endpoint.isMirror) return found;
        } catch (error) {
          signal?.throwIfAborted();
          passOver(session, error, resting);
        }
      }
      return undefined;
    },
    pushBlob: async (blob, { signal } = {}) => pushBlob(await own(), blob, signal),
    pushManifest: async (target, manifest, call) => pushManifest(await own(), target, manifest, call),
    listTags: async function* (call) {
      yield* readTags(await own(), call);
    },
    listReferrers: async function* (digest, options) {
      yield* readReferrers(await own(), digest, options);
    },
  };
}

/** A blob's bytes; what a mirror did not give is taken from the next endpoint on. */
async function* readInTurn(
  sessions: () => Promise<readonly RepositorySession[]>,
  resting: RestingMirrors,
  descriptor: Pick<Descriptor, 'digest' | 'size'>,
  offset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (offset < 0 || offset > descriptor.size) {
    throw new SlipwayError(
      'InvalidArgument',
      `the blob ${descriptor.digest} has ${descriptor.size} bytes and cannot be read from byte ${offset}`,
    );
  }
  signal?.throwIfAborted();
  let at = offset;
  for (const session of awake(await sessions(), resting)) {
    try {
      for await (const chunk of readBlob(session, descriptor, at, signal)) {
        at += chunk.byteLength;
        yield chunk;
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      passOver(session, error, resting);
    }
  }
}
