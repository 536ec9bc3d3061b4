import { SlipwayError } from '@slipway/base/errors';

/** What a flag's or an argument's value names, so that the shell can complete it. */
export type Completion =
  | 'container'
  | 'running'
  | 'image'
  | 'volume'
  | 'network'
  | 'function'
  | 'file'
  | readonly string[];

export interface FlagOptions {
  /** One letter. */
  readonly short?: string;
  /** What the value is called in the help. */
  readonly value?: string;
  readonly complete?: Completion;
  /** Left out of the help, for old spellings. */
  readonly hidden?: boolean;
}

/** One flag of a command, as data: the parser, the help, the completion and the reference read it. */
export interface Flag<T> extends FlagOptions {
  readonly kind: 'boolean' | 'value' | 'list';
  readonly help: string;
  readonly initial: T;
  /** The value after one more occurrence. @throws InvalidArgument for text that is no such value. */
  readonly read: (text: string, before: T) => T;
}

// biome-ignore lint/suspicious/noExplicitAny: flags of different types stand in one table.
export type FlagTable = Readonly<Record<string, Flag<any>>>;

/** The flags' values by name. */
export type FlagValues<F extends FlagTable> = {
  readonly [Name in keyof F]: F[Name] extends Flag<infer T> ? T : never;
};

const TRUE = ['true', 't', '1', 'T', 'TRUE', 'True'];
const FALSE = ['false', 'f', '0', 'F', 'FALSE', 'False'];

/** `--name`, `--name=false`. */
export function boolean(help: string, options: FlagOptions & { initial?: boolean } = {}): Flag<boolean> {
  const { initial = false, ...rest } = options;
  return {
    kind: 'boolean',
    help,
    initial,
    ...rest,
    read(text) {
      if (TRUE.includes(text)) return true;
      if (FALSE.includes(text)) return false;
      throw new SlipwayError('InvalidArgument', `"${text}" is neither true nor false`);
    },
  };
}

/** `--name VALUE`; the last one counts; '' when it was not given. */
export function text(help: string, options: FlagOptions & { initial?: string } = {}): Flag<string> {
  const { initial = '', ...rest } = options;
  return { kind: 'value', help, initial, value: 'string', ...rest, read: (value) => value };
}

/** A decimal number; undefined when it was not given. */
export function number(help: string, options: FlagOptions = {}): Flag<number | undefined> {
  return {
    kind: 'value',
    help,
    initial: undefined,
    value: 'number',
    ...options,
    read(value) {
      if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(value)) {
        throw new SlipwayError('InvalidArgument', `"${value}" is not a number`);
      }
      return Number(value);
    },
  };
}

/** A whole number; undefined when it was not given. */
export function integer(help: string, options: FlagOptions = {}): Flag<number | undefined> {
  return {
    ...number(help, { value: 'int', ...options }),
    read(value) {
      if (!/^[+-]?\d+$/.test(value) || !Number.isSafeInteger(Number(value))) {
        throw new SlipwayError('InvalidArgument', `"${value}" is not a whole number`);
      }
      return Number(value);
    },
  };
}

/** `--name A --name B`: all of them, in order. */
export function list(help: string, options: FlagOptions = {}): Flag<readonly string[]> {
  return {
    kind: 'list',
    help,
    initial: [],
    value: 'list',
    ...options,
    read: (value, before) => [...before, value],
  };
}

/** A value that `parse` understands; undefined when it was not given. */
export function parsed<T>(
  help: string,
  parse: (text: string) => T,
  options: FlagOptions = {},
): Flag<T | undefined> {
  return {
    kind: 'value',
    help,
    initial: undefined,
    value: 'string',
    ...options,
    read: (value) => parse(value),
  };
}

/** The flag `--filter` of every list. */
export const filterFlag = (): Flag<readonly string[]> =>
  list('Filter output, e.g. "label=NAME=VALUE"', { short: 'f', value: 'filter' });

/** The flag `--format` of everything that prints. */
export const formatFlag = (): Flag<string> =>
  text("Format output: 'table', 'table TEMPLATE', 'json', or a Go template", { value: 'template' });
