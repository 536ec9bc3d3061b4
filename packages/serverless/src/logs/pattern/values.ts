import { invalid } from '../names.ts';

/** Whether a line is one that was asked for. */
export type Matcher = (message: string) => boolean;

/** What a field or a JSON member is compared with. */
export type Comparison = '=' | '!=' | '<' | '>' | '<=' | '>=';

/** `%…%` without groups and counted repetition, as CloudWatch Logs has it: what takes no time out of proportion. */
export function parseRegex(source: string): RegExp {
  if (/(?<!\\)[(){}]/.test(source))
    throw invalid(`groups and counts are not part of %regular expressions%: ${source}`);
  if ((source.match(/(?<!\\)[*+]/g) ?? []).length > 4) throw invalid(`too many repetitions in %${source}%`);
  try {
    return new RegExp(source);
  } catch (cause) {
    throw invalid(`%${source}% is no regular expression: ${(cause as Error).message}`);
  }
}

/** A test of one value: `4*`, `"quoted"`, `%regex%`, `200`. @throws InvalidArgument when numbers are needed and there is none */
export function parseTest(comparison: Comparison, operand: string): (value: unknown) => boolean {
  if (comparison === '=' || comparison === '!=') {
    const equals = parseEquality(operand);
    return comparison === '=' ? equals : (value) => value !== undefined && !equals(value);
  }
  const bound = Number(unquote(operand));
  if (operand === '' || Number.isNaN(bound)) throw invalid(`${comparison} needs a number, not ${operand}`);
  return (value) => {
    const number = typeof value === 'number' ? value : Number.parseFloat(String(value));
    if (Number.isNaN(number)) return false;
    if (comparison === '<') return number < bound;
    if (comparison === '>') return number > bound;
    return comparison === '<=' ? number <= bound : number >= bound;
  };
}

function parseEquality(operand: string): (value: unknown) => boolean {
  if (/^%.*%$/s.test(operand) && operand.length > 1) {
    const regex = parseRegex(operand.slice(1, -1));
    return (value) => value !== undefined && regex.test(String(value));
  }
  const isQuoted = operand.startsWith('"');
  const text = unquote(operand);
  const number = !isQuoted && text !== '' ? Number(text) : Number.NaN;
  const wildcard = text.includes('*')
    ? new RegExp(`^${text.split('*').map(escapeRegex).join('.*?')}$`, 's')
    : undefined;
  return (value) => {
    if (value === undefined || value === null) return false;
    if (!Number.isNaN(number) && Number(value) === number && String(value) !== '') return true;
    return wildcard === undefined ? String(value) === text : wildcard.test(String(value));
  };
}

export const unquote = (text: string): string =>
  text.startsWith('"') && text.endsWith('"') && text.length > 1
    ? text.slice(1, -1).replace(/\\(["\\])/g, '$1')
    : text;

const escapeRegex = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
