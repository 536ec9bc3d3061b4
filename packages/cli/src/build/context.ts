import { readFile, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { isErrno, SlipwayError } from '@slipway/base/errors';

/** What is built. */
export type BuildContext =
  /** What the daemon fetches itself; `dockerfile` is the path in it, '' for `Dockerfile`. */
  | { readonly kind: 'remote'; readonly address: string; readonly dockerfile: string }
  | { readonly kind: 'archive'; readonly body: Readable; readonly dockerfile: string }
  | FolderContext;

/** Files here, of which the daemon gets those that it has not. */
export interface FolderContext {
  readonly kind: 'folder';
  /** Undefined: no files, only a Dockerfile. */
  readonly folder: string | undefined;
  /** What errors call the Dockerfile. */
  readonly dockerfile: string;
  readonly text: string;
  /** The text of the ignore file that counts. */
  readonly ignore: string | undefined;
}

/**
 * The context that a command line names: a folder, `-` for an archive or a Dockerfile on standard input, or an address.
 * @throws NotFound; InvalidArgument
 */
export async function openContext(
  where: string,
  { file, stdin }: { readonly file: string; readonly stdin: Readable },
): Promise<BuildContext> {
  if (/^(?:https?|git|ssh):\/\/|^git@|^github\.com\//.test(where)) {
    return { kind: 'remote', address: where, dockerfile: file };
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

async function contextOfFolder(folder: string, file: string, stdin: Readable): Promise<FolderContext> {
  if (file === '-') {
    const text = (await readAll(stdin)).toString();
    return { kind: 'folder', folder, dockerfile: 'Dockerfile', text, ignore: await readIgnore(folder) };
  }
  const path = file === '' ? join(folder, 'Dockerfile') : resolve(file);
  const text =
    (await readText(path)) ?? (file === '' ? await readText(join(folder, 'dockerfile')) : undefined);
  const inside = relative(folder, path);
  const dockerfile = inside.startsWith('..') ? file : inside;
  if (text === undefined) {
    throw new SlipwayError('InvalidArgument', `Cannot locate specified Dockerfile: ${dockerfile}`);
  }
  const ignore = (await readText(`${path}.dockerignore`)) ?? (await readIgnore(folder));
  return { kind: 'folder', folder, dockerfile, text, ignore };
}

const readIgnore = (folder: string): Promise<string | undefined> => readText(join(folder, '.dockerignore'));

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    if (isErrno(error, 'EISDIR')) {
      throw new SlipwayError('InvalidArgument', `${path} is a folder: name the file in ${dirname(path)}`);
    }
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
  if (isArchive) return { kind: 'archive', body: whole, dockerfile: file };
  const text = (await readAll(whole)).toString();
  return { kind: 'folder', folder: undefined, dockerfile: 'Dockerfile', text, ignore: undefined };
}

async function readAll(source: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
