import { readFile } from 'node:fs/promises';
import { isErrno, SlipwayError } from '@slipway/base/errors';
import type { Context } from '../command.ts';

/**
 * An event as it is given: JSON text, `@FILE`, or `-` for standard input; nothing is `{}`.
 * @throws InvalidArgument for what is no JSON, NotFound for a file that is not there
 */
export async function readEvent({ stdin }: Pick<Context, 'stdin'>, given: string): Promise<Buffer> {
  const bytes = await read(stdin, given);
  try {
    JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new SlipwayError('InvalidArgument', `the event is no JSON: ${(cause as Error).message}`, { cause });
  }
  return bytes;
}

async function read(stdin: Context['stdin'], given: string): Promise<Buffer> {
  if (given === '') return Buffer.from('{}');
  if (given === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  }
  if (!given.startsWith('@')) return Buffer.from(given);
  const path = given.slice(1);
  try {
    return await readFile(path);
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT')) throw cause;
    throw new SlipwayError('NotFound', `there is no file ${path} with an event`, { cause });
  }
}
