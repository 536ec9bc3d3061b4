import { constants, fstatSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { type HostPath, hostPath, isErrno, SlipwayError } from '@slipway/base';
import { createIgnoreMatcher, parseIgnoreFile } from '@slipway/dockerfile';
import { decompressArchive, LayerWriter, openInRoot, syscalls, TarParser, tarPadding } from '@slipway/store';

/** A build context that came as an archive: a folder that goes when it is disposed. */
export interface ClassicContext extends AsyncDisposable {
  readonly folder: HostPath;
  /** `.dockerignore` patterns, of the Dockerfile's own file where it has one. */
  readonly excludes: readonly string[];
  readonly dockerfile: string;
}

/**
 * Unpacks a context, in any compression that `docker load` takes too. No name in it leads out of the folder.
 * @throws InvalidArgument for what is no archive, or has no Dockerfile
 */
export async function openContext(
  archive: AsyncIterable<Uint8Array>,
  { root, dockerfilePath, signal }: { root: HostPath; dockerfilePath: string; signal: AbortSignal },
): Promise<ClassicContext> {
  const folder = hostPath(root);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await unpack(archive, folder, signal);
    const dockerfile = readDockerfile(folder, dockerfilePath);
    return {
      folder,
      dockerfile,
      excludes: readIgnoreFile(folder, dockerfilePath),
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function unpack(
  archive: AsyncIterable<Uint8Array>,
  folder: HostPath,
  signal: AbortSignal,
): Promise<void> {
  using writer = new LayerWriter(folder, { whiteouts: 'none' });
  const parser = new TarParser(writer);
  let sizeBytes = 0;
  for await (const chunk of decompressArchive(archive)) {
    signal.throwIfAborted();
    parser.push(chunk);
    sizeBytes += chunk.length;
  }
  // With `-f -` docker's client ends the archive behind the last file's bytes, without what fills their block.
  parser.push(tarPadding(sizeBytes));
  parser.end();
  writer.finish();
}

const DOCKERFILE_MAX_BYTES = 16 << 20;

function readDockerfile(folder: HostPath, path: string): string {
  const text = readText(folder, path) ?? (path === 'Dockerfile' ? readText(folder, 'dockerfile') : undefined);
  if (text === undefined) {
    throw new SlipwayError('InvalidArgument', `Cannot locate specified Dockerfile: ${path}`);
  }
  if (text.trim() === '') {
    throw new SlipwayError('InvalidArgument', `the Dockerfile (${path}) cannot be empty`);
  }
  return text;
}

function readIgnoreFile(folder: HostPath, dockerfilePath: string): readonly string[] {
  const text = readText(folder, `${dockerfilePath}.dockerignore`) ?? readText(folder, '.dockerignore');
  return text === undefined ? [] : parseIgnoreFile(text);
}

/** A file of a tree that others made: its links are followed within it only. Undefined where there is none. */
export function readText(folder: HostPath, path: string): string | undefined {
  let fd: number;
  try {
    fd = openInRoot(folder, path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      throw new SlipwayError('InvalidArgument', `${path} of the build context is not a file`);
    }
    if (stats.size > DOCKERFILE_MAX_BYTES) {
      throw new SlipwayError(
        'InvalidArgument',
        `${path} has ${stats.size} bytes: at most ${DOCKERFILE_MAX_BYTES} are read`,
      );
    }
    return readFileSync(fd, 'utf8');
  } finally {
    syscalls.close(fd);
  }
}

/** Moves the context's files, but for the excluded ones, into an empty folder of the same file system. */
export function moveContext({ folder, excludes }: ClassicContext, target: HostPath): void {
  if (excludes.length > 0) removeExcluded(folder, createIgnoreMatcher(excludes));
  for (const name of readdirSync(target)) rmSync(join(target, name), { recursive: true });
  for (const name of readdirSync(folder)) renameSync(join(folder, name), join(target, name));
}

function removeExcluded(folder: string, matches: ReturnType<typeof createIgnoreMatcher>, below = ''): void {
  // Nobody else writes here; entries are told apart without following links.
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = posix.join(below, entry.name);
    const isDirectory = entry.isDirectory();
    const { ignored, mayHaveKept } = matches(path, isDirectory);
    const full = join(folder, entry.name);
    if (ignored && !(isDirectory && mayHaveKept)) rmSync(full, { recursive: true, force: true });
    else if (isDirectory) removeExcluded(full, matches, path);
  }
}
