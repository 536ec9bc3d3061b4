import { Flaw } from './error.ts';
import { suggest } from './suggest.ts';

/** What an instruction's flags may be: with a value, with one each time, or yes and no. */
export type FlagTypes = Readonly<Record<string, 'text' | 'list' | 'boolean'>>;

export type FlagValues<T extends FlagTypes> = {
  readonly [K in keyof T]: T[K] extends 'list'
    ? readonly string[]
    : T[K] extends 'boolean'
      ? boolean | undefined
      : string | undefined;
};

/** Reads `--name=value` words. @throws {Flaw} for a flag that is unknown, given twice or without its value */
export function readFlags<T extends FlagTypes>(words: readonly string[], types: T): FlagValues<T> {
  const values: Record<string, string | boolean | string[]> = {};
  for (const name of Object.keys(types)) if (types[name] === 'list') values[name] = [];
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = word.slice(2, equals < 0 ? undefined : equals);
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    if (!Object.hasOwn(types, name)) {
      const near = suggest(name, Object.keys(types));
      throw new Flaw(`unknown flag: --${name}`, near === undefined ? undefined : near);
    }
    const known = values[name];
    if (Array.isArray(known)) known.push(needValue(name, value));
    else if (known !== undefined) throw new Flaw(`duplicate flag specified: --${name}`);
    else values[name] = types[name] === 'boolean' ? readBoolean(name, value) : needValue(name, value);
  }
  return values as FlagValues<T>;
}

function needValue(name: string, value: string | undefined): string {
  if (value === undefined) throw new Flaw(`missing a value on flag: --${name}`);
  return value;
}

function readBoolean(name: string, value: string | undefined): boolean {
  if (value === undefined) return true;
  const lower = value.toLowerCase();
  if (lower === 'true') return true;
  if (lower === 'false') return false;
  throw new Flaw(
    value === ''
      ? `missing a value on flag: --${name}`
      : `expecting boolean value for flag --${name}, not: ${value}`,
  );
}
