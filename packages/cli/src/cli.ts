import { getSystemErrorMessage, styleText } from 'node:util';
import { errorMessage, isSlipwayError } from '@slipway/base/errors';
import { Client, DEFAULT_HOST } from '@slipway/client';
import { boolean, type FlagTable } from './args/flags.ts';
import { parseArguments } from './args/parse.ts';
import { findSimilar } from './args/similar.ts';
import { type Command, type Context, ExitError, type Noun } from './command.ts';
import { COMMANDS } from './commands.ts';
import { findCommand } from './find-command.ts';

const HELP_FLAG = { help: boolean('Print help') };

/** What the process brings; its properties may be getters. */
export type World = Omit<Context, 'client' | 'tree'>;

/** One run of the command. @returns the exit code. */
export async function main(argv: readonly string[], world: World): Promise<number> {
  try {
    return await dispatch(argv, world);
  } catch (error) {
    const message = error instanceof ExitError ? error.message : explain(error);
    if (message !== '') {
      const name = styleText(['red', 'bold'], 'slipway:', { stream: world.stderr });
      world.stderr.write(`${name} ${message}\n`);
    }
    if (error instanceof ExitError) return error.exitCode;
    if (!isSlipwayError(error) && world.env['SLIPWAY_DEBUG'] && error instanceof Error) {
      world.stderr.write(`${error.stack}\n`);
    }
    return 1;
  }
}

/** A system call's failure in words; any other by its message. */
function explain(error: unknown): string {
  if (isSlipwayError(error) || !(error instanceof Error) || !('errno' in error)) return errorMessage(error);
  const { errno, syscall, path } = error as NodeJS.ErrnoException;
  const place = path === undefined ? '' : ` ${path}`;
  return `${syscall}${place}: ${getSystemErrorMessage(errno ?? 0)}`;
}

async function dispatch(argv: readonly string[], world: World): Promise<number> {
  const before = readGlobalFlags(argv);
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
  // Not a copy of the world, whose streams are opened when they are looked at.
  const context: Context = Object.assign(Object.create(world), { client, tree: COMMANDS });
  const exitCode = await command.run(context, { flags, args, given });
  return typeof exitCode === 'number' ? exitCode : 0;
}

function readGlobalFlags(argv: readonly string[]) {
  try {
    return parseArguments(argv, COMMANDS.globalFlags, { interspersed: false });
  } catch (error) {
    throw new ExitError(USAGE_EXIT_CODE, `${errorMessage(error)}\nSee 'slipway --help'.`, { cause: error });
  }
}

/** What docker's command ends with when it does not understand its flags. */
const USAGE_EXIT_CODE = 125;

function readInput(path: readonly string[], command: Command, rest: readonly string[]) {
  try {
    const table: FlagTable = { ...command.flags, ...HELP_FLAG };
    return parseArguments(rest, table, { interspersed: command.interspersed ?? true });
  } catch (error) {
    throw new ExitError(USAGE_EXIT_CODE, `${errorMessage(error)}\nSee 'slipway ${path.join(' ')} --help'.`, {
      cause: error,
    });
  }
}

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
  const { boldOn, commandHelp } = await import('./help.ts');
  world.stdout.write(commandHelp(path, command, boldOn(world.stdout)));
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
    const name = ['slipway', ...path].join(' ');
    const similar = similarCommand(noun, word);
    const hint = similar === undefined ? '' : ` Did you mean '${name} ${similar}'?`;
    throw new ExitError(1, `'${word}' is not a ${name} command.${hint}\nSee '${name} --help'`);
  }
  const { boldOn, nounHelp, rootHelp } = await import('./help.ts');
  const asked = help || word !== undefined || path.length === 0;
  const out = asked ? world.stdout : world.stderr;
  const bold = boldOn(out);
  out.write(path.length === 0 ? await rootHelp(COMMANDS, bold) : await nounHelp(path, noun, bold));
  return asked ? 0 : 1;
}

/** The command below `noun` that was perhaps meant: one of a similar name, or of that name below one of its nouns. */
function similarCommand(noun: Noun, word: string): string | undefined {
  const shown = Object.keys(noun.commands).filter((name) => !name.startsWith('_'));
  const deeper = shown.find((name) => {
    const below = noun.commands[name];
    return below !== undefined && 'commands' in below && Object.hasOwn(below.commands, word);
  });
  return deeper === undefined ? findSimilar(word, shown) : `${deeper} ${word}`;
}
