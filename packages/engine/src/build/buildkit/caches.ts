import { errorMessage } from '@slipway/base';
import type { CacheImport } from '@slipway/build';
import { type Descriptor, formatFamiliar } from '@slipway/oci';
import type { CacheSource, CacheTarget } from '../cache/entries.ts';
import { clientContent } from './client-content.ts';
import type { BuildKitContext } from './context.ts';
import type { BuiltRef, Job } from './job.ts';
import { withVertex } from './load-dockerfile.ts';

/** What other builders have made, as the client wants it looked at. One that cannot be read is told of, and left out. */
export async function openCaches(context: BuildKitContext, job: Job): Promise<readonly CacheImport[]> {
  const { builds, sessions } = context;
  const { sources } = job.caches;
  if (sources.length === 0) return [];
  const session = await sessions.get(job.sessionId, job);
  const { signal } = job;
  const clientFolder = (folder: string) => clientContent(session.connection, folder, { signal });
  const opened = await Promise.all(
    sources.map(async (source) => {
      const title = `importing cache manifest from ${nameOf(source)}`;
      try {
        return await withVertex(context, job, { title }, () =>
          builds.importCache(source, { session, clientFolder, signal }),
        );
      } catch (error) {
        signal.throwIfAborted();
        context.logger.debug({ error: errorMessage(error) }, title);
        return [];
      }
    }),
  );
  return opened.flat();
}

const nameOf = (source: CacheSource): string =>
  source.type === 'registry' ? formatFamiliar(source.reference) : `local:${source.folder}`;

/** Gives what was built to the caches that the client names. @returns what is told of them */
export async function writeCaches(
  context: BuildKitContext,
  job: Job,
  refs: readonly BuiltRef[],
): Promise<Record<string, string>> {
  const told: Record<string, string> = {};
  if (refs.length === 0) return told;
  for (const target of job.caches.targets) {
    if (target.type === 'inline') continue;
    try {
      const title = `exporting cache to ${target.type === 'registry' ? 'registry' : 'client directory'}`;
      const top = await withVertex(context, job, { title }, () => writeCache(context, job, target, refs));
      if (target.type === 'local') told['cache.manifest'] = JSON.stringify(top);
    } catch (error) {
      job.signal.throwIfAborted();
      if (!target.ignoresErrors) throw error;
    }
  }
  return told;
}

async function writeCache(
  { builds, sessions }: BuildKitContext,
  job: Job,
  target: Exclude<CacheTarget, { type: 'inline' }>,
  refs: readonly BuiltRef[],
): Promise<Descriptor> {
  const { signal } = job;
  const session = await sessions.get(job.sessionId, job);
  const results = refs.map(({ result }) => result);
  if (target.type === 'registry') return await builds.pushCache(results, target, { session, signal });
  const folder = clientContent(session.connection, target.folder, { signal });
  return await builds.writeCache(results, target, folder, signal);
}
