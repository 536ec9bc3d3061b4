import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isErrno, SlipwayError } from '@slipway/base/errors';
import { text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { TEMPLATES, templateFiles } from '../functions/templates.ts';

export default defineCommand({
  summary: 'Begin a function: its code, its settings and an event to try it with',
  arguments: { usage: '[DIR]', min: 0, max: 1, complete: 'file' },
  flags: {
    runtime: text('nodejs, python, java or provided, or one of their versions (nodejs)', {
      short: 'r',
      complete: TEMPLATES.flatMap(({ family, runtime }) => [family, runtime]),
    }),
    name: text("Name of the function (default the folder's)"),
  },
  examples: [['fn init --runtime python hello', 'a folder to go on with: fn deploy hello']],
  async run({ stdout }, { flags, args }) {
    const folder = resolve(args[0] ?? '.');
    const { files, runtime } = templateFiles(flags.runtime, flags.name || functionName(basename(folder)));
    for (const [path, content] of files) await writeNew(join(folder, path), content);
    for (const path of files.keys()) stdout.write(`wrote ${join(args[0] ?? '.', path)}\n`);
    const where = args[0] === undefined ? '' : ` ${args[0]}`;
    stdout.write(
      `A function for ${runtime}. Next: slipway fn deploy${where}, then slipway fn test${where}\n`,
    );
  },
});

/** @throws AlreadyExists: what is there was written by somebody */
async function writeNew(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  try {
    await writeFile(path, content, { flag: 'wx' });
  } catch (cause) {
    if (!isErrno(cause, 'EEXIST')) throw cause;
    throw new SlipwayError('AlreadyExists', `${path} is there already: begin in an empty folder`, { cause });
  }
}

/** A folder's name as a function's. */
const functionName = (folder: string): string =>
  folder
    .replace(/[^\w-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64) || 'hello';
