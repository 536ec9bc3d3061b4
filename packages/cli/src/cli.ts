import { errorMessage, isSlipwayError } from '@slipway/base/errors';
import { Client, DEFAULT_HOST } from '@slipway/client';
import { boolean, type FlagTable } from './args/flags.ts';
import { parseArguments } from './args/parse.ts';
import { type Command, type Context, ExitError, type Noun } from './command.ts';
import { COMMANDS } from './commands.ts';
import { findCommand } from './find-command.ts';

const HELP_FLAG = { help: boolean('Print help') };

/** What the process brings. */
export type World = Omit<Context, 'client' | 'tree'>;

/** One run of the command. @returns the exit code. */
export async function main(argv: readonly string[], world: World): Promise<number> {
  try {
    return await dispatch(argv, world);
  } catch (error) {
    const message = error instanceof ExitError ? error.message : errorMessage(error);
    if (message !== '') world.stderr.write(`slipway: ${message}\n`);
    if (error instanceof ExitError) return error.exitCode;
    if (!isSlipwayError(error) && world.env['SLIPWAY_DEBUG'] && error instanceof Error) {
      world.stderr.write(`${error.stack}\n`);
    }
    return 1;
  }
}

async function dispatch(argv: readonly string[], world: World): Promise<number> {
  const before = parseArguments(argv, COMMANDS.globalFlags, { interspersed: false });
  if (before.flags.version) {
    const { SLIPWAY_VERSION } = await import('./version.ts');
    world.stdout.write(`slipway version ${SLIPWAY_VERSION}\n`);
    return 0;
  }
  const { path, node, rest } = findCommand(COMMANDS, before.args);
  if ('commands' in node) return showNoun(path, node, rest, before.flags.help, world);
  const { default: command } = await node.load();
  if (before.flags.help) return showHelp(path, command, world);
  const { flags, args, given } = readInput(path, command, rest);
  if (flags['help'] === true) return showHelp(path, command, world);
  using client = new Client(before.flags.host || world.env['SLIPWAY_HOST'] || DEFAULT_HOST);
  checkArguments(path, command, args);
  const exitCode = await command.run({ ...world, client, tree: COMMANDS }, { flags, args, given });
  return typeof exitCode === 'number' ? exitCode : 0;
}

function readInput(path: readonly string[], command: Command, rest: readonly string[]) {
  const usageCode = startsProcess(path) ? 125 : 1;
  try {
    const table: FlagTable = { ...command.flags, ...HELP_FLAG };
    return parseArguments(rest, table, { interspersed: command.interspersed ?? true });
  } catch (error) {
    throw new ExitError(usageCode, `${errorMessage(error)}\nSee 'slipway ${path.join(' ')} --help'.`, {
      cause: error,
    });
  }
}

/** `run`'s own failures are told from its container's by 125, as docker does. */
const startsProcess = (path: readonly string[]): boolean => path.at(-1) === 'run';

function checkArguments(path: readonly string[], command: Command, args: readonly string[]): void {
  const { min, max = Number.POSITIVE_INFINITY, usage } = command.arguments;
  if (args.length >= min && args.length <= max) return;
  const name = `slipway ${path.join(' ')}`;
  const plural = (count: number) => `${count} argument${count === 1 ? '' : 's'}`;
  const wanted =
    min === max
      ? max === 0
        ? 'accepts no arguments'
        : `requires exactly ${plural(min)}`
      : args.length < min
        ? `requires at least ${plural(min)}`
        : `accepts at most ${plural(max)}`;
  throw new ExitError(
    1,
    `"${name}" ${wanted}.\nSee '${name} --help'.\n\nUsage:  ${name} ${usage}\n\n${command.summary}`,
  );
}

async function showHelp(path: readonly string[], command: Command, world: World): Promise<number> {
  const { commandHelp } = await import('./help.ts');
  world.stdout.write(commandHelp(path, command));
  return 0;
}

async function showNoun(
  path: readonly string[],
  noun: Noun,
  rest: readonly string[],
  help: boolean,
  world: World,
): Promise<number> {
  const word = rest[0];
  if (word !== undefined && word !== '--help' && word !== '-h') {
    const { similarCommand } = await import('./help.ts');
    const name = ['slipway', ...path].join(' ');
    const similar = similarCommand(noun, word);
    throw new ExitError(
      1,
      `'${word}' is not a ${name} command.${similar === undefined ? '' : ` Did you mean '${similar}'?`}\nSee '${name} --help'`,
    );
  }
  const { nounHelp, rootHelp } = await import('./help.ts');
  const text = path.length === 0 ? await rootHelp(COMMANDS) : await nounHelp(path, noun);
  const asked = help || word !== undefined || path.length === 0;
  (asked ? world.stdout : world.stderr).write(text);
  return asked ? 0 : 1;
}
