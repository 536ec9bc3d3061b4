import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { isErrno, SlipwayError } from '@slipway/base/errors';

/** What is built: an archive to send, or what the daemon fetches itself. */
export interface BuildContext extends AsyncDisposable {
  readonly body: Readable | undefined;
  readonly remote: string;
  /** Where the Dockerfile is in it; '' for `Dockerfile`. */
  readonly dockerfile: string;
  /** Settles when all of it was packed. @throws when something could not be read */
  readonly packed: Promise<void>;
}

/** In the archive, beside the files of the context, whose names it must not take. */
const OWN_DOCKERFILE = '.slipway.Dockerfile';

/**
 * The context that a command line names: a folder, `-` for an archive or a Dockerfile on standard input, or an address.
 * @throws NotFound
 */
export async function openContext(
  where: string,
  { file, stdin }: { file: string; stdin: Readable },
): Promise<BuildContext> {
  if (/^(?:https?|git|ssh):\/\/|^git@|^github\.com\//.test(where)) {
    return {
      body: undefined,
      remote: where,
      dockerfile: file,
      packed: Promise.resolve(),
      [Symbol.asyncDispose]: async () => {},
    };
  }
  if (where === '-') return await contextOfStdin(file, stdin);
  const found = await stat(where).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT'))
      throw new SlipwayError('NotFound', `unable to prepare context: path "${where}" not found`);
    throw error;
  });
  if (!found.isDirectory()) {
    throw new SlipwayError(
      'InvalidArgument',
      `unable to prepare context: ${where} is not a folder; build the one it is in`,
    );
  }
  return await contextOfFolder(resolve(where), file, stdin);
}

async function contextOfFolder(folder: string, file: string, stdin: Readable): Promise<BuildContext> {
  const inside = file === '' ? 'Dockerfile' : relative(folder, resolve(file));
  const isOutside = file === '-' || inside.startsWith('..');
  const scratch = isOutside ? await mkdtemp(join(tmpdir(), 'slipway-build-')) : undefined;
  const remove = async () => {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  };
  try {
    const extra: string[] = [];
    if (scratch !== undefined) {
      const target = join(scratch, OWN_DOCKERFILE);
      if (file === '-') await writeFile(target, await readAll(stdin));
      else await copyFile(file, target);
      extra.push('-C', scratch, OWN_DOCKERFILE);
      // What is to be ignored for this Dockerfile stands beside it, not in the folder.
      const ignore = file === '-' ? undefined : await readText(`${file}.dockerignore`);
      if (ignore !== undefined) {
        await writeFile(`${target}.dockerignore`, ignore);
        extra.push(`${OWN_DOCKERFILE}.dockerignore`);
      }
    }
    const excludes = await tarExcludes(folder, inside);
    const pack = spawn(
      'tar',
      [
        '-c',
        '--anchored',
        '--numeric-owner',
        '--owner=0',
        '--group=0',
        ...excludes,
        '-C',
        folder,
        '.',
        ...extra,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    return {
      // Node throws away what a child that has ended wrote, unless somebody reads it already.
      body: pack.stdout.pipe(new PassThrough()),
      remote: '',
      dockerfile: isOutside ? OWN_DOCKERFILE : inside,
      packed: succeeded(pack, folder),
      async [Symbol.asyncDispose]() {
        pack.kill('SIGKILL');
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

const READ_ERRORS = 2;

async function succeeded(pack: ChildProcess, folder: string): Promise<void> {
  const [code] = (await once(pack, 'close')) as [number | null];
  if (code === READ_ERRORS) throw new SlipwayError('Internal', `tar could not read all of ${folder}`);
}

/**
 * What need not be sent: names without wildcards in the `.dockerignore`, where nothing below them is taken back. The daemon
 * reads the whole file again.
 */
async function tarExcludes(folder: string, dockerfile: string): Promise<string[]> {
  const text =
    (await readText(join(folder, `${dockerfile}.dockerignore`))) ??
    (await readText(join(folder, '.dockerignore'))) ??
    '';
  const lines = text.split('\n').map((line) => line.trim());
  if (lines.some((line) => line.startsWith('!'))) return [];
  const needed = [dockerfile, `${dockerfile}.dockerignore`, '.dockerignore'];
  return lines
    .map((line) => line.replace(/^\/|\/$/g, ''))
    .filter((name) => /^[\w.-]+(?:\/[\w.-]+)*$/.test(name) && !name.split('/').includes('..'))
    .filter((name) => !needed.some((path) => path === name || path.startsWith(`${name}/`)))
    .flatMap((name) => ['--exclude', `./${name}`]);
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

const MAGIC_AT = 257;
const COMPRESSED = [
  [0x1f, 0x8b],
  [0x42, 0x5a, 0x68],
  [0xfd, 0x37, 0x7a, 0x58],
  [0x28, 0xb5, 0x2f, 0xfd],
];

/** An archive goes as it is; anything else is a Dockerfile without a context. */
async function contextOfStdin(file: string, stdin: Readable): Promise<BuildContext> {
  const chunks: Buffer[] = [];
  const iterator = stdin[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  let ended = false;
  while (head.length < 512 && !ended) {
    const { done, value } = await iterator.next();
    ended = done === true;
    if (value !== undefined) chunks.push(Buffer.from(value));
    head = Buffer.concat(chunks);
  }
  const rest = async function* () {
    yield head;
    for (
      let next = ended ? undefined : await iterator.next();
      next?.done === false;
      next = await iterator.next()
    )
      yield next.value;
  };
  const isArchive =
    head.toString('latin1', MAGIC_AT, MAGIC_AT + 5) === 'ustar' ||
    COMPRESSED.some((magic) => magic.every((byte, index) => head[index] === byte));
  const whole = Readable.from(rest());
  if (isArchive) {
    return {
      body: whole,
      remote: '',
      dockerfile: file,
      packed: Promise.resolve(),
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const empty = await mkdtemp(join(tmpdir(), 'slipway-build-'));
  const context = await contextOfFolder(empty, '-', whole.pipe(new PassThrough()));
  return {
    ...context,
    async [Symbol.asyncDispose]() {
      await context[Symbol.asyncDispose]();
      await rm(empty, { recursive: true, force: true });
    },
  };
}

async function readAll(source: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
