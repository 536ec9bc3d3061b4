import type { Grant } from '@slipway/client';
import { boolean, type Flag, list } from '../args/flags.ts';
import { type Context, ExitError } from '../command.ts';
import { prompt, readPassword } from '../stdio/prompt.ts';
import { parseGrant } from './grants.ts';

/** What `registry users add` and `registry users update` take. */
export const ACCOUNT_FLAGS = {
  admin: boolean('May do everything'),
  grant: grantFlag(),
  'password-stdin': boolean('The password comes on standard input'),
} as const;

function grantFlag(): Flag<readonly Grant[]> {
  const flag = list('What it may do: PATTERN:pull,push,delete', { value: 'grant' });
  return { ...flag, initial: [], read: (text, before) => [...before, parseGrant(text)] };
}

/** A new password, from standard input or asked for twice on the terminal. */
export async function readNewPassword(context: Context, fromStdin: boolean): Promise<string> {
  if (fromStdin) return await readPassword(context);
  if (!context.stdin.isTTY) {
    throw new ExitError(1, 'cannot ask for a password without a terminal: give --password-stdin');
  }
  const password = await prompt(context, 'Password: ', { secret: true });
  const again = await prompt(context, 'The same again: ', { secret: true });
  if (password !== again) throw new ExitError(1, 'the two passwords differ');
  return password;
}
