import { mkdir, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { type HostPath, hostPath, SlipwayError } from '@slipway/base';
import {
  type BuildEvent,
  type BuildSession,
  type ContextSource,
  contextVertex,
  isHttpUrl,
  parseGitSource,
} from '@slipway/build';
import { parseIgnoreFile } from '@slipway/dockerfile';
import { computeDigest, type Digest } from '@slipway/oci';
import { moveContext, openContext, readText } from '../classic/context.ts';
import { readFromVertex } from '../classic/remote.ts';
import type { BuildKitContext } from './context.ts';
import type { FrontendOptions } from './frontend-options.ts';
import type { ClientSession } from './session.ts';

/** The Dockerfile's text, and the context that it is built with. Disposing removes what was kept for the build alone. */
export interface LoadedDockerfile extends AsyncDisposable {
  readonly text: string;
  readonly context: ContextSource;
  /** Who gives the context's files. */
  readonly session: BuildSession;
  /** Of the vertex that loaded the text. */
  readonly digest: Digest;
}

/** What goes on with the client while it is asked for files. */
export interface Asking {
  readonly session: ClientSession;
  readonly emit: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
}

/** A tar archive that the client holds at its standard input; read once. */
const UPLOAD_PREFIX = 'http://buildkit-session/';

/**
 * Asks for the Dockerfile and `.dockerignore` where they are: with the client, in an archive that it uploads, in a git
 * repository or at a web address.
 * @throws NotFound when there is no such Dockerfile
 */
export async function loadDockerfile(
  context: BuildKitContext,
  options: FrontendOptions,
  asking: Asking,
): Promise<LoadedDockerfile> {
  const { remoteContext, upload } = options;
  if (upload !== undefined) return await loadArchive(context, options, asking, upload);
  if (remoteContext === undefined) return await loadFromClient(context, options, asking);
  if (remoteContext.startsWith(UPLOAD_PREFIX)) {
    const archive = asking.session.upload(remoteContext.slice(UPLOAD_PREFIX.length), asking);
    return await loadArchive(context, options, asking, archive);
  }
  return await loadRemote(context, options, asking, remoteContext);
}

async function loadFromClient(
  context: BuildKitContext,
  { filename, dockerfileName, contextName }: FrontendOptions,
  asking: Asking,
): Promise<LoadedDockerfile> {
  await using folder = await scratchFolder(context);
  const { text, digest } = await syncDockerfile(context, asking, folder.path, {
    filename,
    name: dockerfileName,
  });
  const ignore =
    readText(folder.path, `${filename}.dockerignore`) ?? (await loadIgnoreFile(context, contextName, asking));
  return {
    text,
    digest,
    session: asking.session,
    context: {
      kind: 'local',
      name: contextName,
      excludes: ignore === undefined ? [] : parseIgnoreFile(ignore),
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

async function syncDockerfile(
  context: BuildKitContext,
  asking: Asking,
  folder: HostPath,
  { filename, name }: { readonly filename: string; readonly name: string },
): Promise<{ text: string; digest: Digest }> {
  // Docker takes a name in lower case too.
  const lower = posix.join(posix.dirname(filename), posix.basename(filename).toLowerCase());
  const names = posix.basename(filename) === 'Dockerfile' ? [filename, lower] : [filename];
  const title = `[internal] load build definition from ${posix.basename(filename)}`;
  return await withVertex(
    context,
    asking,
    { title, moved: 'transferring dockerfile:' },
    async (onProgress, digest) => {
      const source = { name, excludes: [], followPaths: [...names, `${filename}.dockerignore`] };
      await asking.session.syncLocal(source, folder, { signal: asking.signal, onProgress });
      for (const path of names) {
        const text = readText(folder, path);
        if (text !== undefined) return { text, digest };
      }
      throw new SlipwayError(
        'NotFound',
        `failed to read dockerfile: open ${filename}: no such file or directory`,
      );
    },
  );
}

/** An archive is unpacked into a folder, which the solver takes for the client's. */
async function loadArchive(
  context: BuildKitContext,
  { filename }: FrontendOptions,
  asking: Asking,
  archive: AsyncIterable<Uint8Array>,
): Promise<LoadedDockerfile> {
  const { builds } = context;
  const { session, signal } = asking;
  const root = hostPath(join(builds.scratchRoot, `context-${builds.random.hex(8)}`));
  const title = '[internal] load remote build context';
  const { opened, digest } = await withVertex(context, asking, { title }, async (_, vertex) => ({
    opened: await openContext(archive, { root, dockerfilePath: filename, signal }),
    digest: vertex,
  }));
  return {
    text: opened.dockerfile,
    digest,
    session: {
      sharedKey: undefined,
      syncLocal: async (wanted, folder, call) => {
        if (wanted.name === 'context') moveContext(opened, folder);
        else await session.syncLocal(wanted, folder, call);
      },
      secret: (...asked) => session.secret(...asked),
      sshAgent: (...asked) => session.sshAgent(...asked),
      credentials: (domain) => session.credentials(domain),
    },
    context: { kind: 'local', name: 'context', excludes: opened.excludes },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

async function loadRemote(
  context: BuildKitContext,
  options: FrontendOptions,
  asking: Asking,
  url: string,
): Promise<LoadedDockerfile> {
  const source = remoteSource(url);
  const { session, signal } = asking;
  const vertex = contextVertex(source, context.platform);
  const title = `[internal] load git source ${url}`;
  const fromClient = options.hasOwnDockerfile;
  await using folder = await scratchFolder(context);
  const loaded = fromClient
    ? await syncDockerfile(context, asking, folder.path, {
        filename: options.filename,
        name: options.dockerfileName,
      })
    : await withVertex(context, asking, { title }, async (_, digest) => ({
        text: await readFromVertex(context.builds, vertex, options.filename, { session, signal }),
        digest,
      }));
  return { ...loaded, session, context: source, [Symbol.asyncDispose]: async () => {} };
}

function remoteSource(url: string): ContextSource {
  if (parseGitSource(url) !== undefined) return { kind: 'git', url };
  if (isHttpUrl(url)) return { kind: 'http', url };
  throw new SlipwayError(
    'InvalidArgument',
    `the context ${url} is neither a git repository nor a web address`,
  );
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
