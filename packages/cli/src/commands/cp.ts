import { spawn } from 'node:child_process';
import { lstat, mkdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isSlipwayError } from '@slipway/base/errors';
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
  const isDirectory = await stat(to).then(
    (found) => found.isDirectory(),
    () => undefined,
  );
  const inside = isDirectory === true;
  const directory = inside ? to : dirname(resolve(to));
  const name = inside ? (/(^|\/)\.$/.test(from) ? '.' : undefined) : basename(resolve(to));
  if (to.endsWith('/') && isDirectory === undefined) await mkdir(directory, { recursive: true });
  const rename = name === undefined ? [] : ['--transform', renameRule(source.name, name)];
  const owner = flags.archive ? ['--same-owner'] : ['--no-same-owner'];
  await runTar(['-x', '-C', directory, ...rename, ...owner], tar, undefined);
}

async function copyIn(context: Context, from: string, container: string, to: string, flags: CopyFlags) {
  const { containers } = context.client;
  const options = { noOverwriteDirNonDir: true, copyUIDGID: flags.archive };
  if (from === '-') return containers.putArchive(container, to, context.stdin, options);
  const path = resolve(from);
  await lstat(path);
  const DIRECTORY = 2 ** 31;
  const target = await containers.statPath(container, to).catch((error: unknown) => {
    if (isSlipwayError(error, 'NotFound')) return undefined;
    throw error;
  });
  const inside = target !== undefined && target.mode >= DIRECTORY;
  const contents = /(^|\/)\.$/.test(from);
  const name = inside ? (contents ? '.' : basename(path)) : basename(to);
  const directory = inside ? to : dirname(to);
  const owner = flags.archive ? [] : ['--owner=0', '--group=0'];
  const follow = flags['follow-link'] ? ['-h'] : [];
  const tar = spawn(
    'tar',
    [
      '-c',
      '-C',
      dirname(path),
      '--transform',
      renameRule(basename(path), name),
      ...owner,
      ...follow,
      '--',
      basename(path),
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await containers.putArchive(container, directory, tar.stdout, options);
}

/** tar's rule that gives the archive's first name another; links inside keep their targets. */
function renameRule(from: string, to: string): string {
  const literal = from.replace(/[.*[\]\\^$|]/g, '\\$&');
  return `s|^${literal}\\(/\\|$\\)|${to.replace(/[\\&|]/g, '\\$&')}\\1|rSH`;
}

async function runTar(
  args: readonly string[],
  input: NodeJS.ReadableStream,
  cwd: string | undefined,
): Promise<void> {
  const tar = spawn('tar', args, { stdio: ['pipe', 'inherit', 'inherit'], cwd });
  const exited = new Promise<number | null>((done, fail) => tar.on('close', done).on('error', fail));
  await pipeline(input, tar.stdin);
  if ((await exited) !== 0) throw new ExitError(1, 'tar could not unpack what was copied');
}
