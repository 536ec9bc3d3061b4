import { parseArgs } from 'node:util';
import { SlipwayError } from '@slipway/base';
import { OPTION_ROWS, type OptionRow, type RawSettings } from './options.ts';

const ROWS: readonly OptionRow[] = OPTION_ROWS;

/**
 * The flags of a command line, unchecked.
 * @throws InvalidArgument for a flag that does not exist, naming the nearest one, or one without its value.
 */
export function parseFlags(args: readonly string[]): RawSettings {
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      ROWS.map((row) => [
        row.name,
        {
          type: row.value === undefined ? ('boolean' as const) : ('string' as const),
          ...(row.short === undefined ? {} : { short: row.short }),
        },
      ]),
    ),
  });
  const settings: Record<string, unknown> = {};
  for (const token of tokens) {
    if (token.kind === 'positional') {
      throw new SlipwayError(
        'InvalidArgument',
        `slipwayd takes no arguments, only options: "${token.value}"`,
      );
    }
    if (token.kind !== 'option') continue;
    const row = ROWS.find(({ name }) => name === token.name);
    if (row === undefined) throw unknownFlag(token.rawName);
    if (row.value === undefined) {
      settings[row.name] = token.value ?? true;
    } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))) {
      throw new SlipwayError('InvalidArgument', `--${row.name} needs a value: --${row.name} ${row.value}`);
    } else if (row.repeated) {
      settings[row.name] = [...((settings[row.name] as string[] | undefined) ?? []), token.value];
    } else {
      settings[row.name] = token.value;
    }
  }
  return settings;
}

function unknownFlag(flag: string): SlipwayError {
  const name = flag.replace(/^-+/, '');
  const nearest = ROWS.map((row) => ({ name: row.name, distance: editDistance(name, row.name) })).sort(
    (a, b) => a.distance - b.distance,
  )[0];
  const hint =
    nearest !== undefined && nearest.distance <= Math.max(2, name.length / 3)
      ? `did you mean --${nearest.name}?`
      : 'slipwayd --help lists them';
  return new SlipwayError('InvalidArgument', `unknown option ${flag}; ${hint}`);
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
