import { mkdir, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { type HostPath, hostPath, SlipwayError } from '@slipway/base';
import type { BuildEvent, ContextSource } from '@slipway/build';
import { parseIgnoreFile } from '@slipway/dockerfile';
import { computeDigest, type Digest } from '@slipway/oci';
import { readText } from '../classic/context.ts';
import type { BuildKitContext } from './context.ts';
import type { FrontendOptions } from './frontend-options.ts';
import type { ClientSession } from './session.ts';

/** The Dockerfile's text, and the context that it is built with. */
export interface LoadedDockerfile {
  readonly text: string;
  readonly context: ContextSource;
  /** Of the vertex that loaded the text. */
  readonly digest: Digest;
}

/** What goes on with the client while it is asked for files. */
export interface Asking {
  readonly session: ClientSession;
  readonly emit: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
}

/**
 * Asks the client for its Dockerfile and `.dockerignore`.
 * @throws NotFound when the client has no such Dockerfile
 */
export async function loadDockerfile(
  context: BuildKitContext,
  options: FrontendOptions,
  asking: Asking,
): Promise<LoadedDockerfile> {
  const { filename, dockerfileName, contextName, remoteContext } = options;
  if (remoteContext !== undefined) {
    throw new SlipwayError(
      'NotImplemented',
      `the remote context ${remoteContext} is not supported through BuildKit's API: use DOCKER_BUILDKIT=0 or slipway build`,
    );
  }
  await using folder = await scratchFolder(context);
  const lower = posix.join(posix.dirname(filename), posix.basename(filename).toLowerCase());
  const ownIgnoreFile = `${filename}.dockerignore`;
  const wanted = [filename, ownIgnoreFile, ...(posix.basename(filename) === 'Dockerfile' ? [lower] : [])];
  const title = `[internal] load build definition from ${posix.basename(filename)}`;
  const moved = 'transferring dockerfile:';
  const digest = await withVertex(context, asking, { title, moved }, async (onProgress, vertex) => {
    const source = { name: dockerfileName, excludes: [], followPaths: wanted };
    await asking.session.syncLocal(source, folder.path, { signal: asking.signal, onProgress });
    if (wanted.every((path) => path === ownIgnoreFile || readText(folder.path, path) === undefined)) {
      throw new SlipwayError(
        'NotFound',
        `failed to read dockerfile: open ${filename}: no such file or directory`,
      );
    }
    return vertex;
  });
  const text = readText(folder.path, filename) ?? readText(folder.path, lower) ?? '';
  const ignore = readText(folder.path, ownIgnoreFile) ?? (await loadIgnoreFile(context, contextName, asking));
  return {
    text,
    digest,
    context: {
      kind: 'local',
      name: contextName,
      excludes: ignore === undefined ? [] : parseIgnoreFile(ignore),
    },
  };
}

async function loadIgnoreFile(
  context: BuildKitContext,
  name: string,
  asking: Asking,
): Promise<string | undefined> {
  await using folder = await scratchFolder(context);
  const title = '[internal] load .dockerignore';
  await withVertex(context, asking, { title, moved: 'transferring context:' }, async (onProgress) => {
    const source = { name, excludes: [], followPaths: ['.dockerignore'] };
    await asking.session.syncLocal(source, folder.path, { signal: asking.signal, onProgress });
  });
  return readText(folder.path, '.dockerignore');
}

async function scratchFolder({
  builds: { scratchRoot, random },
}: BuildKitContext): Promise<AsyncDisposable & { path: HostPath }> {
  const path = hostPath(join(scratchRoot, `buildkit-${random.hex(16)}`));
  await mkdir(path, { recursive: true, mode: 0o700 });
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Work that is no vertex of the graph, shown as one. */
export async function withVertex<T>(
  { clock, builds: { random } }: Pick<BuildKitContext, 'clock' | 'builds'>,
  { emit, signal }: Pick<Asking, 'emit' | 'signal'>,
  { title, moved }: { readonly title: string; readonly moved?: string },
  work: (onProgress: (bytes: number) => void, digest: Digest) => Promise<T>,
): Promise<T> {
  const startedAtMs = clock.nowMs();
  const digest = computeDigest(`${title} ${random.hex(16)}`);
  const vertex = { kind: 'vertex' as const, digest, title, inputs: [], startedAtMs, cached: false };
  let currentBytes = 0;
  const progress = (completedAtMs: number | undefined) => {
    if (moved === undefined) return;
    emit({
      kind: 'progress',
      digest,
      name: moved,
      currentBytes,
      totalBytes: undefined,
      startedAtMs,
      completedAtMs,
    });
  };
  emit({ ...vertex, completedAtMs: undefined, error: undefined });
  try {
    const done = await work((bytes) => {
      currentBytes = bytes;
      progress(undefined);
    }, digest);
    progress(clock.nowMs());
    emit({ ...vertex, completedAtMs: clock.nowMs(), error: undefined });
    return done;
  } catch (error) {
    const message = signal.aborted
      ? 'context canceled'
      : error instanceof Error
        ? error.message
        : String(error);
    emit({ ...vertex, completedAtMs: clock.nowMs(), error: message });
    throw error;
  }
}
