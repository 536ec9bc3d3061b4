import { Client } from '@slipway/client';
import type { Completion, FlagTable } from './args/flags.ts';
import { parseArguments } from './args/parse.ts';
import type { Command, Context } from './command.ts';
import { findCommand } from './find-command.ts';

/** What the last of `words` may become: commands, flags, or the names that an argument takes. */
export async function complete(context: Context, words: readonly string[]): Promise<readonly string[]> {
  const last = words.at(-1) ?? '';
  const { flags: globals, args: before } = readGlobals(context, words.slice(0, -1));
  const { node, rest } = findCommand(context.tree, before);
  if ('commands' in node) {
    if (rest.length > 0) return [];
    return startingWith(
      last,
      Object.keys(node.commands).filter((name) => !name.startsWith('_')),
    );
  }
  using client = globals.host ? new Client(globals.host) : undefined;
  const { default: command } = await node.load();
  const equals = last.startsWith('--') ? last.indexOf('=') : -1;
  if (equals !== -1) {
    const flag = findFlag(command.flags, last.slice(0, equals));
    const values = await names(client ?? context.client, flag?.complete);
    return startingWith(
      last,
      values.map((value) => `${last.slice(0, equals)}=${value}`),
    );
  }
  const previous = before.at(-1) ?? '';
  const flag = findFlag(command.flags, previous);
  if (flag !== undefined && flag.kind !== 'boolean') {
    return startingWith(last, await names(client ?? context.client, flag.complete));
  }
  if (last.startsWith('-')) {
    const shown = Object.entries(command.flags).filter(([, { hidden }]) => hidden !== true);
    return startingWith(last, [...shown.map(([name]) => `--${name}`), '--help']);
  }
  if (!takesAnother(command, rest)) return [];
  return startingWith(last, await names(client ?? context.client, command.arguments.complete));
}

function readGlobals({ tree }: Context, words: readonly string[]) {
  const { flags, args } = parseArguments(words, tree.globalFlags, { interspersed: false });
  return { flags: flags as { readonly host?: string }, args };
}

const findFlag = (table: FlagTable, word: string) =>
  Object.entries(table).find(
    ([name, { short }]) => word === `--${name}` || (short !== undefined && word === `-${short}`),
  )?.[1];

/** Whether one more argument is a name that we know: after the image of `run` comes a command of its own. */
function takesAnother(command: Command, words: readonly string[]): boolean {
  const interspersed = command.interspersed ?? true;
  const { args } = parseArguments(words, command.flags, { interspersed });
  return interspersed ? args.length < (command.arguments.max ?? Number.POSITIVE_INFINITY) : args.length === 0;
}

const startingWith = (start: string, words: readonly string[]): string[] =>
  words.filter((word) => word.startsWith(start)).sort();

async function names(client: Client, kind: Completion | undefined): Promise<readonly string[]> {
  if (kind === undefined || kind === 'file') return [];
  if (typeof kind !== 'string') return kind;
  try {
    if (kind === 'image') return (await client.images.list()).flatMap(({ RepoTags }) => RepoTags ?? []);
    if (kind === 'volume') return ((await client.volumes.list({})).Volumes ?? []).map(({ Name }) => Name);
    if (kind === 'network') return (await client.networks.list({})).map(({ Name }) => Name);
    if (kind === 'function') {
      const functions = await Array.fromAsync(client.functions.list());
      return functions.map(({ FunctionName }) => FunctionName ?? '');
    }
    const containers = await client.containers.list({ all: kind === 'container' });
    return containers.map(({ Names }) => (Names[0] ?? '').slice(1));
  } catch {
    // Without a daemon there are no names; a completion must not fail.
    return [];
  }
}
