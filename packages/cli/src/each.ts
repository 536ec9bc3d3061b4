import { errorMessage } from '@slipway/base/errors';
import { type Context, ExitError } from './command.ts';

/** Does `work` to each thing, prints the names of those that it was done to, and fails when one failed. */
export async function forEachArgument(
  context: Context,
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
  show: (name: string) => string = (name) => name,
): Promise<void> {
  const failures: string[] = [];
  for (const name of names) {
    try {
      await work(name);
      const line = show(name);
      if (line !== '') context.stdout.write(`${line}\n`);
    } catch (error) {
      failures.push(errorMessage(error));
    }
  }
  if (failures.length > 0) throw new ExitError(1, failures.join('\nslipway: '));
}

/** Asks before something is lost. @returns whether the answer was yes. */
export async function confirm(context: Context, warning: string, force: boolean): Promise<boolean> {
  if (force) return true;
  context.stdout.write(`${warning}\nAre you sure you want to continue? [y/N] `);
  for await (const chunk of context.stdin) return /^y(es)?\s*$/i.test(String(chunk));
  return false;
}
