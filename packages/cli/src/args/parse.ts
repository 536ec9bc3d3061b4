import { SlipwayError } from '@slipway/base/errors';
import type { Flag, FlagTable, FlagValues } from './flags.ts';
import { findSimilar } from './similar.ts';

export interface Parsed<F extends FlagTable> {
  readonly flags: FlagValues<F>;
  readonly args: readonly string[];
  /** The names of the flags that were given, whatever their value. */
  readonly given: ReadonlySet<string>;
}

export interface ParseOptions {
  /** Whether flags may follow positional arguments. False for `run` and `exec`, whose arguments are a command. */
  readonly interspersed: boolean;
}

/**
 * Reads a command line as docker's command reads it: `-it`, `-p80:80`, `-e A=b`, `--name=x`, `--name x`, `--rm=false`,
 * `--` ends the flags.
 * @throws InvalidArgument naming the flag.
 */
export function parseArguments<F extends FlagTable>(
  argv: readonly string[],
  table: F,
  { interspersed }: ParseOptions,
): Parsed<F> {
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(table)) values[name] = flag.initial;
  const given = new Set<string>();
  const args: string[] = [];
  const shorts = shortNames(table);

  const set = (name: string, flag: Flag<unknown>, text: string, shown: string) => {
    try {
      values[name] = flag.read(text, values[name]);
    } catch (cause) {
      throw new SlipwayError(
        'InvalidArgument',
        `invalid argument "${text}" for ${shown}: ${cause instanceof Error ? cause.message : cause}`,
        { cause },
      );
    }
    given.add(name);
  };

  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word === '--') {
      args.push(...argv.slice(at + 1));
      break;
    }
    if (word.length < 2 || !word.startsWith('-')) {
      if (!interspersed) {
        args.push(...argv.slice(at));
        break;
      }
      args.push(word);
    } else if (word.startsWith('--')) {
      at += readLong(word, argv[at + 1], table, set);
    } else {
      at += readShorts(word, argv[at + 1], table, shorts, set);
    }
  }
  return { flags: values as FlagValues<F>, args, given };
}

type SetFlag = (name: string, flag: Flag<unknown>, text: string, shown: string) => void;

/** `--name=value`, `--name value` or `--boolean`; how many words it took beyond its own. */
function readLong(word: string, next: string | undefined, table: FlagTable, set: SetFlag): 0 | 1 {
  const equals = word.indexOf('=');
  const name = word.slice(2, equals === -1 ? undefined : equals);
  const flag = Object.hasOwn(table, name) ? table[name] : undefined;
  if (flag === undefined) throw unknownFlag(name, table);
  if (equals !== -1) {
    set(name, flag, word.slice(equals + 1), `--${name}`);
    return 0;
  }
  if (flag.kind === 'boolean') {
    set(name, flag, 'true', `--${name}`);
    return 0;
  }
  if (next === undefined) throw new SlipwayError('InvalidArgument', `flag needs an argument: --${name}`);
  set(name, flag, next, `--${name}`);
  return 1;
}

function unknownFlag(name: string, table: FlagTable): SlipwayError {
  const shown = Object.keys(table).filter((known) => table[known]?.hidden !== true);
  const similar = findSimilar(name, shown);
  const hint = similar === undefined ? '' : `; did you mean --${similar}?`;
  return new SlipwayError('InvalidArgument', `unknown flag: --${name}${hint}`);
}

/** `-it`, `-p80:80`, `-p=80:80`, `-p 80:80`. */
function readShorts(
  word: string,
  next: string | undefined,
  table: FlagTable,
  shorts: ReadonlyMap<string, string>,
  set: SetFlag,
): 0 | 1 {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] as string;
    const name = shorts.get(letter);
    const flag = name === undefined ? undefined : table[name];
    if (name === undefined || flag === undefined) {
      throw new SlipwayError('InvalidArgument', `unknown shorthand flag: '${letter}' in ${word}`);
    }
    const shown = `-${letter}, --${name}`;
    const rest = word.slice(at + 1);
    if (rest.startsWith('=')) {
      set(name, flag, rest.slice(1), shown);
      return 0;
    }
    if (flag.kind === 'boolean') {
      set(name, flag, 'true', shown);
      continue;
    }
    if (rest !== '') {
      set(name, flag, rest, shown);
      return 0;
    }
    if (next === undefined) {
      throw new SlipwayError('InvalidArgument', `flag needs an argument: '${letter}' in ${word}`);
    }
    set(name, flag, next, shown);
    return 1;
  }
  return 0;
}

function shortNames(table: FlagTable): ReadonlyMap<string, string> {
  const shorts = new Map<string, string>();
  for (const [name, flag] of Object.entries(table))
    if (flag.short !== undefined) shorts.set(flag.short, name);
  return shorts;
}
