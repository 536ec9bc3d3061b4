import type { Context } from '../command.ts';
import { ExitError } from '../command.ts';
import { rawMode } from './terminal.ts';

/** Asks for a line on the terminal. `secret` shows nothing of what is typed. */
export async function prompt(
  { stdin, stdout }: Context,
  question: string,
  { secret = false }: { secret?: boolean } = {},
): Promise<string> {
  stdout.write(question);
  using _raw = secret ? rawMode(stdin) : undefined;
  try {
    return secret ? await readSecret(stdin) : await readLine(stdin);
  } finally {
    stdin.pause();
    if (secret) stdout.write('\n');
  }
}

/** All of standard input, without the newline at its end: a password from a pipe. */
export async function readPassword({ stdin }: Context): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/** The terminal edits the line itself. */
function readLine(stdin: NodeJS.ReadStream): Promise<string> {
  return collect(stdin, (text) => {
    const end = text.indexOf('\n');
    return end === -1 ? undefined : text.slice(0, end).replace(/\r$/, '');
  });
}

/** Of a terminal in raw mode, which leaves the keys to us. */
function readSecret(stdin: NodeJS.ReadStream): Promise<string> {
  return collect(stdin, (text) => {
    let typed = '';
    for (const key of text) {
      if (key === '\r' || key === '\n') return typed;
      if (key === '\x03' || (key === '\x04' && typed === '')) throw new ExitError(130);
      if (key === '\x7f' || key === '\b') typed = [...typed].slice(0, -1).join('');
      else if (key === '\x15') typed = '';
      else if (key >= ' ') typed += key;
    }
    return undefined;
  });
}

/** Reads until `finish` makes a value of all that came. */
function collect(stdin: NodeJS.ReadStream, finish: (text: string) => string | undefined): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  const onData = (chunk: Uint8Array | string) => {
    text += chunk.toString();
    try {
      const value = finish(text);
      if (value !== undefined) resolve(value);
    } catch (error) {
      reject(error);
    }
  };
  const onEnd = () => reject(new ExitError(1, 'standard input ended before the answer'));
  stdin.on('data', onData);
  stdin.on('end', onEnd);
  stdin.resume();
  return promise.finally(() => {
    stdin.off('data', onData);
    stdin.off('end', onEnd);
  });
}
