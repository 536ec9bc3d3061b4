import { styleText } from 'node:util';
import type { FlagTable } from './args/flags.ts';
import type { Command, CommandTree, Node, Noun } from './command.ts';

/** Makes a heading stand out. */
export type Emphasis = (heading: string) => string;

/** Bold on a terminal that shows colours and where NO_COLOR does not forbid them. */
export const boldOn =
  (stream: NodeJS.WriteStream): Emphasis =>
  (heading) =>
    styleText('bold', heading, { stream });

/** What `slipway COMMAND --help` prints. */
export function commandHelp(path: readonly string[], command: Command, bold: Emphasis): string {
  const name = `slipway ${path.join(' ')}`;
  const options = flagLines(command.flags);
  return [
    `${bold('Usage:')}  ${name}${options.length > 0 ? ' [OPTIONS]' : ''} ${command.arguments.usage}`.trimEnd(),
    '',
    command.summary,
    ...(command.description === undefined ? [] : ['', command.description]),
    ...(command.examples.length === 0 ? [] : ['', bold('Examples:'), ...exampleLines(command)]),
    ...(options.length === 0 ? [] : ['', bold('Options:'), ...options]),
    '',
  ].join('\n');
}

/** What `slipway NOUN` prints. */
export async function nounHelp(path: readonly string[], noun: Noun, bold: Emphasis): Promise<string> {
  const name = `slipway ${path.join(' ')}`;
  return [
    `${bold('Usage:')}  ${name} COMMAND`,
    '',
    noun.summary,
    '',
    bold('Commands:'),
    ...(await commandLines(noun.commands)),
    '',
    `See '${name} COMMAND --help' for what a command does.`,
    '',
  ].join('\n');
}

/** What `slipway` and `slipway --help` print. */
export async function rootHelp({ groups, globalFlags }: CommandTree, bold: Emphasis): Promise<string> {
  const lines: string[] = [];
  for (const [title, commands] of Object.entries(groups)) {
    lines.push(bold(`${title}:`), ...(await commandLines(commands)), '');
  }
  return [
    `${bold('Usage:')}  slipway [OPTIONS] COMMAND`,
    '',
    'Containers and functions on your machine.',
    '',
    bold('To begin with:'),
    ...columns([
      ['slipway image bootstrap busybox', 'a first image, without a registry'],
      ['slipway run -it busybox sh', 'a shell in a container'],
      ['slipway ps -a', 'what ran'],
    ]),
    '',
    ...lines,
    bold('Options:'),
    ...flagLines(globalFlags),
    '',
    "See 'slipway COMMAND --help' for what a command does, with examples.",
    '',
  ].join('\n');
}

/** A node's one-line summary. */
export async function summaryOf(node: Node): Promise<string> {
  return 'commands' in node ? node.summary : (await node.load()).default.summary;
}

async function commandLines(commands: Readonly<Record<string, Node>>): Promise<string[]> {
  const rows = await Promise.all(
    Object.entries(commands).map(async ([name, node]) => [name, await summaryOf(node)] as const),
  );
  return columns(rows);
}

const exampleLines = (command: Command): string[] =>
  columns(command.examples.map(([line, does]) => [`slipway ${line}`, does]));

/** `  -a, --all          Show all` for each flag, in alphabetical order. */
export function flagLines(table: FlagTable): string[] {
  const rows = Object.entries(table)
    .filter(([, flag]) => flag.hidden !== true)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, flag]) => {
      const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
      const value = flag.kind === 'boolean' ? '' : ` ${flag.value}`;
      const initial = flag.initial === true || (typeof flag.initial === 'string' && flag.initial !== '');
      return [
        `${short}--${name}${value}`,
        `${flag.help}${initial ? ` (default ${flag.initial})` : ''}`,
      ] as const;
    });
  return columns(rows);
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(44, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd());
}
