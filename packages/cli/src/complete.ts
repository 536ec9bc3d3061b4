import type { Completion } from './args/flags.ts';
import type { Context } from './command.ts';
import { findCommand } from './find-command.ts';

/** What the last of `words` may become: commands, flags, or the names that an argument takes. */
export async function complete(context: Context, words: readonly string[]): Promise<readonly string[]> {
  const last = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const { node, rest } = findCommand(context.tree, before);
  if ('commands' in node) {
    if (rest.length > 0) return [];
    return startingWith(
      last,
      Object.keys(node.commands).filter((name) => !name.startsWith('_')),
    );
  }
  const { default: command } = await node.load();
  const previous = before.at(-1) ?? '';
  const flag = Object.entries(command.flags).find(
    ([name, { short }]) => previous === `--${name}` || (short !== undefined && previous === `-${short}`),
  )?.[1];
  if (flag !== undefined && flag.kind !== 'boolean')
    return startingWith(last, await names(context, flag.complete));
  if (last.startsWith('-')) {
    const shown = Object.entries(command.flags).filter(([, { hidden }]) => hidden !== true);
    return startingWith(last, [...shown.map(([name]) => `--${name}`), '--help']);
  }
  return startingWith(last, await names(context, command.arguments.complete));
}

const startingWith = (start: string, words: readonly string[]): string[] =>
  words.filter((word) => word.startsWith(start));

async function names({ client }: Context, kind: Completion | undefined): Promise<readonly string[]> {
  if (kind === undefined || kind === 'file') return [];
  if (typeof kind !== 'string') return kind;
  try {
    if (kind === 'image') return (await client.images.list()).flatMap(({ RepoTags }) => RepoTags ?? []);
    if (kind === 'volume') return ((await client.volumes.list({})).Volumes ?? []).map(({ Name }) => Name);
    if (kind === 'network') return (await client.networks.list({})).map(({ Name }) => Name);
    const containers = await client.containers.list({ all: kind === 'container' });
    return containers.map(({ Names }) => (Names[0] ?? '').slice(1));
  } catch {
    // Without a daemon there are no names; a completion must not fail.
    return [];
  }
}
