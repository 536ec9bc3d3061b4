import { SlipwayError } from '@slipway/base';

const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

/**
 * A file's permission bits as `--chmod` makes them: octal, or symbolic as chmod(1) has it (`u+x,go=rX`).
 * @throws InvalidArgument for what is neither
 */
export function applyMode(mode: string, before: number, isDirectory: boolean): number {
  if (/^[0-7]{1,5}$/.test(mode)) return Number.parseInt(mode, 8);
  let bits = before & 0o7777;
  for (const clause of mode.split(',')) {
    const [, who = '', actions = ''] = /^([ugoa]*)((?:[-+=][rwxXstugo]*)+)$/.exec(clause) ?? [];
    if (actions === '') {
      throw new SlipwayError(
        'InvalidArgument',
        `invalid chmod parameter: '${mode}'. it should be octal string and between 0 and 07777, or symbolic as u+x,go=r`,
      );
    }
    const groups = who === '' || who.includes('a') ? ['u', 'g', 'o'] : [...new Set(who)];
    for (const [, sign, letters = ''] of actions.matchAll(/([-+=])([rwxXstugo]*)/g)) {
      bits = applyAction(bits, groups, sign as string, letters, isDirectory);
    }
  }
  return bits;
}

function applyAction(
  bits: number,
  groups: readonly string[],
  sign: string,
  letters: string,
  isDirectory: boolean,
): number {
  let given = 0;
  let cleared = 0;
  for (const group of groups) {
    const shift = SHIFTS[group] ?? 0;
    for (const letter of letters) given |= specialBit(letter, group);
    for (const letter of letters) given |= rwx(letter, bits, isDirectory) << shift;
    cleared |= 0o7 << shift;
    if (group === 'u') cleared |= 0o4000;
    if (group === 'g') cleared |= 0o2000;
  }
  if (sign === '+') return bits | given;
  if (sign === '-') return bits & ~given;
  return (bits & ~cleared) | given;
}

/** The bits that stand outside of a group's three. */
function specialBit(letter: string, group: string): number {
  if (letter === 't') return 0o1000;
  if (letter !== 's') return 0;
  return group === 'u' ? 0o4000 : group === 'g' ? 0o2000 : 0;
}

function rwx(letter: string, bits: number, isDirectory: boolean): number {
  if (letter === 'r') return 4;
  if (letter === 'w') return 2;
  if (letter === 'x') return 1;
  if (letter === 'X') return isDirectory || (bits & 0o111) !== 0 ? 1 : 0;
  return letter in SHIFTS ? (bits >> (SHIFTS[letter] ?? 0)) & 7 : 0;
}
