import type { Command, CommandTree, Node } from './command.ts';
import { flagLines } from './help.ts';

/** docs/reference/cli.md: every command with its usage, examples and flags, grouped as in the help. */
export async function reference({ groups, globalFlags }: CommandTree): Promise<string> {
  const parts = [
    '# The command `slipway`',
    '',
    '<!-- Written by script/reference from the commands themselves; change those. -->',
    '',
    'Usage: `slipway [OPTIONS] COMMAND`',
    '',
    ...fenced(flagLines(globalFlags)),
  ];
  const described = new Map<Node, string>();
  for (const [title, commands] of Object.entries(groups)) {
    parts.push(`## ${title}`, '');
    for (const [name, node] of Object.entries(commands))
      parts.push(...(await section([name], node, described)));
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

/** `described` has the commands that were described before: a further name of one only refers to it. */
async function section(
  path: readonly string[],
  node: Node,
  described: Map<Node, string>,
): Promise<readonly string[]> {
  const name = `slipway ${path.join(' ')}`;
  const heading = `### ${name}`;
  if ('commands' in node) {
    const below: string[] = [];
    for (const [word, child] of Object.entries(node.commands)) {
      below.push(...(await section([...path, word], child, described)));
    }
    return [heading, '', `${node.summary}.`, '', ...below];
  }
  const same = described.get(node);
  if (same !== undefined) return [heading, '', `The same as \`${same}\`.`, ''];
  described.set(node, name);
  return commandSection(heading, path, (await node.load()).default);
}

function commandSection(heading: string, path: readonly string[], command: Command): string[] {
  const flags = flagLines(command.flags);
  const usage = `slipway ${path.join(' ')}${flags.length > 0 ? ' [OPTIONS]' : ''} ${command.arguments.usage}`;
  return [
    heading,
    '',
    `${command.summary}.${command.description === undefined ? '' : ` ${command.description}`}`,
    '',
    ...fenced([usage.trimEnd()]),
    ...(flags.length > 0 ? fenced(flags) : []),
    ...command.examples.map(([line, does]) => `- \`slipway ${line}\`: ${does}`),
    ...(command.examples.length > 0 ? [''] : []),
  ];
}

const fenced = (lines: readonly string[]): string[] => ['```text', ...lines, '```', ''];
