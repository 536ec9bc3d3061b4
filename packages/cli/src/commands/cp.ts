import { type ChildProcess, spawn } from 'node:child_process';
import type { Stats } from 'node:fs';
import { lstat, mkdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isErrno, isSlipwayError } from '@slipway/base/errors';
import { boolean } from '../args/flags.ts';
import { type Context, defineCommand, ExitError } from '../command.ts';

export default defineCommand({
  summary: 'Copy files between a container and this machine',
  arguments: {
    usage: 'CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH',
    min: 2,
    max: 2,
    complete: 'container',
  },
  flags: {
    archive: boolean('Keep owner and group', { short: 'a' }),
    'follow-link': boolean('Copy what a symbolic link points to', { short: 'L' }),
    quiet: boolean('Say nothing', { short: 'q' }),
  },
  examples: [
    ['cp web:/etc/hosts .', 'from it'],
    ['cp site web:/srv', 'into it'],
    ['cp web:/srv - | tar t', 'as a tar stream'],
  ],
  async run(context, { flags, args }) {
    const [source, target] = args.map(splitPlace) as [Place, Place];
    if (source.container !== undefined && target.container !== undefined) {
      throw new ExitError(1, 'copying between containers is not supported: go by way of a directory');
    }
    if (source.container !== undefined)
      return copyOut(context, source.container, source.path, target.path, flags);
    if (target.container === undefined) throw new ExitError(1, 'one of the two must be CONTAINER:PATH');
    return copyIn(context, source.path, target.container, target.path, flags);
  },
});

interface Place {
  readonly container: string | undefined;
  readonly path: string;
}

/** `CONTAINER:PATH`, or a path here: one that begins with `/` or `.`, or has no colon. */
function splitPlace(text: string): Place {
  const colon = text.indexOf(':');
  if (colon < 1 || /^[./]/.test(text)) return { container: undefined, path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

interface CopyFlags {
  readonly archive: boolean;
  readonly 'follow-link': boolean;
}

async function copyOut(context: Context, container: string, from: string, to: string, flags: CopyFlags) {
  const { containers } = context.client;
  const { linkTarget } = flags['follow-link']
    ? await containers.statPath(container, from)
    : { linkTarget: '' };
  const { stat: source, tar } = await containers.getArchive(container, linkTarget || from);
  if (to === '-') return pipeline(tar, context.stdout, { end: false });
  const place = await placeHere(to, source.mode >= DIRECTORY, basename(linkTarget ? from : source.name));
  const contents = isContents(from);
  // The archive of `dir/.` has no name of its own: it is unpacked inside the directory that is to be.
  const directory = contents && !place.isThere ? join(place.directory, place.name) : place.directory;
  if (contents) await mkdir(directory, { recursive: true });
  const rename = contents ? [] : renameRule(source.name, place.name);
  const owner = flags.archive ? '--same-owner' : '--no-same-owner';
  const unpack = spawn('tar', ['-x', '-C', directory, ...rename, owner], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = exitCode(unpack);
  await pipeline(tar, unpack.stdin).catch(() => {
    // tar has said why it stopped reading, and its exit code says that it did.
  });
  if ((await ended) !== 0) throw new ExitError(1, `tar could not write all of ${container}:${from} to ${to}`);
}

/** Where and under which name something is to be here. @throws ExitError when it cannot be there. */
async function placeHere(to: string, isDirectory: boolean, name: string) {
  const found = await statOrNone(to);
  if (found?.isDirectory()) return { directory: to, name, isThere: true };
  if (found !== undefined && isDirectory)
    throw new ExitError(1, `cannot copy a directory onto the file ${to}`);
  if (found === undefined && to.endsWith('/') && !isDirectory)
    throw new ExitError(1, `no such directory: ${to}`);
  const path = resolve(to);
  if ((await statOrNone(dirname(path))) === undefined) {
    throw new ExitError(1, `no such directory: ${dirname(path)}`);
  }
  return { directory: dirname(path), name: basename(path), isThere: false };
}

async function copyIn(context: Context, from: string, container: string, to: string, flags: CopyFlags) {
  const { containers } = context.client;
  const options = { noOverwriteDirNonDir: true, copyUIDGID: flags.archive };
  if (from === '-') return containers.putArchive(container, to, context.stdin, options);
  const given = resolve(from);
  const path = flags['follow-link'] ? await realpath(given) : given;
  const isDirectory = (await lstat(path)).isDirectory();
  const place = await placeThere(context, container, to, isDirectory, basename(given));
  const name = isContents(from) && place.isThere ? '.' : place.name;
  const owner = flags.archive ? [] : ['--owner=0', '--group=0'];
  const rename = renameRule(basename(path), name);
  const pack = spawn('tar', ['-c', '-C', dirname(path), ...rename, ...owner, '--', basename(path)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = exitCode(pack);
  await containers.putArchive(container, place.directory, pack.stdout, options);
  if ((await ended) !== 0) throw new ExitError(1, `tar could not read all of ${from}`);
}

/** As `placeHere`, in the container. */
async function placeThere(
  context: Context,
  container: string,
  to: string,
  isDirectory: boolean,
  name: string,
) {
  const find = (path: string) =>
    context.client.containers.statPath(container, path).catch((error: unknown) => {
      if (isSlipwayError(error, 'NotFound') && !/no such container/i.test(error.message)) return undefined;
      throw error;
    });
  const found = await find(to);
  const target = found?.linkTarget ? await find(found.linkTarget) : found;
  if (target !== undefined && target.mode >= DIRECTORY) return { directory: to, name, isThere: true };
  const place = `${container}:${to}`;
  if (target !== undefined && isDirectory)
    throw new ExitError(1, `cannot copy a directory onto the file ${place}`);
  if (target === undefined && to.endsWith('/') && !isDirectory) {
    throw new ExitError(1, `no such directory: ${place}`);
  }
  return { directory: dirname(to), name: basename(to), isThere: false };
}

/** Of the mode in a path's description, which has Go's bits. */
const DIRECTORY = 2 ** 31;

/** `dir/.` is what is in it, not the directory itself. */
const isContents = (path: string): boolean => /(^|\/)\.$/.test(path);

const statOrNone = (path: string): Promise<Stats | undefined> =>
  stat(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  });

/** tar's options that give the archive's first name another; links inside keep their targets. */
function renameRule(from: string, to: string): string[] {
  if (from === to) return [];
  const end = '\u0001';
  const quote = (text: string, special: RegExp) => text.replace(special, '\\$&').replaceAll(end, `\\${end}`);
  const pattern = quote(from, /[.*[\]\\^$]/g);
  return ['--transform', `s${end}^${pattern}\\(/\\|$\\)${end}${quote(to, /[\\&]/g)}\\1${end}rSH`];
}

const exitCode = (child: ChildProcess): Promise<number | null> =>
  new Promise((done, fail) => child.on('close', done).on('error', fail));
