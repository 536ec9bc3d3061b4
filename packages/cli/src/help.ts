import type { FlagTable } from './args/flags.ts';
import type { Command, CommandTree, Node, Noun } from './command.ts';

/** What `slipway COMMAND --help` prints. */
export function commandHelp(path: readonly string[], command: Command): string {
  const name = `slipway ${path.join(' ')}`;
  const options = flagLines(command.flags);
  return [
    `Usage:  ${name}${options.length > 0 ? ' [OPTIONS]' : ''} ${command.arguments.usage}`.trimEnd(),
    '',
    command.summary,
    ...(command.description === undefined ? [] : ['', command.description]),
    ...(command.examples.length === 0 ? [] : ['', 'Examples:', ...exampleLines(command)]),
    ...(options.length === 0 ? [] : ['', 'Options:', ...options]),
    '',
  ].join('\n');
}

/** What `slipway NOUN` prints. */
export async function nounHelp(path: readonly string[], noun: Noun): Promise<string> {
  const name = `slipway ${path.join(' ')}`;
  return [
    `Usage:  ${name} COMMAND`,
    '',
    noun.summary,
    '',
    'Commands:',
    ...(await commandLines(noun.commands)),
    '',
    `See '${name} COMMAND --help' for what a command does.`,
    '',
  ].join('\n');
}

/** What `slipway` and `slipway --help` print. */
export async function rootHelp({ groups, globalFlags }: CommandTree): Promise<string> {
  const lines: string[] = [];
  for (const [title, commands] of Object.entries(groups)) {
    lines.push(`${title}:`, ...(await commandLines(commands)), '');
  }
  return [
    'Usage:  slipway [OPTIONS] COMMAND',
    '',
    'Containers on your machine.',
    '',
    'To begin with:',
    ...columns([
      ['slipway image bootstrap busybox', 'a first image, without a registry'],
      ['slipway run -it busybox sh', 'a shell in a container'],
      ['slipway ps -a', 'what ran'],
    ]),
    '',
    ...lines,
    'Options:',
    ...flagLines(globalFlags),
    '',
    "See 'slipway COMMAND --help' for what a command does, with examples.",
    '',
  ].join('\n');
}

/** The command below `noun` whose name is nearest to a mistyped word, when one is near. */
export function similarCommand(noun: Noun, word: string): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, word.length);
  for (const name of Object.keys(noun.commands)) {
    const distance = editDistance(word, name);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
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

/** How many letters must be typed, dropped or changed to make `b` of `a`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
