import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ProgressMessage } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base/errors';
import type { Context } from '../command.ts';
import { showProgress } from '../stdio/progress.ts';

export interface ImageBuild {
  readonly directory: string;
  readonly dockerfile: string;
  /** The text of the `.dockerignore`. */
  readonly ignore: string;
  readonly tag: string;
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly quiet: boolean;
}

/** In the context, beside the project's files, whose names they must not take. */
const DOCKERFILE = '.slipway.Dockerfile';
/** Takes the place of the project's own, whose lines it has. */
const IGNORE = '.dockerignore';

/** Builds an image from a folder with a Dockerfile that is not in it. @returns the image's id */
export async function buildImage(context: Context, build: ImageBuild): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-package-'));
  try {
    await writeFile(join(folder, DOCKERFILE), build.dockerfile);
    await writeFile(join(folder, IGNORE), `${build.ignore}\n${DOCKERFILE}\n${IGNORE}\n`);
    const { messages, packed } = await send(context, build, folder);
    const values = await showProgress(messages, context.stdout, { quiet: build.quiet });
    await packed;
    for (const value of values.reverse()) {
      if (value instanceof Object && 'ID' in value && typeof value.ID === 'string') return value.ID;
    }
    throw new SlipwayError('Internal', 'the daemon did not say which image it built');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function send({ client }: Context, build: ImageBuild, folder: string) {
  const heavy = build.ignore.split('\n').flatMap(tarExclude);
  const own = ['-C', folder, DOCKERFILE, IGNORE];
  const source = ['--exclude', `./${IGNORE}`, ...heavy, '-C', resolve(build.directory), '.', ...own];
  const pack = spawn('tar', ['-c', '--anchored', '--owner=0', '--group=0', ...source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const packed = exitCode(pack).then((code) => {
    if (code !== 0) throw new SlipwayError('Internal', `tar could not read all of ${build.directory}`);
  });
  packed.catch(() => {});
  const { tag: t, noCache: nocache, pull } = build;
  const query = { t, nocache, pull, dockerfile: DOCKERFILE, rm: true };
  const options = { query, body: pack.stdout };
  return { packed, messages: await client.connection.lines<ProgressMessage>('POST', '/build', options) };
}

/** Folders that the daemon would throw away are not sent to it in the first place; it sees to the finer patterns. */
const tarExclude = (pattern: string): string[] =>
  /^[\w.-]+$/.test(pattern) ? ['--exclude', `./${pattern}`] : [];

const exitCode = (child: ChildProcess): Promise<number | null> =>
  new Promise((done, fail) => child.on('close', done).on('error', fail));
